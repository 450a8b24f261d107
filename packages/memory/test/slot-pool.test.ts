// Slots: allocation, the reserve, references, generations. Slices and arrays have files of their own.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { heapRegion, MAX_REGION_BYTES, Region } from '../src/region.ts';
import type { Slice } from '../src/slice.ts';
import {
  DEFAULT_COPY_THRESHOLD_BYTES,
  lowestCopyThresholdBytes,
  SlotPool,
  type SlotPoolOptions,
} from '../src/slot-pool.ts';

function poolOf(slots: number, options: Partial<SlotPoolOptions> = {}): SlotPool {
  return new SlotPool(heapRegion(slots * 256), { slotSizeBytes: 256, headroomBytes: 64, ...options });
}

const code = (expected: string) => ({ name: 'DemiError', code: expected });

test('a region has bounds and releases once', () => {
  assert.throws(() => new Region({ buffer: new ArrayBuffer(0) }), code('ERR_DEMI_REGION_SIZE'));
  let released = 0;
  const region = new Region({ buffer: new ArrayBuffer(4096), release: () => released++ });
  region.release();
  region.release();
  assert.equal(released, 1);
  assert.equal(region.bytes[4095], 0);
  assert.ok(MAX_REGION_BYTES < 2 ** 31);
});

test('a pool refuses sizes it cannot serve', () => {
  for (const options of [
    { slotSizeBytes: 128 },
    { slotSizeBytes: 300 },
    { slotSizeBytes: 512 },
    { reserveSlots: 1 },
    { headroomBytes: 256 },
  ]) {
    assert.throws(() => poolOf(1, options), code('ERR_DEMI_SLOT_SIZE'), JSON.stringify(options));
  }
});

test('slots are handed out once each, then alloc says undefined', () => {
  const pool = poolOf(4);
  const slices = Array.from({ length: 4 }, () => pool.alloc(10)!);
  assert.deepEqual(new Set(slices.map(slice => slice.slot)), new Set([0, 1, 2, 3]));
  for (const slice of slices) assert.equal(slice.offset, slice.slot * 256 + 64);
  assert.equal(pool.alloc(10), undefined);
  assert.equal(pool.exhausted, 1);
  const { slot } = slices[2]!;
  slices[2]!.release();
  assert.equal(pool.alloc(10)!.slot, slot);
});

test('the reserve is out of reach of alloc', () => {
  const pool = poolOf(4, { reserveSlots: 2 });
  assert.ok(pool.alloc(1) && pool.alloc(1));
  assert.equal(pool.alloc(1), undefined);
  assert.equal(pool.allocSlot(), -1);
  const slots = [pool.allocReserved(), pool.allocReserved()];
  assert.ok(slots.every(slot => slot >= 0));
  assert.equal(pool.allocReserved(), -1);
  // What comes back refills the reserve before applications get any.
  pool.release(slots[0]!);
  assert.equal(pool.alloc(1), undefined);
});

test('alloc refuses what does not fit in one slot', () => {
  const pool = poolOf(2);
  assert.equal(pool.capacityBytes, 192);
  assert.equal(pool.alloc(192)!.length, 192);
  for (const length of [193, -1, Number.NaN]) {
    assert.throws(() => pool.alloc(length), code('ERR_DEMI_OUT_OF_RANGE'));
  }
});

test('references that nobody holds cannot be taken or given up', () => {
  const pool = poolOf(2);
  const slot = pool.allocSlot();
  pool.release(slot);
  for (const bad of [slot, -1, 2, 1e9]) {
    assert.throws(() => pool.release(bad), code('ERR_DEMI_SLOT_NOT_HELD'), `release ${bad}`);
    assert.throws(() => pool.retain(bad), code('ERR_DEMI_SLOT_NOT_HELD'), `retain ${bad}`);
  }
  assert.equal(pool.freeSlots, 2);
});

test('a generation tells the lives of a slot apart', () => {
  const pool = poolOf(1);
  const slot = pool.allocSlot();
  const before = pool.generations[slot]!;
  pool.retain(slot);
  pool.release(slot);
  assert.equal(pool.generations[slot], before, 'still held');
  pool.release(slot);
  assert.equal(pool.generations[slot], before + 1);
});

