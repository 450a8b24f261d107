// Scatter-gather arrays: building, copying, sharing, cutting, freeing.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { heapRegion } from '../src/region.ts';
import { SlotPool } from '../src/slot-pool.ts';

function poolOf(slots = 16): SlotPool {
  return new SlotPool(heapRegion(slots * 256), { slotSizeBytes: 256, headroomBytes: 56 });
}

const stale = { name: 'DemiError', code: 'ERR_DEMI_STALE_ARRAY' };
const counting = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => i * 7 + 1);

test('allocArray cuts into slices of the size asked for', () => {
  const pool = poolOf();
  const array = pool.allocArray(450)!;
  assert.deepEqual(
    array.segments.slice(0, array.count).map(slice => slice.length),
    [200, 200, 50],
  );
  assert.equal(array.lengthBytes, 450);
  const fine = pool.allocArray(250, 100)!;
  assert.equal(fine.count, 3);
  assert.equal(pool.allocArray(0)!.lengthBytes, 0);
});

test('an array that cannot be had whole takes nothing', () => {
  const pool = poolOf(4);
  assert.equal(pool.allocArray(801), undefined);
  assert.equal(pool.freeSlots, 4);
  assert.equal(pool.allocArray(800)!.count, 4);
});

test('copies end where the shorter one does', () => {
  const array = poolOf().allocArray(450)!;
  assert.equal(array.copyFrom(counting(450)), 450);
  assert.deepEqual(array.toBytes(), counting(450));
  const short = new Uint8Array(310);
  assert.equal(array.copyTo(short, 10), 300);
  assert.deepEqual(short.subarray(10), counting(300));
  assert.equal(array.copyTo(new Uint8Array(1000)), 450);
  assert.equal(array.copyFrom(new Uint8Array(1000)), 450);
});

test('a shared array outlives the first one', () => {
  const pool = poolOf(4);
  const array = pool.allocArray(450)!;
  array.copyFrom(counting(450));
  const shared = array.share();
  array.free();
  assert.equal(pool.freeSlots, 1);
  assert.deepEqual(shared.toBytes(), counting(450));
  shared.free();
  assert.equal(pool.freeSlots, 4);
});

test('a freed array refuses to be freed or shared', () => {
  const pool = poolOf();
  const array = pool.allocArray(10)!;
  array.free();
  assert.throws(() => array.free(), stale);
  assert.throws(() => array.share(), stale);
  assert.equal(pool.freeSlots, pool.slotCount);
});

test('arrays are recycled empty', () => {
  const pool = poolOf();
  const array = pool.allocArray(450)!;
  array.free();
  const again = pool.array();
  assert.equal(again, array);
  assert.equal(again.count, 0);
  assert.equal(again.lengthBytes, 0);
});

test('truncate keeps exactly the first bytes and gives the rest back', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 200 }), { maxLength: 10 }),
      fc.integer({ min: 0, max: 2200 }),
      (lengths, keep) => {
        const pool = poolOf();
        const array = pool.array();
        for (const length of lengths) array.append(pool.alloc(length)!);
        const total = array.lengthBytes;
        array.copyFrom(counting(total));
        array.truncate(keep);
        assert.deepEqual(array.toBytes(), counting(Math.min(keep, total)));
        assert.equal(pool.freeSlots, pool.slotCount - array.count);
        array.free();
        assert.equal(pool.freeSlots, pool.slotCount);
      },
    ),
  );
});
