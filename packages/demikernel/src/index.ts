// Demikernel: a datapath operating system for Node.js. Importing loads no native code; `open` does.

export { DemiError, type Gatherable, ScatterGatherArray, Slice } from '@demikernel/memory';
export { type Awaitable, type Coroutine, Coroutines, coroutines, type Task } from './pdpix/coroutines.ts';
export { type AddressLike, Demikernel, type Payload } from './pdpix/demikernel.ts';
export {
  type CommonOptions,
  LIBRARY_OSES,
  METRICS_NAME,
  type OpenOptions,
  open,
  STORAGE_LIBRARY_OSES,
  type StorageOptions,
} from './pdpix/open.ts';
export { OPEN_FLAGS, OPEN_FLAGS_HELP, type OpenFlagValues, openOptions } from './pdpix/open-flags.ts';
export { AsyncDemikernel, type CallOptions, Connection, Listener, promises } from './pdpix/promises.ts';
export type { WaitSet } from './pdpix/wait-set.ts';
export * from './runtime/errno.ts';
export type { LogOptions, SocketType } from './runtime/library-os.ts';
export { type HistogramSnapshot, type MetricsSnapshot, readMetrics } from './runtime/metrics.ts';
export {
  OP_ACCEPT,
  OP_CONNECT,
  OP_OPEN,
  OP_POP,
  OP_PUSH,
  OP_TRUNCATE,
  PUSH_ACKED,
  type QueueToken,
} from './runtime/operation.ts';
export type { WaitMode } from './runtime/poll-loop.ts';
export { SHUT_RD, SHUT_RDWR, SHUT_WR, type SocketOptionName, type SocketOptions } from './runtime/queue.ts';
export type { Result } from './runtime/result.ts';
export { formatIpv4, parseIpv4, parseSocketAddress, SocketAddress } from './runtime/socket-address.ts';
