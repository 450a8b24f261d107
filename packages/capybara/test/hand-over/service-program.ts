// A service that is restarted by the tests: `net` answers each byte with the byte at its place in another stream, which
// needs state per connection; `http` answers requests, some of them slowly. Arguments: kind, path, port and, if not 127.0.0.1, the address.

import * as http from 'node:http';
import * as net from 'node:net';
import { succeed } from '../../src/hand-over/index.ts';
import { fillBytes, firstWrong } from '../stream.ts';

const [kind, path, port, host = '127.0.0.1'] = process.argv.slice(2) as [string, string, string, string?];

interface Place {
  got: number;
  sent: number;
}

const places = new WeakMap<net.Socket, Place>();

function serveStream(socket: net.Socket): void {
  const place = places.get(socket) ?? { got: 0, sent: 0 };
  places.set(socket, place);
  socket.on('error', () => {});
  socket.on('data', bytes => {
    const wrong = firstWrong(bytes, 1, place.got);
    if (wrong >= 0) {
      process.stdout.write(`wrong at ${place.got + wrong}\n`);
      socket.destroy();
      return;
    }
    place.got += bytes.length;
    const answer = new Uint8Array(bytes.length);
    fillBytes(answer, 2, place.sent);
    place.sent += answer.length;
    if (!socket.write(answer)) {
      socket.pause();
      socket.once('drain', () => socket.resume());
    }
  });
}

function answer(request: http.IncomingMessage, response: http.ServerResponse): void {
  request.resume();
  request.on('end', () => {
    const finish = (): void => {
      response.setHeader('x-process', String(process.pid));
      response.end(`${request.method} ${request.url}\n`);
    };
    if (request.url?.startsWith('/slow') === true) setTimeout(finish, 30);
    else finish();
  });
}

const server = kind === 'http' ? http.createServer(answer) : net.createServer(serveStream);
if (kind === 'http') (server as http.Server).keepAliveTimeout = 60_000;
const service = await succeed(server, {
  path,
  listen: { port: Number(port), host },
  ...(kind === 'net' && {
    save: socket => {
      const place = places.get(socket)!;
      return new Uint8Array(Float64Array.of(place.got, place.sent).buffer);
    },
    restore: (socket, state) => {
      const [got, sent] = new Float64Array(state.slice().buffer) as unknown as [number, number];
      places.set(socket, { got, sent });
    },
  }),
});
process.stdout.write('serving\n');
const { complete, moved, kept } = await service.handedOver;
process.stdout.write(`handed over ${complete} ${moved} ${kept}\n`);
if (kept === 0) process.exit(0);
