// Ten thousand connections in one process: opened, used, half-closed, closed; what each costs, and that nothing is left.
//
// SCALE_CONNECTIONS=n sets another number.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SimulatedWorld } from '../../src/liboses/simulator/index.ts';
import type { Operation } from '../../src/runtime/operation.ts';
import { type Queue, SHUT_WR } from '../../src/runtime/queue.ts';
import { done, Peer, pattern } from '../inetstack/tcp/simulated-pair.ts';
import { liveHeapBytes } from './heap.ts';
import { assertNothingLeft, assertQuiet } from './ledger.ts';

const CONNECTIONS = Number(process.env['SCALE_CONNECTIONS'] ?? 10_000);
const OPENED_AT_ONCE = 250;
const MESSAGE_BYTES = 1024;

function host(world: SimulatedWorld, address: string): Peer {
  return new Peer(
    world,
    world.host(address, {
      slots: 65_536,
      queues: CONNECTIONS + 8,
      operations: 65_536,
      tcp: { tableRows: 256, maximumOrphans: CONNECTIONS, maximumTimeWait: CONNECTIONS },
      device: { ringFrames: 4096 },
    }),
  );
}

/** Runs until every operation is complete, and retires them. */
function finishAll(world: SimulatedWorld, peer: Peer, operations: readonly Operation[]): void {
  let first = 0;
  assert.ok(
    world.run(() => {
      while (first < operations.length && done(operations[first]!)) first++;
      return first === operations.length;
    }),
    `${operations.length - first} operations never complete`,
  );
  for (const operation of operations) assert.equal(peer.finish(operation), 0);
}

function popAll(world: SimulatedWorld, peer: Peer, queues: readonly Queue[], expected: Uint8Array): void {
  const pops = queues.map(queue => peer.pop(queue));
  let first = 0;
  assert.ok(
    world.run(() => {
      while (first < pops.length && done(pops[first]!)) first++;
      return first === pops.length;
    }),
  );
  for (const pop of pops) assert.deepEqual(peer.bytes(pop), expected);
}

test(`${CONNECTIONS} connections`, t => {
  const startMs = Date.now();
  const world = new SimulatedWorld({ link: { delayUs: 10 }, framesInFlight: 16_384 });
  const client = host(world, '10.0.0.1/24');
  const server = host(world, '10.0.0.2/24');
  const listener = server.listen(80, 1024);
  const emptyHeap = liveHeapBytes();

  const clients: Queue[] = [];
  const servers: Queue[] = [];
  while (clients.length < CONNECTIONS) {
    const batch = Math.min(OPENED_AT_ONCE, CONNECTIONS - clients.length);
    const accepts = Array.from({ length: batch }, () => server.accept(listener));
    const connects = Array.from({ length: batch }, () => {
      const queue = client.socket();
      clients.push(queue);
      return client.connect(queue, '10.0.0.2:80');
    });
    assert.ok(world.run(() => accepts.every(done) && connects.every(done)));
    for (const connect of connects) assert.equal(client.finish(connect), 0);
    for (const accept of accepts) servers.push(server.accepted(accept));
  }
  world.runFor(10_000);
  const idleHeap = liveHeapBytes();
  const each = (bytes: number): number => Math.round(bytes / (2 * CONNECTIONS));
  t.diagnostic(
    `opened in ${Date.now() - startMs} ms; idle: ${each(idleHeap - emptyHeap)} heap bytes per connection, 0 slots`,
  );
  assert.equal(server.host.usedSlots + client.host.usedSlots, 0, 'idle connections hold no slots');

  const message = pattern(MESSAGE_BYTES);
  finishAll(
    world,
    client,
    clients.map(queue => client.push(queue, message)!),
  );
  // Ten thousand frames at once overrun the ring: the rest comes by retransmission.
  world.runFor(3_000_000);
  const dataHeap = liveHeapBytes();
  const slots = server.host.usedSlots;
  t.diagnostic(
    `with ${MESSAGE_BYTES} unread bytes: ${Math.round((dataHeap - emptyHeap) / (2 * CONNECTIONS))} heap bytes per connection, ${slots / CONNECTIONS} slots of 2048 bytes per receiving one`,
  );
  assert.equal(slots, CONNECTIONS);
  popAll(world, server, servers, message);
  finishAll(
    world,
    server,
    servers.map(queue => server.push(queue, message)!),
  );
  popAll(world, client, clients, message);

  for (const queue of clients) assert.equal(queue.shutdown(SHUT_WR), 0);
  popAll(world, server, servers, new Uint8Array(0));
  finishAll(
    world,
    server,
    servers.map(queue => server.push(queue, message)!),
  );
  popAll(world, client, clients, message);
  for (const queue of servers) server.close(queue);
  popAll(world, client, clients, new Uint8Array(0));
  for (const queue of clients) client.close(queue);
  server.close(listener);
  world.runFor(100_000_000);
  for (const peer of [client, server]) assertQuiet(peer.host.stack, peer.host.device.name);
  clients.length = 0;
  servers.length = 0;
  const endHeap = liveHeapBytes();
  t.diagnostic(
    `closed: ${each(endHeap - emptyHeap)} heap bytes per connection that was; ${Date.now() - startMs} ms in all`,
  );
  assert.ok(endHeap - emptyHeap < (idleHeap - emptyHeap) / 4, 'closed connections are still held');
  for (const peer of [client, server]) assertNothingLeft(peer.host.stack, peer.host.device.name);
});
