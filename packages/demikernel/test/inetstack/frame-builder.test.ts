// Where the builder puts headers and payload, and that it takes and gives back the right references.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FrameBuilder } from '../../src/inetstack/frame-builder.ts';
import { ScriptedDevice } from './scripted-device.ts';

function setUp(segmentLimit = 4) {
  const device = new ScriptedDevice({ segmentLimit, copyThresholdBytes: 100, slots: 16, reserveSlots: 2 });
  return { device, pool: device.pool, builder: new FrameBuilder(device) };
}

describe('frame builder', () => {
  it('writes headers in front of a whole, exclusive slice', () => {
    const { pool, builder, device } = setUp();
    const slice = pool.alloc(10)!;
    builder.open(42, 10, true);
    builder.add(slice, 0, 10);
    assert.equal(builder.close(), slice.offset - 42);
    assert.equal(builder.frame.count, 1);
    assert.equal(builder.frame.length[0], 52);
    assert.equal(pool.references[slice.slot], 2);
    device.transmit(builder.frame);
    slice.release();
    assert.equal(pool.freeSlots, pool.slotCount);
  });

  for (const [name, prepare] of [
    ['shared', 'share'],
    ['partial', 'part'],
    ['sent before', 'again'],
    ['without headroom', 'edge'],
  ] as const) {
    it(`never touches the bytes in front of a slice that is ${name}`, () => {
      const { pool, builder, device } = setUp();
      const slice = pool.alloc(50)!;
      slice.bytes().fill(7);
      const other = prepare === 'share' ? slice.share() : undefined;
      if (prepare === 'edge') slice.offset = pool.slotOffset(slice.slot) + 60;
      const length = prepare === 'part' ? 40 : 50;
      builder.open(42, length, prepare !== 'again');
      builder.add(slice, 0, length);
      const start = builder.close();
      assert.notEqual(start >> pool.slotShift, slice.slot);
      assert.equal(builder.frame.count, 1);
      assert.deepEqual(
        [...pool.region.bytes.subarray(start + 42, start + 42 + length)],
        [...slice.bytes().subarray(0, length)],
      );
      device.transmit(builder.frame);
      slice.release();
      other?.release();
      assert.equal(pool.freeSlots, pool.slotCount);
    });
  }

  it('gathers long pieces behind a header slot, within the segment limit', () => {
    const { pool, builder } = setUp();
    const slices = [pool.alloc(200)!, pool.alloc(300)!, pool.alloc(100)!];
    builder.open(54, 600, true);
    for (const slice of slices) builder.add(slice, 0, slice.length);
    const start = builder.close();
    assert.deepEqual([...builder.frame.length.subarray(0, 4)], [54, 200, 300, 100]);
    assert.equal(builder.frame.offset[0], start);
    builder.abandon();
    for (const slice of slices) assert.equal(pool.references[slice.slot], 1);
    for (const slice of slices) slice.release();
    assert.equal(pool.freeSlots, pool.slotCount);
  });

  it('copies when a piece is short or there are too many', () => {
    for (const [limit, lengths] of [
      [4, [200, 99]],
      [2, [200, 200]],
    ] as const) {
      const { pool, builder } = setUp(limit);
      const slices = lengths.map((length, i) => {
        const slice = pool.alloc(length)!;
        slice.bytes().fill(i + 1);
        return slice;
      });
      const total = lengths[0] + lengths[1];
      builder.open(54, total, true);
      for (const slice of slices) builder.add(slice, 0, slice.length);
      const start = builder.close();
      assert.equal(builder.frame.count, 1);
      assert.equal(builder.frame.length[0], 54 + total);
      assert.equal(pool.region.bytes[start + 54], 1);
      assert.equal(pool.region.bytes[start + 54 + total - 1], 2);
      builder.abandon();
      for (const slice of slices) slice.release();
      assert.equal(pool.freeSlots, pool.slotCount);
    }
  });

  it('says so when no slot is free, and takes nothing', () => {
    const { pool, builder } = setUp();
    const slice = pool.alloc(50)!;
    const hogs: number[] = [];
    for (let slot = pool.allocReserved(); slot >= 0; slot = pool.allocReserved()) hogs.push(slot);
    builder.open(42, 50, false);
    builder.add(slice, 0, 50);
    assert.equal(builder.close(), -1);
    assert.equal(pool.references[slice.slot], 1);
  });

  it('makes frames without payload', () => {
    const { pool, builder } = setUp();
    builder.open(54, 0, true);
    assert.ok(builder.close() >= 0);
    assert.equal(builder.frame.length[0], 54);
    builder.abandon();
    assert.equal(pool.freeSlots, pool.slotCount);
  });
});
