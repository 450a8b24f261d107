// Bytes are recognised as registered memory by the buffer they lie in.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { heapRegion, poolOf, SlotPool } from '../src/index.ts';

test('a pool is found by its region, nothing else is', () => {
  const region = heapRegion(4096);
  assert.equal(poolOf(region.buffer), undefined);
  const pool = new SlotPool(region, { slotSizeBytes: 1024 });
  const slice = pool.alloc(100)!;
  assert.equal(poolOf(slice.bytes().subarray(3).buffer), pool);
  assert.equal(poolOf(Buffer.from('a string in the shared slab').buffer), undefined);
  assert.equal(poolOf(new Uint8Array(5000).buffer), undefined);
  slice.release();
});

test('memory that was lent to a pool is not taken for its own', () => {
  const region = heapRegion(4096);
  const lender = { slotReturned: (): void => {} };
  new SlotPool(region, { slotSizeBytes: 1024, lender, lentSlots: 4 });
  assert.equal(poolOf(region.buffer), undefined);
});
