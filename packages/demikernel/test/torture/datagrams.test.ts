// Datagrams of all sizes through a hostile wire: what arrives is a datagram that was sent, whole and unchanged, or nothing.
//
// DATAGRAM_SEEDS=n runs more of them, DATAGRAM_FIRST=n begins at another seed.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SimulatedWorld } from '../../src/liboses/simulator/index.ts';
import { EMSGSIZE } from '../../src/runtime/errno.ts';
import { OP_PUSH, type Operation, PUSH_TO } from '../../src/runtime/operation.ts';
import type { Queue } from '../../src/runtime/queue.ts';
import { SeededRandom } from '../../src/runtime/random.ts';
import { parseSocketAddress } from '../../src/runtime/socket-address.ts';
import { done, Peer, pattern } from '../inetstack/tcp/simulated-pair.ts';
import { assertNothingLeft, assertQuiet } from './ledger.ts';
import { conditionsOf } from './transfer.ts';

const SEEDS = Number(process.env['DATAGRAM_SEEDS'] ?? 6);
const FIRST = Number(process.env['DATAGRAM_FIRST'] ?? 1);
const DATAGRAMS = 1500;
const LARGEST_BYTES = 65_507;

/** Datagram `i` begins with its number and length, and goes on with a piece of the pattern that these choose. */
function compose(bytes: Buffer, stream: Uint8Array, i: number): void {
  for (let at = 0; at < bytes.length; at++) bytes[at] = stream[(i * 31 + at) % stream.length]!;
  if (bytes.length >= 8) {
    bytes.writeUInt32LE(i, 0);
    bytes.writeUInt32LE(bytes.length, 4);
  }
}

function bound(peer: Peer): Queue {
  const queue = peer.host.libos.createSocket('datagram');
  assert.ok(peer.host.runtime.queues.add(queue) >= 0);
  assert.equal(queue.bind(parseSocketAddress('*:53')), 0);
  return queue;
}

function run(seed: number): { sent: number; arrived: number; fragmented: number } {
  const random = new SeededRandom(seed);
  const { link } = conditionsOf(seed);
  // One flipped bit the checksum always finds. Of two in a datagram, which takes two fragments, it misses one pair in 32.
  const largestBytes = link.corruptRate === 0 ? LARGEST_BYTES : 1400;
  const world = new SimulatedWorld({ seed, link: { ...link, bitsPerSecond: 0 } });
  const [a, b] = ['10.0.0.1/24', '10.0.0.2/24'].map(address => new Peer(world, world.host(address))) as [
    Peer,
    Peer,
  ];
  const [from, to] = [bound(a), bound(b)];
  const stream = pattern(65_521, seed);
  const destination = parseSocketAddress('10.0.0.2:53');
  let sent = 0;
  let arrived = 0;
  let fragmented = 0;
  let pop = b.pop(to);
  const receive = (): number => {
    let work = 0;
    for (; done(pop); pop = b.pop(to)) {
      work++;
      const bytes = Buffer.from(b.bytes(pop));
      arrived++;
      if (bytes.length > 1472) fragmented++;
      if (bytes.length < 8) continue;
      assert.equal(bytes.readUInt32LE(4), bytes.length, 'a datagram of another length');
      const expected = Buffer.alloc(bytes.length);
      compose(expected, stream, bytes.readUInt32LE(0));
      assert.ok(
        expected.equals(bytes),
        `datagram ${bytes.readUInt32LE(0)} of ${bytes.length} bytes is not what was sent`,
      );
    }
    return work;
  };
  b.host.afterPoll = receive;
  let pushes: Operation[] = [];
  for (let i = 0; i < DATAGRAMS; i++) {
    const bytes = Buffer.alloc(
      random.below(Math.min(largestBytes, random.below(4) === 0 ? LARGEST_BYTES : 3000) + 1),
    );
    compose(bytes, stream, i);
    const array = a.host.pool.allocArray(bytes.length, 1 + random.below(1900));
    if (array !== undefined) {
      array.copyFrom(bytes);
      const push = a.host.runtime.operations.issue(OP_PUSH, from.qd);
      push.array = array;
      push.sizeBytes = bytes.length;
      push.flags = PUSH_TO;
      push.address.copyFrom(destination);
      from.push(push);
      pushes.push(push);
      sent++;
    }
    world.runFor(random.below(3) === 0 ? random.below(400) : 5);
    pushes = pushes.filter(push => {
      if (!done(push)) return true;
      const errno = a.finish(push);
      assert.ok(errno === 0 || errno === EMSGSIZE, `errno ${errno}`);
      return false;
    });
  }
  world.runFor(60_000_000);
  for (const push of pushes) a.finish(push);
  b.host.afterPoll = undefined;
  a.close(from);
  b.close(to);
  b.finish(pop);
  world.runFor(60_000_000);
  for (const peer of [a, b]) assertQuiet(peer.host.stack, peer.host.device.name);
  for (const peer of [a, b]) assertNothingLeft(peer.host.stack, peer.host.device.name);
  return { sent, arrived, fragmented };
}

test(`${SEEDS} times ${DATAGRAMS} datagrams`, t => {
  for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
    try {
      const { sent, arrived, fragmented } = run(seed);
      t.diagnostic(`seed ${seed}: ${sent} sent, ${arrived} arrived, ${fragmented} of them in fragments`);
      assert.ok(arrived > sent / 4, `only ${arrived} of ${sent} arrive`);
    } catch (error) {
      const again = `DATAGRAM_FIRST=${seed} DATAGRAM_SEEDS=1 node --test packages/demikernel/dist/test/torture/datagrams.test.js`;
      throw new Error(`seed ${seed} fails: ${(error as Error).stack}\nagain with: ${again}`);
    }
  }
});
