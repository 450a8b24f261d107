// The measuring client: it counts what is lost and what comes back changed, over real sockets on the loopback interface.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { platformRefusal } from '@demikernel/native/kernel';
import type { RoundRequest, RoundResult } from '../src/client/round.ts';
import { scriptPath } from './run-command.ts';

async function round(request: Partial<RoundRequest>): Promise<RoundResult> {
  const client = spawn(process.execPath, [scriptPath('client/main')], { stdio: ['pipe', 'pipe', 'inherit'] });
  const whole: RoundRequest = {
    protocol: 'tcp',
    address: '127.0.0.1',
    port: 0,
    sizeBytes: 64,
    connections: 1,
    client: 'spin',
    warmUpMs: 10,
    warmUpRequests: 0,
    measureMs: 60,
    serverPid: process.pid,
    ...request,
  };
  const lines = createInterface({ input: client.stdout })[Symbol.asyncIterator]();
  assert.deepEqual(JSON.parse((await lines.next()).value as string), { ready: true });
  client.stdin.end(`${JSON.stringify(whole)}\n`);
  return JSON.parse((await lines.next()).value as string) as RoundResult;
}

const skip = platformRefusal() ?? false;

test('TCP, one connection and many, spinning and blocking', { skip }, async () => {
  const server = createServer(socket => {
    socket.on('error', () => {});
    socket.pipe(socket);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  for (const client of ['spin', 'block'] as const) {
    for (const [connections, sizeBytes] of [
      [1, 64],
      [8, 64],
      [1, 8192],
    ] as const) {
      const result = await round({ port, client, connections, sizeBytes });
      assert.equal(result.error, undefined);
      assert.ok(result.requests > 0);
      assert.equal(result.corrupted, 0);
      const counted = result.latencies.filter((_, i) => i % 2 === 1).reduce((a, b) => a + b, 0);
      assert.equal(counted, result.requests);
    }
  }
  server.close();
});

test('replies with other bytes are counted, not believed', { skip }, async () => {
  const server = createServer(socket => {
    socket.on('error', () => {});
    socket.on('data', bytes => {
      bytes[bytes.length - 1]! ^= 1;
      socket.write(bytes);
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const result = await round({ port: (server.address() as AddressInfo).port });
  assert.ok(result.corrupted > 0);
  assert.equal(result.requests, 0);
  server.close();
});

test('datagrams that are not answered are lost, and the round goes on', { skip }, async () => {
  const server = createSocket('udp4');
  let count = 0;
  server.on('message', (bytes, from) => {
    if (++count % 3 !== 0) server.send(bytes, from.port, from.address);
  });
  server.bind(0, '127.0.0.1');
  await once(server, 'listening');
  const result = await round({ protocol: 'udp', port: server.address().port, measureMs: 300 });
  assert.ok(result.lost > 0);
  assert.ok(result.requests > 0);
  server.close();
});

test('a port where nobody listens is an error of the round, not of the client', { skip }, async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  assert.match((await round({ port })).error ?? '', /ECONNREFUSED/);
});
