// Records that were cut, mutated and made up, imported: a typed error and nothing left of it, or a connection that the stack can
// live with, whatever its client then does. FUZZ_ITERATIONS for longer runs, FUZZ_SEED to repeat one.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DemiError } from '@demikernel/memory';
import { RECORD_FIELDS, RECORD_OPTIONS } from '../../../../src/inetstack/tcp/migration/record.ts';
import { SeededRandom } from '../../../../src/runtime/random.ts';
import {
  type Backend,
  byteAt,
  connectTo,
  direct,
  End,
  expectAt,
  type Fleet,
  fleet,
  leave,
  queueAt,
} from './movers.ts';

const ITERATIONS = Number(process.env['FUZZ_ITERATIONS'] ?? 6000);
const SEED = Number(process.env['FUZZ_SEED'] ?? 1);
const FIELDS_AT = 16;

interface Captured {
  record: Uint8Array;
  name: { localAddress: number; localPort: number; remoteAddress: number; remotePort: number };
}

/** A record of a connection in the middle of everything. */
function capture(seed: number): Captured | undefined {
  const random = new SeededRandom(seed);
  const f = fleet({ seed, link: { lossRate: 0.1, reorderRate: 0.2, delayUs: 20 } });
  const from = f.backends[0]!;
  const { client, server } = connectTo(f, from);
  const total = 100 + random.below(20_000);
  const clientEnd = new End(f.client, client, random, 1, 2, total);
  const serverEnd = new End(from.peer, server, random, 2, 1, random.below(2) === 0 ? 0 : total);
  f.client.host.afterPoll = () => clientEnd.turn();
  from.peer.host.afterPoll = () => serverEnd.turn();
  f.world.runFor(100 + random.below(3000));
  if (!server.mayFreeze) return undefined;
  const { record, localAddress, localPort, remoteAddress, remotePort } = leave(from, server);
  f.world.close();
  return { record, name: { localAddress, localPort, remoteAddress, remotePort } };
}

/** Values that lie at the edges of what fields may be. */
const EDGES = [0, 1, -1, 2, 3, 10, 11, 0x7fff_ffff, -0x8000_0000, 0xffff, 0x1_0000, 0x3fff_ffff, 0x4000_0000];

function mutate(record: Uint8Array, random: SeededRandom): Uint8Array {
  const bytes = Uint8Array.from(record);
  const view = new DataView(bytes.buffer);
  const times = 1 + random.below(3);
  for (let i = 0; i < times; i++) {
    const kind = random.below(8);
    if (kind === 0) return bytes.subarray(0, random.below(bytes.length + 1));
    if (kind === 1) bytes[random.below(bytes.length)] = random.int32();
    else if (kind === 2) {
      const at = FIELDS_AT + RECORD_FIELDS.length * 4 + 8 * random.below(RECORD_OPTIONS.length);
      view.setFloat64(at, [Number.NaN, -1, 0, 1e300, 2.5, Number.POSITIVE_INFINITY][random.below(6)]!, true);
    } else if (kind === 3) {
      const lengths = FIELDS_AT + RECORD_FIELDS.length * 4 + RECORD_OPTIONS.length * 8;
      const at = Math.min(lengths + 4 * random.below(6), bytes.length - 4);
      view.setInt32(at, EDGES[random.below(EDGES.length)]!, true);
    } else {
      const at = FIELDS_AT + 4 * random.below(RECORD_FIELDS.length);
      const value = view.getInt32(at, true);
      const edge = EDGES[random.below(EDGES.length)]!;
      view.setInt32(at, random.below(2) === 0 ? edge : (value + edge) | 0, true);
    }
  }
  return bytes;
}

function assertNothing(f: Fleet, to: Backend): void {
  const { host } = to.peer;
  assert.equal(host.runtime.queues.liveCount, 1, 'a queue is left');
  assert.equal(host.usedSlots, 0, 'slots are left');
  assert.equal(host.stack.tcp.connectionCount, 0, 'a connection is left');
  assert.equal(host.stack.tcp.holdings.count, 0, 'a holding is left');
  assert.ok(f.world.nowUs >= 0);
}

