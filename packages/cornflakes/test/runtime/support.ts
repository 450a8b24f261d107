// What the runtime's tests share: random messages, messages cut into slices, and pools whose books must balance.

import assert from 'node:assert/strict';
import { heapRegion, type ScatterGatherArray, SlotPool } from '@demikernel/memory';
import fc from 'fast-check';
import type { JsonValue } from '../../src/index.ts';

/** A pool whose slots are small, so that messages lie in many. */
export function smallPool(slots = 4096): SlotPool {
  return new SlotPool(heapRegion(slots * 256), { slotSizeBytes: 256, headroomBytes: 16 });
}

/** A copy of `bytes` in slices of the given lengths, the last of them repeated. */
export function cut(pool: SlotPool, bytes: Uint8Array, lengths: readonly number[]): ScatterGatherArray {
  const array = pool.array();
  let at = 0;
  let i = 0;
  while (at < bytes.length || array.count === 0) {
    const length = Math.min(
      lengths[Math.min(i++, lengths.length - 1)]!,
      bytes.length - at,
      pool.capacityBytes,
    );
    const slice = pool.alloc(length)!;
    slice.bytes().set(bytes.subarray(at, at + length));
    array.append(slice);
    at += length;
  }
  return array;
}

/** Every slot is free again. */
export function assertBalanced(pool: SlotPool): void {
  assert.equal(pool.freeSlots, pool.slotCount, 'slots are still held');
}

const int32 = fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff });
const uint32 = fc.integer({ min: 0, max: 0xffff_ffff });
const int64 = fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n).map(String);
const uint64 = fc.bigInt(0n, 2n ** 64n - 1n).map(String);
// JSON has no negative zero.
const positiveZero = (value: number): number => (value === 0 ? 0 : value);
const float = fc.float({ noNaN: true, noDefaultInfinity: true }).map(positiveZero);
const double = fc.double({ noNaN: true, noDefaultInfinity: true }).map(positiveZero);
const text = fc.string({ unit: 'grapheme', maxLength: 40 });
const bytes = fc.uint8Array({ maxLength: 900 }).map(value => Buffer.from(value).toString('base64'));
const color = fc.constantFrom<JsonValue>('RED', 'GREEN', 'BLUE', 77, -1);
const point = fc.record({ x: int32, y: int32 }, { requiredKeys: [] });

function some<T>(element: fc.Arbitrary<T>): fc.Arbitrary<T[]> {
  return fc.array(element, { maxLength: 6 });
}

const choice = fc.oneof(
  fc.record({ number: uint32 }),
  fc.record({ text }),
  fc.record({ spot: point }),
  fc.constant({}),
);

/** JSON of a `contract.Everything`. */
export const everythingJson: fc.Arbitrary<JsonValue> = fc.letrec<{ message: JsonValue }>(tie => ({
  message: fc
    .tuple(
      fc.record(
        {
          small: int32,
          count: uint32,
          delta: int32,
          crc: uint32,
          shift: int32,
          when: int64,
          total: uint64,
          ratio: float,
          exact: double,
          ready: fc.boolean(),
          color,
          name: text,
          data: bytes,
          point,
          steps: some(int32),
          times: some(int64),
          weights: some(double),
          flags: some(fc.boolean()),
          colors: some(color),
          names: some(text),
          blobs: some(bytes),
          points: some(point),
          counts: fc.dictionary(text, int32, { maxKeys: 4 }),
          places: fc.dictionary(int32.map(String), point, { maxKeys: 4 }),
          maybe: uint32,
          inner: fc.option(tie('message'), { depthSize: 'small', maxDepth: 4 }),
          far: text,
          farthest: uint32,
        },
        { requiredKeys: [] },
      ),
      choice,
    )
    .map(([fields, chosen]) => ({ ...fields, ...chosen }) as JsonValue),
})).message;
