// Connections move between two stacks under two streams whose every byte is checked, over wires that lose, repeat, reorder and
// delay: forwards, back, rolled back, with the FINs. SEEDS=n runs n seeds, SEED=n one of them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { writeRecord } from '../../../../src/inetstack/tcp/migration/record.ts';
import { SeededRandom } from '../../../../src/runtime/random.ts';
import { type Backend, connectTo, direct, End, expectAt, fleet, leave, queueAt } from './movers.ts';

const SEEDS = Number(process.env['SEEDS'] ?? 120);
const FIRST = Number(process.env['SEED'] ?? 1);
const LIMIT_US = 120_000_000;

interface Outcome {
  moves: number;
  rollbacks: number;
  outOfOrder: number;
  halfClosed: number;
  unsent: number;
}

function run(seed: number, outcome: Outcome): void {
  const random = new SeededRandom(seed);
  const hostile = seed % 3 !== 0;
  const f = fleet(
    {
      seed,
      startUs: random.below(1 << 30),
      link: hostile
        ? { lossRate: 0.02, duplicateRate: 0.02, reorderRate: 0.05, delayUs: 20, jitterUs: 30 }
        : { delayUs: 5 },
    },
    {
      tcp: {
        sendBufferBytes: 4096 << random.below(5),
        receiveBufferBytes: 4096 << random.below(5),
        timestamps: random.below(4) !== 0,
        peerAckDelayUs: 5000,
      },
    },
  );
  let at: Backend = f.backends[0]!;
  const { client, server } = connectTo(f, at);
  const total = 20_000 + random.below(200_000);
  const clientEnd = new End(f.client, client, random, seed, ~seed, total);
  const serverEnd = new End(at.peer, server, random, ~seed, seed, random.below(4) === 0 ? 100 : total);
  f.client.host.afterPoll = () => clientEnd.turn();
  for (const backend of f.backends) {
    backend.peer.host.afterPoll = () => (serverEnd.peer === backend.peer ? serverEnd.turn() : 0);
  }
  const pause = (): void => void f.world.runFor(random.below(400));
  const endUs = f.world.nowUs + LIMIT_US;
  while (!(clientEnd.finished && serverEnd.finished)) {
    assert.ok(f.world.nowUs < endUs, 'the streams do not end');
    f.world.runFor(50 + random.below(3000));
    const state = serverEnd.queue.state;
    if (state === undefined || !serverEnd.queue.mayFreeze) continue;
    const to = f.backends.find(backend => backend !== at)!;
    const first = random.below(2) === 0;
    const { localAddress, localPort, remoteAddress, remotePort } = state;
    const name = { localAddress, localPort, remoteAddress, remotePort };
    if (state.reassembly !== undefined) outcome.outOfOrder++;
    if (state.state !== 4) outcome.halfClosed++;
    if (state.sendQueue.bytes > 0) outcome.unsent++;
    const expected = expectAt(to, name);
    // The switch may send the packets to the target before the origin knows.
    if (first) direct(f, to);
    if (first) pause();
    if (!serverEnd.queue.mayFreeze) {
      expected.abandon();
      direct(f, at);
      continue;
    }
    const departing = leave(at, serverEnd.queue);
    const sentBefore = at.peer.counter('sent');
    pause();
    const arriving = expected.import(departing.record);
    pause();
    assert.equal(at.peer.counter('sent'), sentBefore, 'the origin sent something');
    if (random.below(4) === 0) {
      arriving.discard();
      direct(f, at);
      departing.resume();
      outcome.rollbacks++;
      continue;
    }
    direct(f, to);
    arriving.resume();
    const queue = queueAt(to, arriving);
    departing.release(() => {}, 1_000_000);
    const old = serverEnd.queue;
    serverEnd.moveTo(to.peer, queue);
    at.peer.close(old);
    at = to;
    outcome.moves++;
  }
  assert.equal(clientEnd.popped, serverEnd.total);
  assert.equal(serverEnd.popped, clientEnd.total);
  for (const peer of [f.client, ...f.backends.map(backend => backend.peer)]) {
    // A client that is through answers a late duplicate with a reset, as it should.
    if (peer !== f.client) assert.equal(peer.counter('resetSent'), 0, `resets by ${peer.host.device.name}`);
    peer.host.afterPoll = undefined;
  }
  f.client.close(client);
  serverEnd.peer.close(serverEnd.queue);
  f.world.runFor(40_000_000);
  f.client.assertClean();
  for (const { peer, listener } of f.backends) {
    peer.close(listener);
    peer.assertClean();
    assert.equal(peer.host.runtime.queues.liveCount, 0, 'queues');
    assert.equal(peer.host.stack.tcp.holdings.count, 0, 'holdings');
    assert.equal(peer.host.stack.tcp.ports.inUse(80), false);
  }
  f.world.close();
}

test('connections move under both streams, whatever the wire does', t => {
  const outcome: Outcome = { moves: 0, rollbacks: 0, outOfOrder: 0, halfClosed: 0, unsent: 0 };
  for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
    try {
      run(seed, outcome);
    } catch (error) {
      throw new Error(`SEED=${seed} SEEDS=1: ${String(error)}`, { cause: error });
    }
  }
  t.diagnostic(JSON.stringify(outcome));
  if (SEEDS >= 100) for (const [what, count] of Object.entries(outcome)) assert.ok(count > 10, what);
});

test('nothing of a connection is lost on the way: its record is the same from the copy, on another clock', () => {
  for (let seed = 1; seed <= 60; seed++) {
    const random = new SeededRandom(seed);
    const f = fleet({ seed, link: { lossRate: 0.05, reorderRate: 0.1, delayUs: 20 } });
    const elsewhere = fleet({ seed: seed + 1000, startUs: random.below(1 << 30) });
    const from = f.backends[0]!;
    const to = elsewhere.backends[1]!;
    const { client, server } = connectTo(f, from);
    const clientEnd = new End(f.client, client, random, 1, 2, 100_000);
    const serverEnd = new End(from.peer, server, random, 2, 1, 100_000);
    f.client.host.afterPoll = () => clientEnd.turn();
    from.peer.host.afterPoll = () => serverEnd.turn();
    elsewhere.world.runFor(random.below(1_000_000));
    f.world.runFor(100 + random.below(20_000));
    if (!server.mayFreeze) continue;
    const departing = leave(from, server);
    const expected = expectAt(to, departing);
    const arriving = expected.import(departing.record);
    const { tcp } = to.peer.host.stack;
    const c = queueAt(to, arriving);
    // Frozen still: what it would be made into, from the copy's own clock.
    const frozen = frozenOf(c);
    const again = writeRecord(tcp, frozen.connection, frozen.state, c.options);
    assert.deepEqual(again, departing.record, `seed ${seed}`);
    f.world.close();
    elsewhere.world.close();
    assert.equal(to.peer.host.usedSlots, 0);
    assert.equal(from.peer.host.usedSlots, 0);
  }
});

function frozenOf(
  queue: unknown,
): import('../../../../src/inetstack/tcp/migration/frozen.ts').FrozenConnection {
  return (queue as { frozen: import('../../../../src/inetstack/tcp/migration/frozen.ts').FrozenConnection })
    .frozen;
}
