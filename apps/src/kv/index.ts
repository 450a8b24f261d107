// The entry `@demikernel/apps/kv`: the key-value service over RESP, for tests and benchmarks.

export type { KvLimits } from './limits.ts';
export { KvServer, type KvServerOptions } from './server.ts';
export { readSession } from './session.ts';
