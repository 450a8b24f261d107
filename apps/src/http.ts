// A small HTTP/1.1 server: the command. The service is in http/server.ts, the parser in http/request-parser.ts.

import { coroutines } from 'demikernel';
import { BACKEND_HELP, BACKEND_OPTIONS, backendPlan, turnUntilStopped } from './backend.ts';
import { HttpServer, type Resource } from './http/server.ts';
import { runApplication, say } from './options.ts';

const USAGE = `
Usage: http ADDRESS:PORT [--idle-timeout SECONDS]

Serves /, /1k, /64k and /1m from memory (GET, HEAD), and POST /echo, which answers with the request's body.
Keep-alive, pipelining, chunked and counted request bodies.

  --idle-timeout SECONDS close a connection on which nothing moves for so long; default 60
${BACKEND_HELP}`;

/** Resources for trying the service out. */
export function sampleResources(): Record<string, Resource> {
  const bytes = (lengthBytes: number): Resource => ({
    contentType: 'application/octet-stream',
    body: Uint8Array.from({ length: lengthBytes }, (_, i) => i & 0xff),
  });
  return {
    '/': { contentType: 'text/plain; charset=utf-8', body: 'Hello from a library OS.\n' },
    '/1k': bytes(1 << 10),
    '/64k': bytes(1 << 16),
    '/1m': bytes(1 << 20),
  };
}

await runApplication(
  import.meta.url,
  USAGE,
  { 'idle-timeout': { type: 'string' }, ...BACKEND_OPTIONS },
  command => {
    const address = command.address(0);
    const idleTimeoutUs = command.number('idle-timeout', 60, 1) * 1_000_000;
    const plan = backendPlan(command, address);
    return os => {
      const co = coroutines(os);
      const backend = plan?.join(os);
      const resources = sampleResources();
      const server = new HttpServer(co, { address, resources, idleTimeoutUs, mover: backend?.agent });
      say(`http: listening on ${server.address}, ${os.name}`);
      try {
        turnUntilStopped(os);
        backend?.drain(() => {});
        co.abandonAll();
      } finally {
        server.close();
      }
    };
  },
);
