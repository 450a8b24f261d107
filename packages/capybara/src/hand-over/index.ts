// The entry `@demikernel/capybara/hand-over`: ordinary Node servers that are restarted without losing a connection.

export type { Succession, SuccessionOptions } from './options.ts';
export { type Succeeding, succeed } from './succeed.ts';
