// The entry `@demikernel/capybara/host`: a backend's part in moving connections.

export type { FlowName } from '../tcpmig/flow.ts';
export { ANY_BACKEND, MIGRATION_PORT } from '../tcpmig/header.ts';
export type { OriginOutcome } from '../tcpmig/origin.ts';
export { DEFAULT_TIMING, type MigrationTiming } from '../tcpmig/timing.ts';
export { type AgentCounters, type AgentOptions, type IdentifierSource, MigrationAgent } from './agent.ts';
export { Announcer, type AnnouncerOptions } from './announcing.ts';
export type { ControlCounters } from './control-socket.ts';
export type { Arrival, ArrivalHooks, MigratableHooks } from './hooks.ts';
