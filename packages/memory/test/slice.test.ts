// Slices: what they show, what they refuse once released, and what debug mode finds.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { heapRegion } from '../src/region.ts';
import type { Slice } from '../src/slice.ts';
import { POISON, SlotPool } from '../src/slot-pool.ts';

function poolOf(debug = false): SlotPool {
  return new SlotPool(heapRegion(1024), { slotSizeBytes: 256, headroomBytes: 0, debug });
}

const stale = { name: 'DemiError', code: 'ERR_DEMI_STALE_SLICE' };

test('sub stays inside its slice', () => {
  const slice = poolOf().alloc(100)!;
  assert.equal(slice.sub(100, 0).length, 0);
  assert.equal(slice.sub(40, 60).offset, slice.offset + 40);
  for (const [start, length] of [
    [0, 101],
    [-1, 2],
    [1, -1],
    [101, 0],
    [60, 41],
  ]) {
    assert.throws(() => slice.sub(start!, length!), { code: 'ERR_DEMI_OUT_OF_RANGE' }, `${start}, ${length}`);
  }
});

test('bytes are shared, not copied', () => {
  const slice = poolOf().alloc(4)!;
  slice.bytes().set([1, 2, 3, 4]);
  const part = slice.sub(1, 2);
  assert.deepEqual([...part.bytes()], [2, 3]);
  part.bytes()[0] = 9;
  assert.deepEqual([...slice.bytes()], [1, 9, 3, 4]);
});

test('the last reference frees the slot, whichever slice holds it', () => {
  const pool = poolOf();
  const slice = pool.alloc(4)!;
  const other = slice.share();
  assert.equal(slice.exclusive, false);
  slice.release();
  assert.equal(pool.freeSlots, 3);
  assert.equal(other.exclusive, true);
  other.release();
  assert.equal(pool.freeSlots, 4);
});

for (const debug of [false, true]) {
  test(`a released slice refuses every use${debug ? ', debug' : ''}`, () => {
    const pool = poolOf(debug);
    const slice = pool.alloc(4)!;
    slice.release();
    const uses: ((slice: Slice) => unknown)[] = [
      each => each.share(),
      each => each.sub(0, 1),
      each => each.bytes(),
      each => each.release(),
    ];
    for (const use of uses) assert.throws(() => use(slice), stale);
    assert.equal(slice.exclusive, false);
    assert.equal(pool.freeSlots, 4);
  });
}

test('slices are recycled, except in debug mode', () => {
  const fast = poolOf();
  const first = fast.alloc(1)!;
  first.release();
  assert.equal(fast.alloc(1), first);
  const careful = poolOf(true);
  const second = careful.alloc(1)!;
  second.release();
  assert.notEqual(careful.alloc(1), second);
});

test('debug mode poisons what is freed and names the place', () => {
  const pool = poolOf(true);
  const slice = pool.alloc(8)!;
  slice.bytes().fill(1);
  const view = slice.bytes();
  const other = slice.share();
  other.release();
  assert.equal(view[0], 1, 'still held');
  releaseHere(slice);
  assert.ok(view.every(byte => byte === POISON));
  assert.throws(() => slice.bytes(), /released .*releaseHere/);
});

function releaseHere(slice: Slice): void {
  slice.release();
}
