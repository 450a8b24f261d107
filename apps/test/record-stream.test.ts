// Frames of the log service out of slices, however they are cut and whenever they are copied: the same frames, and every slot
// given back.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { heapRegion, ScatterGatherArray, SlotPool } from '@demikernel/memory';
import { SeededRandom } from 'demikernel/simulator';
import { APPEND, FrameWriter, LARGEST_BODY_BYTES } from '../src/log/frames.ts';
import { RecordStream } from '../src/log/record-stream.ts';

function makePool(): SlotPool {
  return new SlotPool(heapRegion(4096 * 256), { slotSizeBytes: 256, headroomBytes: 0 });
}

/** The next bytes of a stream, as a device might deliver them. */
function receive(pool: SlotPool, bytes: Uint8Array, random: SeededRandom): ScatterGatherArray {
  const array = pool.array();
  for (let at = 0; at < bytes.length; ) {
    const length = Math.min(bytes.length - at, 1 + random.below(256));
    const slice = pool.alloc(length)!;
    slice.bytes().set(bytes.subarray(at, at + length));
    array.append(slice);
    at += length;
  }
  return array;
}

test('any cut of a stream gives the frames that were written, by reference unless that was copied', () => {
  const pool = makePool();
  const random = new SeededRandom(4);
  let referred = 0;
  for (let round = 0; round < 300; round++) {
    const writer = new FrameWriter();
    const bodies: Uint8Array[] = [];
    for (let i = random.below(12); i >= 0; i--) {
      const body = new Uint8Array(random.below(4) === 0 ? random.below(20_000) : random.below(200));
      random.fill(body);
      bodies.push(body);
      writer.frame(APPEND, body);
    }
    const bytes = writer.take();
    const stream = new RecordStream();
    let found = 0;
    for (let at = 0; at < bytes.length; ) {
      const length = 1 + random.below(random.below(3) === 0 ? 5000 : 40);
      const array = receive(pool, bytes.subarray(at, at + length), random);
      stream.add(array);
      array.free();
      at += length;
      while (stream.next()) {
        assert.equal(stream.kind, APPEND);
        const payload = random.below(2) === 0 ? stream.body() : stream.payload();
        const isArray = payload instanceof ScatterGatherArray;
        assert.deepEqual(new Uint8Array(isArray ? payload.toBytes() : payload), bodies[found++]);
        if (!isArray) continue;
        referred++;
        payload.free();
      }
      if (random.below(20) === 0) {
        stream.copyHeld();
        assert.equal(stream.heldSlices, 0);
      }
    }
    assert.equal(found, bodies.length);
    stream.release();
    assert.equal(pool.freeSlots, pool.slotCount, `round ${round}`);
  }
  assert.ok(referred > 300);
});

test('a frame that is too long, or of no kind, ends the stream; what was held is given back', () => {
  for (const length of [0, LARGEST_BODY_BYTES + 2, 0xffff_ffff])
    for (const copied of [false, true]) {
      const pool = makePool();
      const stream = new RecordStream();
      const head = new Uint8Array(8);
      new DataView(head.buffer).setUint32(0, length, true);
      const array = receive(pool, head, new SeededRandom(1));
      stream.add(array);
      array.free();
      if (copied) stream.copyHeld();
      assert.equal(stream.next(), false);
      assert.equal(stream.broken, true);
      assert.equal(stream.next(), false);
      stream.release();
      assert.equal(pool.freeSlots, pool.slotCount);
    }
});
