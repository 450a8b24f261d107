// Messages on streams and in datagrams that are too small for them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ScatterGatherArray } from '@demikernel/memory';
import fc from 'fast-check';
import {
  FRAGMENT_HEADER_BYTES,
  fragmentAt,
  fragmentCount,
  gatherMessage,
  Reassembler,
} from '../../src/fragments.ts';
import { Deframer, Framed } from '../../src/framing.ts';
import { GetResp } from '../contract/contract.ts';
import { assertBalanced, cut, smallPool } from './support.ts';

test('frames come out of a stream that is cut anywhere', () => {
  const pool = smallPool();
  const framed = new Framed();
  fc.assert(
    fc.property(
      fc.array(fc.nat(700), { maxLength: 8 }),
      fc.array(fc.integer({ min: 1, max: 240 }), { minLength: 1, maxLength: 4 }),
      fc.integer({ min: 1, max: 5 }),
      (lengths, cuts, perArrival) => {
        const stream: Uint8Array[] = [];
        for (const length of lengths) {
          const message = GetResp.acquire();
          message.id = length;
          message.val = new Uint8Array(length).fill(length);
          const array = gatherMessage(pool, framed.of(message))!;
          stream.push(array.toBytes());
          array.free();
          message.release();
        }
        const all = cut(pool, Buffer.concat(stream), cuts);
        const deframer = new Deframer();
        const seen: number[] = [];
        for (let i = 0; i < all.count; i += perArrival) {
          const arrival = pool.array();
          for (let j = i; j < Math.min(i + perArrival, all.count); j++)
            arrival.append(all.segments[j]!.share());
          deframer.add(arrival);
          arrival.free();
          for (let frame = deframer.next(); frame !== undefined; frame = deframer.next()) {
            const read = GetResp.read(frame, { strict: true });
            frame.free();
            seen.push(read.id);
            assert.equal(read.valField.length, read.id);
            read.release();
          }
        }
        all.free();
        assert.deepEqual(seen, lengths);
        assert.equal(deframer.pendingBytes, 0);
        deframer.close();
      },
    ),
    { numRuns: 300, seed: 1 },
  );
  assertBalanced(pool);
});

test('an announced length is checked before anything is waited for', () => {
  const pool = smallPool();
  const deframer = new Deframer({ maxFrameBytes: 1000 });
  const array = cut(pool, Uint8Array.of(0xff, 0xff, 0xff, 0xff, 1), [3]);
  deframer.add(array);
  array.free();
  assert.throws(() => deframer.next(), { code: 'ERR_DEMI_FRAME_TOO_LONG' });
  deframer.close();
  assertBalanced(pool);
});

test('a message that arrives byte by byte holds few slots, and is whole at the end', () => {
  const pool = smallPool();
  const deframer = new Deframer();
  const framed = new Framed();
  const message = GetResp.acquire();
  message.id = 7;
  message.val = Uint8Array.from({ length: 2000 }, (_, i) => i);
  const array = gatherMessage(pool, framed.of(message))!;
  const stream = array.toBytes();
  array.free();
  let mostHeld = 0;
  for (let round = 0; round < 3; round++) {
    for (let at = 0; at < stream.length; at++) {
      assert.equal(deframer.next(), undefined);
      const arrival = cut(pool, stream.subarray(at, at + 1), [1]);
      deframer.add(arrival);
      arrival.free();
      mostHeld = Math.max(mostHeld, pool.slotCount - pool.freeSlots);
    }
    const frame = deframer.next()!;
    const read = GetResp.read(frame);
    assert.deepEqual(Buffer.from(read.val), Buffer.from(message.val));
    read.release();
    frame.free();
  }
  assert.ok(mostHeld <= 5 * Math.ceil(stream.length / pool.capacityBytes) + 34, `${mostHeld} slots`);
  deframer.close();
  message.release();
  assertBalanced(pool);
});

