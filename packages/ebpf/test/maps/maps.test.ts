// Maps in the kernel: every operation of every kind, and what is refused.

import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { UPDATE_EXIST, UPDATE_NO_EXIST } from '../../src/constants.ts';
import { ArrayMap, MappedArray } from '../../src/maps/array.ts';
import { MapCursor } from '../../src/maps/cursor.ts';
import { HashMap, LruHashMap } from '../../src/maps/hash.ts';
import { PerCpuArray, PerCpuHashMap, possibleCpus } from '../../src/maps/per-cpu.ts';
import { DevMap, DevMapHash, ProgramArray, XskMap } from '../../src/maps/redirect.ts';
import { passAll } from '../../src/programs/pass-all.ts';
import { bpfRefusal } from '../privilege.ts';

const skip = bpfRefusal();

test('a hash map looks up, updates, deletes and walks', { skip }, () => {
  using map = new HashMap({ name: 'demi_test', keyBytes: 4, valueBytes: 8, maxEntries: 100 });
  assert.equal(map.lookupNumber(1), undefined);
  map.update(1, 2 ** 40 + 5);
  assert.equal(map.lookupNumber(1), 2 ** 40 + 5);
  map.update(1, 6, UPDATE_EXIST);
  assert.throws(() => map.update(1, 7, UPDATE_NO_EXIST), { errnoName: 'EEXIST' });
  assert.throws(() => map.update(2, 7, UPDATE_EXIST), { errnoName: 'ENOENT' });
  const out = new Uint8Array(8);
  assert.equal(map.lookup(Uint8Array.of(1, 0, 0, 0), out), true);
  assert.deepEqual([...out], [6, 0, 0, 0, 0, 0, 0, 0]);
  for (let key = 2; key <= 50; key++) map.update(key, key * 10);
  const seen = new Map<number, number>();
  map.forEach((key, value) => {
    seen.set(new DataView(key.buffer).getUint32(0, true), new DataView(value.buffer).getUint32(0, true));
  });
  assert.equal(seen.size, 50);
  assert.equal(seen.get(50), 500);
  assert.equal(map.delete(50), true);
  assert.equal(map.delete(50), false);
});

test('a full hash map says E2BIG, a full LRU map forgets', { skip }, () => {
  using map = new HashMap({
    name: 'demi_test',
    keyBytes: 4,
    valueBytes: 4,
    maxEntries: 2,
    noPreallocation: true,
  });
  map.update(1, 1);
  map.update(2, 2);
  assert.throws(() => map.update(3, 3), { code: 'ERR_DEMI_SYSCALL', errnoName: 'E2BIG' });
  using lru = new LruHashMap({ name: 'demi_test', keyBytes: 4, valueBytes: 4, maxEntries: 64 });
  for (let key = 0; key < 1000; key++) lru.update(key, key);
  let left = 0;
  lru.forEach(() => {
    left++;
  });
  assert.ok(left > 0 && left <= 64);
});

test('batches write, read and delete all entries', { skip }, () => {
  using map = new HashMap({ name: 'demi_test', keyBytes: 4, valueBytes: 8, maxEntries: 5000 });
  const count = 3000;
  const keys = new Uint32Array(count);
  const values = new BigUint64Array(count);
  for (let i = 0; i < count; i++) {
    keys[i] = i * 7;
    values[i] = BigInt(i);
  }
  assert.equal(map.updateBatch(new Uint8Array(keys.buffer), new Uint8Array(values.buffer), count), count);
  const cursor = new MapCursor();
  const someKeys = new Uint32Array(512);
  const someValues = new BigUint64Array(512);
  for (let walk = 0; walk < 2; walk++) {
    const seen = new Set<number>();
    while (!cursor.done) {
      const n = map.lookupBatch(
        cursor,
        new Uint8Array(someKeys.buffer),
        new Uint8Array(someValues.buffer),
        512,
      );
      for (let i = 0; i < n; i++) {
        assert.equal(someKeys[i], Number(someValues[i]) * 7);
        seen.add(someKeys[i]!);
      }
    }
    assert.equal(seen.size, count);
    cursor.reset();
  }
  assert.equal(map.deleteBatch(new Uint8Array(keys.buffer), count), count);
  assert.equal(map.nextKey(undefined, new Uint8Array(4)), false);
  assert.equal(map.deleteBatch(new Uint8Array(keys.buffer), count), 0);
});

