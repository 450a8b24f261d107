// The entry `@demikernel/apps/http`: the HTTP service, for tests and benchmarks.

export type { RequestLimits } from './request.ts';
export { RequestParser } from './request-parser.ts';
export { type HttpCounters, HttpServer, type HttpServerOptions, type Resource } from './server.ts';
export { readSession } from './session.ts';