function datagrams(message: ScatterGatherArray, id: number, size: number): ScatterGatherArray[] {
  const all: ScatterGatherArray[] = [];
  const count = fragmentCount(message.lengthBytes, size);
  for (let i = 0; i < count; i++) all.push(fragmentAt(message.pool, message, id, i, size)!);
  return all;
}

test('fragments in any order, twice or mixed with others, make their messages', () => {
  const pool = smallPool();
  const reassembler = new Reassembler();
  fc.assert(
    fc.property(
      fc.array(fc.nat(3000), { minLength: 1, maxLength: 4 }),
      fc.integer({ min: FRAGMENT_HEADER_BYTES + 20, max: 500 }),
      fc.nat(),
      (lengths, size, shuffle) => {
        const fragments: ScatterGatherArray[] = [];
        lengths.forEach((length, id) => {
          const message = cut(pool, new Uint8Array(length).fill(id + 1), [100]);
          fragments.push(...datagrams(message, id, size));
          message.free();
        });
        // Fisher and Yates, by a small generator seeded with `shuffle`.
        let state = shuffle;
        for (let i = fragments.length - 1; i > 0; i--) {
          state = (Math.imul(state, 1103515245) + 12345) >>> 0;
          const j = (state >>> 8) % (i + 1);
          [fragments[i], fragments[j]] = [fragments[j]!, fragments[i]!];
        }
        const whole: Uint8Array[] = [];
        for (const fragment of fragments) {
          const message = reassembler.add(fragment, 1, 0);
          fragment.free();
          if (message === undefined) continue;
          whole.push(message.toBytes());
          message.free();
        }
        const byContent = (a: Uint8Array, b: Uint8Array): number => Buffer.compare(a, b);
        assert.deepEqual(
          whole.sort(byContent),
          lengths.map((length, id) => new Uint8Array(length).fill(id + 1)).sort(byContent),
        );
      },
    ),
    { numRuns: 200, seed: 1 },
  );
  assert.equal(reassembler.malformed, 0);
  assertBalanced(pool);
});

test('what cannot be completed is bounded, and given back', () => {
  const pool = smallPool();
  const reassembler = new Reassembler({ maxPending: 4, lifetime: 10 });
  const message = cut(pool, new Uint8Array(500), [100]);
  for (let id = 0; id < 100; id++) {
    const [first, ...others] = datagrams(message, id, 200);
    reassembler.add(first!, 1, id);
    reassembler.add(first!, 1, id);
    for (const fragment of [first!, ...others]) fragment.free();
  }
  message.free();
  assert.equal(reassembler.duplicates, 100);
  assert.equal(reassembler.abandoned, 96);
  assert.equal(pool.slotCount - pool.freeSlots <= 4 * 3, true);
  const empty = cut(pool, new Uint8Array(3), [3]);
  assert.equal(reassembler.add(empty, 1, 1000), undefined);
  assert.equal(reassembler.malformed, 1);
  assert.equal(reassembler.abandoned, 100);
  empty.free();
  assertBalanced(pool);
});

test('random datagrams are dropped and counted', () => {
  const pool = smallPool();
  const reassembler = new Reassembler({ maxMessageBytes: 1000, maxPending: 8 });
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 60 }),
      fc.record({ id: fc.nat(3), index: fc.nat(5), count: fc.nat(5), total: fc.nat(200) }),
      (bytes, header) => {
        if (bytes.length >= FRAGMENT_HEADER_BYTES) {
          const view = new DataView(bytes.buffer, bytes.byteOffset);
          view.setUint32(0, header.id, true);
          view.setUint16(4, header.index, true);
          view.setUint16(6, header.count, true);
          view.setUint32(8, header.total, true);
        }
        const datagram = cut(pool, bytes, [7]);
        const message = reassembler.add(datagram, 1, 0);
        datagram.free();
        if (message === undefined) return;
        assert.equal(message.lengthBytes, bytes.length >= 12 ? header.total : -1);
        message.free();
      },
    ),
    { numRuns: 5000, seed: 1 },
  );
  reassembler.close();
  assertBalanced(pool);
});
