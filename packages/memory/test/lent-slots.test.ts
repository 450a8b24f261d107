// Pools whose memory is another's, and copies between regions.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { copyBetween, heapRegion, SlotPool } from '../src/index.ts';

function lentPool(lentSlots = 4): { pool: SlotPool; returned: number[] } {
  const returned: number[] = [];
  const pool = new SlotPool(heapRegion(4096), {
    slotSizeBytes: 256,
    headroomBytes: 0,
    lentSlots,
    lender: { slotReturned: slot => void returned.push(slot) },
  });
  return { pool, returned };
}

describe('lent slots', () => {
  test('the last reference gives a slot back to its lender, wherever its bytes lie', () => {
    const { pool, returned } = lentPool();
    pool.borrow(3);
    const slice = pool.slice(3, 1000, 2000);
    const part = slice.sub(10, 20);
    const copy = part.share();
    slice.release();
    part.release();
    assert.deepEqual(returned, []);
    copy.release();
    assert.deepEqual(returned, [3]);
    pool.borrow(3);
    pool.slice(3, 0, 1).release();
    assert.deepEqual(returned, [3, 3]);
  });

  test('a pool of lent slots allocates none', () => {
    const { pool } = lentPool();
    assert.equal(pool.freeSlots, 0);
    assert.equal(pool.alloc(1), undefined);
    assert.equal(pool.allocReserved(), -1);
    assert.equal(pool.allocArray(10), undefined);
  });

  test('what is lent already, or is no number of a slot, is refused', () => {
    const { pool } = lentPool();
    pool.borrow(0);
    for (const slot of [0, 4, -1]) {
      assert.throws(() => pool.borrow(slot), { code: 'ERR_DEMI_SLOT_NOT_HELD' });
    }
  });

  test('lent memory is never exclusive', () => {
    const { pool } = lentPool();
    pool.borrow(1);
    assert.equal(pool.slice(1, 0, 10).exclusive, false);
  });
});

describe('copies between regions', () => {
  test('any length and alignment, within one region too', () => {
    const from = heapRegion(4096);
    const to = heapRegion(4096);
    for (let i = 0; i < 4096; i++) from.bytes[i] = (i * 7) & 255;
    for (const length of [0, 1, 3, 4, 5, 63, 64, 65, 1023, 1024, 1025, 2000]) {
      for (const offset of [0, 1, 2, 3, 5]) {
        to.bytes.fill(0xee);
        copyBetween(to, offset + 1, from, offset, length);
        assert.deepEqual(
          to.bytes.subarray(offset + 1, offset + 1 + length),
          from.bytes.subarray(offset, offset + length),
        );
        assert.equal(to.bytes[offset], 0xee);
        assert.equal(to.bytes[offset + 1 + length], 0xee);
      }
    }
    copyBetween(from, 1, from, 0, 100);
    assert.equal(from.bytes[100], (99 * 7) & 255);
  });

  test('an array into an array cut otherwise', () => {
    const source = new SlotPool(heapRegion(8192), { slotSizeBytes: 256, headroomBytes: 0 });
    const target = new SlotPool(heapRegion(8192), { slotSizeBytes: 1024, headroomBytes: 0 });
    const array = source.allocArray(2500)!;
    const bytes = Uint8Array.from({ length: 2500 }, (_, i) => i * 3);
    array.copyFrom(bytes);
    for (const lengthBytes of [2500, 2400, 3000]) {
      const copy = target.allocArray(lengthBytes)!;
      const copied = Math.min(lengthBytes, 2500);
      assert.equal(copy.copyFromArray(array), copied);
      assert.deepEqual(copy.toBytes().subarray(0, copied), bytes.subarray(0, copied));
      copy.free();
    }
    array.free();
  });
});
