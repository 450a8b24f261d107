// The peer: a TCP echo on node:net as one would write it, on a Unix socket where the first argument is a path. With `spin`, the same with a setImmediate loop, which keeps
// Node's event loop from ever sleeping.

import { rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { announceReady, exitOnRequest } from './ready.ts';

const [port = '7', wait = 'interrupt'] = process.argv.slice(2);

exitOnRequest();
const server = createServer({ noDelay: true }, socket => {
  socket.on('data', bytes => socket.write(bytes));
  socket.on('error', () => socket.destroy());
});
if (port.startsWith('/')) listenAt(port);
else server.listen(Number(port), '0.0.0.0', announceReady);

function listenAt(path: string): void {
  server.listen(path, announceReady);
  process.on('exit', () => rmSync(path, { force: true }));
}

function spin(): void {
  setImmediate(spin);
}
if (wait === 'spin') spin();
