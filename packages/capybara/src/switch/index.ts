// What the rest of the package, and its users, may know of the switch.

export { type Candidate, fillMaglev, fillSchedule } from './choice.ts';
export {
  DEFAULT_TIMEOUTS,
  type Flow,
  type FlowKey,
  FlowTable,
  type FlowTimeouts,
  type OwnerClaim,
} from './flows.ts';
export {
  DROP,
  FLOW_CLIENT_FIN,
  FLOW_CLIENT_RST,
  FLOW_ESTABLISHED,
  FLOW_SERVER_FIN,
  FLOW_SERVER_RST,
  type Geometry,
  memoryBytes,
  PASS,
  type PortRole,
  REDIRECT,
  SWITCH_PATHS,
  type SwitchPath,
  TRANSMIT,
} from './layout.ts';
export { SwitchModel, type SwitchModelOptions } from './model.ts';
export { switchCode } from './program.ts';
export type { SwitchCodeOptions } from './program-frame.ts';
export { Switch, type SwitchBackend, type SwitchOptions, type SwitchPort } from './switch.ts';
export {
  type BackendCounters,
  type BackendRecord,
  type BackendState,
  type SwitchPolicy,
  SwitchTables,
} from './tables.ts';
