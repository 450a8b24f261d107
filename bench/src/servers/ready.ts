// What every server of the benchmarks does alike: say that it is there, and go when it is told to.

import { writeSync } from 'node:fs';

/** Tells the benchmark that the service takes requests. */
export function announceReady(): void {
  writeSync(1, '{"ready":true}\n');
}

/** Ends the process in an orderly way when asked to, so that profiles get written. */
export function exitOnRequest(): void {
  process.on('SIGTERM', () => process.exit(0));
  process.on('SIGINT', () => process.exit(0));
}
