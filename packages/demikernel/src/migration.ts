// The entry `demikernel/migration`: a TCP connection leaves one stack and arrives at another. How hosts agree on it is
// not here: @demikernel/capybara. Importing loads no native code.

export {
  type ArrivingConnection,
  type ConnectionName,
  type DepartingConnection,
  departable,
  Expected,
  type ExpectOptions,
  type ExportOptions,
  expectConnection,
  exportConnection,
  hasUntaken,
  isReading,
  listenFor,
  type MovingHost,
  onStranger,
  resetStranger,
} from './inetstack/tcp/migration/connections.ts';
export type { PacketSink } from './inetstack/tcp/migration/holding.ts';
export type { Stranger } from './inetstack/tcp/migration/stranger.ts';
export { SipHash } from './inetstack/tcp/siphash.ts';
