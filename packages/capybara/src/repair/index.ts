// The entry `@demikernel/capybara/repair`: the kernel's own TCP connections, moved by TCP_REPAIR.

export {
  type CarriedOptions,
  decodeConnection,
  type Endpoint,
  encodeConnection,
  type KernelConnection,
} from './connection-record.ts';
export { abandon, exportConnection, freeze, thaw } from './export.ts';
export { type Flow, FlowHold, type FlowHoldOptions } from './flow-hold.ts';
export type { HeldPath } from './flow-hold-code.ts';
export { ImportedConnection, importConnection } from './import.ts';
export { MovingSocket, socketOf } from './moving-socket.ts';
