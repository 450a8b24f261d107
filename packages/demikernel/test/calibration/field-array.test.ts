// The message that is measured: the same bytes whether its values are copied or sent by reference, and memory that comes back.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { heapRegion, type ScatterGatherArray, SlotPool } from '@demikernel/memory';
import { FieldArray, ValueMemory } from '../../src/calibration/field-array.ts';
import type { LibraryOs } from '../../src/runtime/library-os.ts';

const POOL_BYTES = 1 << 20;

function device(sliceBytes = 1448): LibraryOs {
  const pool = new SlotPool(heapRegion(POOL_BYTES), { slotSizeBytes: 2048 });
  return { pool, sliceBytes } as unknown as LibraryOs;
}

function built(pool: SlotPool, message: FieldArray): ScatterGatherArray {
  const array = pool.allocArray(message.copiedBytes(), 1448)!;
  message.write(array);
  message.gather(array);
  return array;
}

test('copied or by reference, a message is the same bytes', () => {
  const os = device();
  const memory = new ValueMemory(os, POOL_BYTES);
  assert.ok(memory.lengthBytes <= POOL_BYTES >> 1);
  const held = os.pool.freeSlots;
  for (const [fields, fieldBytes] of [
    [1, 8],
    [32, 16],
    [3, 100],
    [2, 1448],
    [4, 1449],
    [2, 5000],
  ] as const) {
    const message = new FieldArray(memory, fields, fieldBytes);
    for (let round = 0; round < 50; round++) {
      message.choose(2);
      message.advance();
      message.thresholdBytes = fieldBytes + 1;
      const copied = built(os.pool, message);
      message.thresholdBytes = fieldBytes;
      const gathered = built(os.pool, message);
      assert.equal(copied.lengthBytes, message.lengthBytes);
      assert.deepEqual(gathered.toBytes(), copied.toBytes());
      assert.ok(gathered.count > fields && copied.count === Math.ceil(message.lengthBytes / 1448));
      copied.free();
      gathered.free();
    }
    message.release();
    assert.equal(os.pool.freeSlots, held, `${fields} × ${fieldBytes}`);
  }
  memory.release();
  assert.equal(os.pool.freeSlots, os.pool.slotCount);
});

test('what does not fit in the memory is said', () => {
  const memory = new ValueMemory(device(), 8192);
  const code = { code: 'ERR_DEMI_CALIBRATION' };
  assert.throws(() => new FieldArray(memory, 8, 4096), code);
  const full = device();
  const taken = full.pool.allocArray(500 * full.pool.capacityBytes)!;
  assert.throws(() => new ValueMemory(full, POOL_BYTES), code);
  taken.free();
});