test('a record is taken whole or not at all, and what is taken can be lived with', t => {
  const captured: Captured[] = [];
  for (let seed = 1; captured.length < 40; seed++) {
    const one = capture(seed);
    if (one !== undefined) captured.push(one);
  }
  const refused = new Map<string, number>();
  let taken = 0;
  for (let i = 0; i < ITERATIONS; ) {
    const f = fleet({ seed: SEED + i });
    const to = f.backends[0]!;
    direct(f, to);
    f.world.runFor(1000);
    for (let j = 0; j < 50; j++, i++) {
      const random = new SeededRandom(SEED + i);
      const { record, name } = captured[random.below(captured.length)]!;
      const hostile = mutate(record, random);
      const expected = expectAt(to, name);
      try {
        const arriving = expected.import(hostile);
        taken++;
        arriving.resume();
        const queue = queueAt(to, arriving);
        const pop = to.peer.pop(queue);
        const push = to.peer.push(queue, Uint8Array.of(byteAt(0, 1)));
        // The client knows nothing of it and answers with resets; or nobody does.
        f.world.runFor(random.below(200_000));
        queue.abort();
        assert.equal(pop.state, 2);
        to.peer.host.runtime.operations.retire(
          Object.assign(pop, { array: pop.array === undefined ? undefined : void pop.array.free() }),
        );
        assert.equal(push!.state, 2);
        to.peer.finish(push!);
        to.peer.close(queue);
        f.world.runFor(1000);
      } catch (error) {
        if (!(error instanceof DemiError))
          throw new Error(`FUZZ_SEED=${SEED + i}: ${String(error)}`, { cause: error });
        const why = error.message.replace(/-?\d+(\.\d+)?(e\+\d+)?/g, 'n');
        refused.set(why, (refused.get(why) ?? 0) + 1);
        expected.abandon();
      }
      try {
        assertNothing(f, to);
      } catch (error) {
        throw new Error(`FUZZ_SEED=${SEED + i}: ${String(error)}`, { cause: error });
      }
    }
    f.world.close();
  }
  t.diagnostic(`${taken} taken, refused for ${refused.size} reasons`);
  assert.ok(taken > ITERATIONS / 100 && refused.size > 20);
});

test('a connection from a record that lies lives with its real client, or dies, and leaves nothing', t => {
  let imported = 0;
  for (let i = 0; i < ITERATIONS / 60; i++) {
    const seed = SEED + i;
    const random = new SeededRandom(seed);
    const f = fleet({ seed, link: { lossRate: 0.05, reorderRate: 0.1, delayUs: 20 } });
    const [from, to] = [f.backends[0]!, f.backends[1]!];
    const { client, server } = connectTo(f, from);
    const clientPushes = Array.from({ length: 3 }, () => f.client.push(client, new Uint8Array(2000))!);
    const serverPush = from.peer.push(server, new Uint8Array(5000))!;
    f.world.runFor(random.below(400));
    if (!server.mayFreeze) continue;
    const departing = leave(from, server);
    const expected = expectAt(to, departing);
    direct(f, to);
    try {
      const arriving = expected.import(mutate(departing.record, random));
      imported++;
      arriving.resume();
      const queue = queueAt(to, arriving);
      const operations = [to.peer.pop(queue), to.peer.pop(queue), to.peer.push(queue, new Uint8Array(3000))!];
      f.world.runFor(random.below(300_000));
      if (random.below(2) === 0) queue.shutdown(1);
      f.world.runFor(random.below(300_000));
      queue.abort();
      for (const operation of operations) {
        assert.equal(operation.state, 2, 'an operation is left behind');
        operation.array?.free();
        to.peer.finish(operation);
      }
      to.peer.close(queue);
    } catch (error) {
      if (!(error instanceof DemiError))
        throw new Error(`FUZZ_SEED=${seed}: ${String(error)}`, { cause: error });
      expected.abandon();
    }
    departing.discard();
    from.peer.finish(serverPush);
    client.abort();
    for (const push of clientPushes) f.client.finish(push);
    f.client.close(client);
    from.peer.close(server);
    f.world.runFor(100_000);
    for (const { host } of [f.client, from.peer, to.peer]) {
      assert.equal(host.stack.tcp.connectionCount, 0, `FUZZ_SEED=${seed}: a connection is left`);
      assert.equal(host.usedSlots, 0, `FUZZ_SEED=${seed}: slots are left`);
      assert.equal(host.runtime.operations.liveCount, 0, `FUZZ_SEED=${seed}: operations are left`);
    }
    f.world.close();
  }
  t.diagnostic(`${imported} imported`);
});

test('random bytes are no record', () => {
  const random = new SeededRandom(SEED);
  const f = fleet();
  const to = f.backends[0]!;
  f.world.runFor(1000);
  const expected = expectAt(to, {
    localAddress: 0x0a000064,
    localPort: 80,
    remoteAddress: 0x0a000001,
    remotePort: 5,
  });
  for (let i = 0; i < 2000; i++) {
    const bytes = new Uint8Array(random.below(2000));
    for (let at = 0; at < bytes.length; at++) bytes[at] = random.int32();
    assert.throws(() => expected.import(bytes), { code: 'ERR_DEMI_RECORD' });
  }
  expected.abandon();
  assertNothing(f, to);
});

test('a record that a host has no memory for leaves nothing', () => {
  const f = fleet();
  const from = f.backends[0]!;
  const { server } = connectTo(f, from);
  const push = from.peer.push(server, new Uint8Array(200_000))!;
  const departing = leave(from, server);
  from.peer.finish(push);
  const small = fleet({}, { slots: 64, reserveSlots: 16 });
  const to = small.backends[0]!;
  small.world.runFor(1000);
  const expected = expectAt(to, departing);
  for (let i = 0; i < 3; i++) {
    assert.throws(() => expected.import(departing.record), { code: 'ERR_DEMI_NETWORK', errno: 105 });
    assert.equal(to.peer.host.usedSlots, 0);
    assert.equal(to.peer.host.runtime.queues.liveCount, 1);
  }
  assert.equal(to.peer.counter('importRefused'), 3);
  expected.abandon();
  departing.resume();
  assert.equal(server.state?.sendQueue.bytes, 200_000);
  f.world.close();
  small.world.close();
});