test('registered memory is recognised by its place', () => {
  const pool = poolOf(4);
  const slice = pool.alloc(100)!;
  const view = slice.bytes();
  const found = pool.sliceOf(view.subarray(10, 30))!;
  assert.equal(found.slot, slice.slot);
  assert.equal(found.offset, slice.offset + 10);
  assert.equal(found.length, 20);
  assert.equal(pool.references[slice.slot], 2);
  found.release();

  const { buffer } = pool.region;
  assert.equal(pool.sliceOf(new Uint8Array(20)), undefined, 'other memory');
  assert.equal(pool.sliceOf(view.subarray(0, 0)), undefined, 'no bytes');
  assert.equal(
    pool.sliceOf(new Uint8Array(buffer, slice.slot * 256 + 250, 6))?.length,
    6,
    'the very end of a slot',
  );
  const other = (slice.slot + 1) & 3;
  assert.equal(pool.sliceOf(new Uint8Array(buffer, other * 256, 10)), undefined, 'a slot that is free');
  const low = Math.min(slice.slot, 2);
  assert.equal(pool.sliceOf(new Uint8Array(buffer, low * 256 + 250, 10)), undefined, 'across two slots');
  assert.equal(pool.holds(view), true);
  assert.equal(pool.holds(new Uint8Array(4)), false);
});

test('bytes behind the last whole slot belong to no slot', () => {
  const pool = new SlotPool(heapRegion(256 + 100), { slotSizeBytes: 256 });
  assert.equal(pool.slotCount, 1);
  assert.equal(pool.sliceOf(new Uint8Array(pool.region.buffer, 256, 10)), undefined);
});

test('any order of alloc, share, sub and release keeps the books', () => {
  const step = fc.record({
    action: fc.constantFrom('alloc', 'reserved', 'share', 'sub', 'release'),
    which: fc.nat(),
    length: fc.nat(192),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), fc.boolean(), (steps, debug) => {
      const pool = poolOf(8, { reserveSlots: 2, debug });
      // The model: each held slice with the byte it was filled with.
      const held: { slice: Slice; stamp: number }[] = [];
      let stamp = 0;
      for (const { action, which, length } of steps) {
        const chosen = held.length === 0 ? undefined : held[which % held.length]!;
        const inUse = new Set(held.map(each => each.slice.slot)).size;
        if (action === 'alloc') {
          const slice = pool.alloc(length);
          assert.equal(slice === undefined, inUse >= 6);
          if (slice === undefined) continue;
          stamp = (stamp + 1) & 127;
          slice.bytes().fill(stamp);
          held.push({ slice, stamp });
        } else if (action === 'reserved') {
          const slot = pool.allocReserved();
          assert.equal(slot === -1, inUse === 8);
          if (slot < 0) continue;
          stamp = (stamp + 1) & 127;
          const slice = pool.slice(slot, pool.slotOffset(slot), length);
          slice.bytes().fill(stamp);
          held.push({ slice, stamp });
        } else if (chosen === undefined) continue;
        else if (action === 'share') held.push({ slice: chosen.slice.share(), stamp: chosen.stamp });
        else if (action === 'sub') {
          const start = length % (chosen.slice.length + 1);
          const slice = chosen.slice.sub(start, (chosen.slice.length - start) >> 1);
          held.push({ slice, stamp: chosen.stamp });
        } else {
          chosen.slice.release();
          held.splice(held.indexOf(chosen), 1);
        }
        for (const each of held) {
          assert.ok(
            each.slice.bytes().every(byte => byte === each.stamp),
            'bytes of a held slice changed',
          );
          const holders = held.filter(other => other.slice.slot === each.slice.slot).length;
          assert.equal(pool.references[each.slice.slot], holders);
          assert.equal(each.slice.exclusive, holders === 1);
        }
        assert.equal(pool.freeSlots, 8 - new Set(held.map(each => each.slice.slot)).size);
      }
      for (const each of held) each.slice.release();
      assert.equal(pool.freeSlots, 8);
      assert.ok(pool.references.every(count => count === 0));
    }),
    { numRuns: 200 },
  );
});

test('a copy threshold is a number of bytes, 0 or Infinity, and the lowest of all pools is known', () => {
  const pool = poolOf(2);
  assert.equal(pool.copyThresholdBytes, DEFAULT_COPY_THRESHOLD_BYTES);
  assert.ok(lowestCopyThresholdBytes() <= DEFAULT_COPY_THRESHOLD_BYTES);
  for (const bytes of [Number.POSITIVE_INFINITY, 100, 0]) {
    pool.copyThresholdBytes = bytes;
    assert.equal(pool.copyThresholdBytes, bytes);
    assert.ok(lowestCopyThresholdBytes() <= bytes);
  }
  for (const bytes of [-1, Number.NaN]) {
    assert.throws(() => {
      pool.copyThresholdBytes = bytes;
    }, code('ERR_DEMI_OUT_OF_RANGE'));
    assert.throws(() => poolOf(2, { copyThresholdBytes: bytes }), code('ERR_DEMI_OUT_OF_RANGE'));
  }
  assert.equal(pool.copyThresholdBytes, 0);
});
