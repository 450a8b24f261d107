// What is written is read again: whole, cut into slices anywhere, forwarded, and through JSON.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Slice } from '@demikernel/memory';
import fc from 'fast-check';
import { gatherMessage } from '../../src/fragments.ts';
import { tuning } from '../../src/index.ts';
import {
  Batch,
  Everything,
  EverythingCountsEntry,
  FirstBatch,
  GetResp,
  Point,
} from '../contract/contract.ts';
import { OldEverything } from '../contract/old-everything.ts';
import { assertBalanced, cut, everythingJson, smallPool } from './support.ts';

const RUNS = Number(process.env['CORNFLAKES_RUNS'] ?? 300);
const SEED = Number(process.env['CORNFLAKES_SEED'] ?? 1);

test('random messages come back, wherever they are cut', () => {
  const pool = smallPool();
  const lengths = fc.array(fc.integer({ min: 1, max: 240 }), { minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(everythingJson, lengths, fc.nat(2000), (json, cuts, threshold) => {
      const written = Everything.fromJSON(json);
      const bytes = written.toBytes();
      const expected = JSON.stringify(written);
      const array = cut(pool, bytes, cuts);
      const read = Everything.read(array, { strict: true });
      array.free();
      assert.equal(JSON.stringify(read), expected);

      // Forwarded, with some fields by reference and others copied.
      read.copyThresholdBytes = threshold;
      const sent = gatherMessage(pool, read)!;
      read.release();
      const again = Everything.read(sent, { strict: true });
      sent.free();
      assert.equal(JSON.stringify(again), expected);
      again.release();

      const back = Everything.fromJSON(JSON.parse(expected));
      assert.equal(JSON.stringify(back), expected);
      back.release();
      written.release();
    }),
    { numRuns: RUNS, seed: SEED },
  );
  assertBalanced(pool);
});

test('fields that an old schema does not know survive its reading, changing and writing', () => {
  const pool = smallPool();
  fc.assert(
    fc.property(everythingJson, fc.integer({ min: 1, max: 240 }), (json, length) => {
      const written = Everything.fromJSON(json);
      const array = cut(pool, written.toBytes(), [length]);
      const old = OldEverything.read(array);
      array.free();
      assert.equal(old.lost, false);
      assert.equal(old.small, written.small);
      assert.equal(old.name, written.name);
      assert.equal(old.far, written.far);
      old.small = 4711;
      if (old.inner !== undefined) old.mutableInner().name = 'changed';
      const rewritten = gatherMessage(pool, old)!;
      old.release();
      const read = Everything.read(rewritten);
      rewritten.free();
      written.small = 4711;
      if (written.inner !== undefined) written.mutableInner().name = 'changed';
      assert.equal(JSON.stringify(read), JSON.stringify(written));
      written.release();
      read.release();
    }),
    { numRuns: RUNS, seed: SEED },
  );
  assertBalanced(pool);
});

test('the new schema reads what the old one wrote', () => {
  const old = OldEverything.acquire();
  old.small = 5;
  old.name = 'x';
  old.maybe = 0;
  old.mutableInner().far = 'y';
  const read = Everything.read(old.toBytes(), { strict: true });
  assert.deepEqual(read.toJSON(), { small: 5, name: 'x', maybe: 0, inner: { far: 'y' } });
});

test('the reference format drops unknown fields, and says so', () => {
  // A GetResp of a newer schema: field 3, a uint32, behind the ones that are known.
  const bytes = Buffer.from(
    '01000000' + '07000000' + '07000000' + '01000000' + '18000000' + '09000000' + '61',
    'hex',
  );
  const read = GetResp.read(bytes);
  assert.equal(read.lost, true);
  assert.equal(read.id, 7);
  assert.deepEqual(read.val, Uint8Array.of(0x61));
  assert.equal(
    Buffer.from(read.toBytes()).toString('hex'),
    '0100000003000000070000000100000014000000' + '61',
  );
});

test('written in version 1 on request, a reference type keeps its unknown fields', () => {
  const batch = Batch.acquire();
  batch.id = 1;
  batch.mutableNext().points.add().x = 5;
  batch.note = 'kept';
  const expected = batch.toJSON();
  tuning.alwaysExtended = true;
  try {
    const bytes = batch.toBytes();
    assert.equal(bytes[3], 1);
    assert.deepEqual(Batch.read(bytes, { strict: true }).toJSON(), expected);
    const known = FirstBatch.read(bytes);
    assert.equal(known.id, 1);
    known.id = 2;
    const again = Batch.read(known.toBytes());
    assert.equal(again.id, 2);
    again.id = 1;
    assert.deepEqual(again.toJSON(), expected);
  } finally {
    tuning.alwaysExtended = false;
  }
  assert.equal(batch.toBytes()[3], 0);
});

test('setters normalise, clearers clear, presence is kept', () => {
  const message = Everything.acquire();
  assert.equal(message.hasSmall, false);
  message.small = 2 ** 31;
  assert.equal(message.small, -(2 ** 31));
  message.count = -1;
  assert.equal(message.count, 2 ** 32 - 1);
  message.ratio = 0.1;
  assert.equal(message.ratio, Math.fround(0.1));
  message.when = Number.MIN_SAFE_INTEGER;
  assert.equal(message.when, BigInt(Number.MIN_SAFE_INTEGER));
  assert.equal(message.whenNumber, Number.MIN_SAFE_INTEGER);
  message.total = 2n ** 64n - 1n;
  assert.equal(message.total, 2n ** 64n - 1n);
  assert.throws(() => message.totalNumber, { code: 'ERR_DEMI_UNSAFE_INTEGER' });
  message.small = 0;
  const read = Everything.read(message.toBytes());
  assert.equal(read.hasSmall, true);
  assert.equal(read.hasMaybe, false);
  read.clearSmall();
  assert.equal(read.hasSmall, false);
  assert.equal(Everything.read(read.toBytes()).hasSmall, false);
});

test('of a oneof the field set last stays', () => {
  const message = Everything.acquire();
  assert.equal(message.choiceCase, 0);
  message.number = 5;
  message.text = 'x';
  assert.equal(message.choiceCase, 26);
  assert.equal(message.hasNumber, false);
  message.mutableSpot().x = 1;
  assert.equal(message.choiceCase, 27);
  assert.equal(message.text, '');
  message.clearChoice();
  assert.deepEqual(message.toJSON(), {});
});

test('a map keeps one value for each key, `__proto__` included', () => {
  const message = Everything.acquire();
  message.setCounts('__proto__', 1);
  message.setCounts('constructor', 2);
  message.setCounts('__proto__', 3);
  const read = Everything.read(message.toBytes());
  assert.equal(read.getCounts('__proto__'), 3);
  assert.equal(read.getCounts('constructor'), 2);
  assert.equal(read.getCounts('toString'), undefined);
  assert.equal(JSON.stringify(read), '{"counts":{"__proto__":3,"constructor":2}}');
  read.mutablePlaces(4).x = 9;
  assert.equal(read.getPlaces(4)?.x, 9);
  assert.ok(read.counts.at(0) instanceof EverythingCountsEntry);
});

test('lists that were received can grow and change', () => {
  const message = Everything.acquire();
  message.steps.assign([1, 2]);
  message.times.assign([1n]);
  message.names.add('a');
  message.points.add().x = 1;
  const read = Everything.read(message.toBytes());
  read.steps.add(3);
  read.steps.set(0, 9);
  read.times.set(0, -7);
  read.names.add('b');
  read.names.set(0, 'c');
  read.points.add().y = 2;
  read.points.at(0).x = 5;
  const again = Everything.read(read.toBytes());
  assert.deepEqual([...again.steps], [9, 2, 3]);
  assert.deepEqual([...again.times], [-7n]);
  assert.deepEqual([...again.names], ['c', 'b']);
  assert.deepEqual(
    [...again.points].map(point => [point.x, point.y]),
    [
      [5, 0],
      [0, 2],
    ],
  );
  assert.throws(() => again.steps.at(3), { code: 'ERR_DEMI_OUT_OF_RANGE' });
  assert.throws(() => again.names.at(-1), { code: 'ERR_DEMI_OUT_OF_RANGE' });
});

test('an iovec for plain Node', () => {
  const pool = smallPool();
  const message = GetResp.acquire();
  const slice = pool.alloc(200)!;
  slice.bytes().fill(7);
  message.copyThresholdBytes = 100;
  message.val = slice;
  const iovec = message.toIovec();
  assert.deepEqual(
    iovec.map(part => part.length),
    [16, 200],
  );
  assert.equal(iovec[1]!.buffer, pool.region.buffer);
  assert.deepEqual(Buffer.concat(iovec), Buffer.from(message.toBytes()));
  message.release();
  slice.release();
  assertBalanced(pool);
});

test('one slice, an array or plain bytes are all sources', () => {
  const pool = smallPool();
  const point = Point.acquire();
  point.x = 1;
  point.y = -2;
  const bytes = point.toBytes();
  const array = cut(pool, bytes, [240]);
  const slice: Slice = array.segments[0]!;
  for (const source of [bytes, array, slice]) {
    const read = Point.read(source, { strict: true });
    assert.deepEqual(read.toJSON(), { x: 1, y: -2 });
    read.release();
  }
  array.free();
  assertBalanced(pool);
});