test('keys and values of the wrong size are refused before the kernel', { skip }, () => {
  using map = new HashMap({ name: 'demi_test', keyBytes: 6, valueBytes: 3, maxEntries: 1 });
  const code = 'ERR_DEMI_ARGUMENT';
  assert.throws(() => map.update(1, new Uint8Array(3)), { code });
  assert.throws(() => map.update(new Uint8Array(5), new Uint8Array(3)), { code });
  assert.throws(() => map.update(new Uint8Array(6), new Uint8Array(4)), { code });
  assert.throws(() => map.update(new Uint8Array(6), 1), { code });
  assert.throws(() => map.lookup(new Uint8Array(6), new Uint8Array(2)), { code });
  assert.throws(() => map.lookupNumber(new Uint8Array(6)), { code });
  assert.throws(() => map.lookupBatch(new MapCursor(), new Uint8Array(6), new Uint8Array(3), 2), { code });
  assert.throws(() => map.updateBatch(new Uint8Array(6), new Uint8Array(3), 2), { code });
  assert.throws(() => map.updateBatch(new Uint8Array(6), new Uint8Array(3), 0), { code });
  assert.throws(() => new HashMap({ name: 'no-name', keyBytes: 4, valueBytes: 4, maxEntries: 1 }), { code });
  assert.throws(() => new HashMap({ name: 'x'.repeat(16), keyBytes: 4, valueBytes: 4, maxEntries: 1 }), {
    code,
  });
  map.close();
  map.close();
  assert.throws(() => map.delete(new Uint8Array(6)), { code: 'ERR_DEMI_CLOSED' });
});

test('an array is there from the start', { skip }, () => {
  using map = new ArrayMap({ name: 'demi_test', valueBytes: 4, maxEntries: 3 });
  assert.equal(map.lookupNumber(2), 0);
  map.update(2, 0xffff_ffff);
  assert.equal(map.lookupNumber(2), 0xffff_ffff);
  assert.equal(map.lookupNumber(3), undefined);
  assert.throws(() => map.update(3, 1), { errnoName: 'E2BIG' });
  assert.throws(() => map.delete(0), { errnoName: 'EINVAL' });
});

test('a mapped array is the same memory, and zeros after close', { skip }, () => {
  const map = new MappedArray({ name: 'demi_test', valueBytes: 12, maxEntries: 1000 });
  assert.equal(map.strideBytes, 16);
  const words = new Int32Array(map.buffer, 0, 4000);
  words[999 * 4] = 77;
  const out = new Uint8Array(12);
  assert.ok(map.lookup(999, out));
  assert.equal(out[0], 77);
  out[4] = 88;
  map.update(999, out);
  assert.equal(words[999 * 4 + 1], 88);
  map.close();
  assert.equal(words[999 * 4], 0);
});

test('per-CPU maps add up', { skip }, () => {
  using array = new PerCpuArray({ name: 'demi_test', valueBytes: 12, maxEntries: 4 });
  assert.equal(array.cpus, possibleCpus());
  const all = new Uint8Array(array.strideBytes * array.cpus);
  for (let cpu = 0; cpu < array.cpus; cpu++) all[cpu * array.strideBytes] = cpu + 1;
  array.update(1, all);
  assert.equal(array.sum(1), (array.cpus * (array.cpus + 1)) / 2);
  array.clear(1);
  assert.equal(array.sum(1), 0);
  assert.throws(() => array.sum(1, 12), { code: 'ERR_DEMI_ARGUMENT' });
  using hash = new PerCpuHashMap({ name: 'demi_test', keyBytes: 4, valueBytes: 8, maxEntries: 4 });
  assert.equal(hash.sum(9), 0);
  hash.clear(9);
  assert.equal(hash.sum(9), 0);
});

test('lists of CPUs are read', () => {
  assert.equal(possibleCpus('0'), 1);
  assert.equal(possibleCpus('0-3\n'), 4);
  assert.equal(possibleCpus('0-3,8-11'), 12);
  assert.throws(() => possibleCpus('x'), { code: 'ERR_DEMI_ARGUMENT' });
});

test('maps of sockets, devices and programs take what they should only', { skip }, () => {
  using sockets = new XskMap({ name: 'demi_test', maxEntries: 2 });
  assert.throws(() => sockets.update(0, 0), { code: /^ERR_DEMI_/ });
  assert.equal(sockets.delete(0), true);
  using devices = new DevMap({ name: 'demi_test', maxEntries: 2 });
  devices.update(1, 1);
  assert.equal(devices.lookupNumber(1), 1);
  assert.throws(() => devices.update(0, 0x7fff_fff0), { errnoName: 'EINVAL' });
  using byKey = new DevMapHash({ name: 'demi_test', maxEntries: 2 });
  byKey.update(123_456, 1);
  assert.equal(byKey.lookupNumber(123_456), 1);
  using programs = new ProgramArray({ name: 'demi_test', maxEntries: 2 });
  using program = passAll();
  programs.update(0, program.descriptor);
  assert.throws(() => programs.update(1, 0), { code: /^ERR_DEMI_/ });
});

test('closing leaves no descriptor', { skip }, () => {
  const before = readdirSync('/proc/self/fd').length;
  for (let n = 0; n < 50; n++) {
    new HashMap({ name: 'demi_test', keyBytes: 4, valueBytes: 4, maxEntries: 1 }).close();
    new MappedArray({ name: 'demi_test', valueBytes: 8, maxEntries: 1 }).close();
  }
  assert.equal(readdirSync('/proc/self/fd').length, before);
});
