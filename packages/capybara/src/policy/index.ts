// The entry `@demikernel/capybara/policy`: what should move. Pure.

export type { BalanceOptions, RelieveOptions } from './balance.ts';
export type { BackendLoad, ConnectionLoad, Fleet, Move, Plan, Reason, Stuck } from './fleet.ts';
export { Policy, type PolicyOptions } from './policy.ts';
