// The store beside a Map that does the same; its memory, its bounds, its hash.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { heapRegion, type Region, SlotPool } from '@demikernel/memory';
import fc from 'fast-check';
import { Arena, LARGEST_BLOCK_BYTES } from '../../src/kv/arena.ts';
import { KeyHash } from '../../src/kv/key-hash.ts';
import { DEFAULT_LIMITS } from '../../src/kv/limits.ts';
import { Store } from '../../src/kv/store.ts';

function regionOf(bytes: Uint8Array): Region {
  const region = heapRegion(Math.max(1, bytes.length));
  region.bytes.set(bytes);
  return region;
}

function makeStore(memoryBytes = 1 << 20): { store: Store; pool: SlotPool } {
  const pool = new SlotPool(heapRegion(64 * 2048), { slotSizeBytes: 2048, headroomBytes: 0 });
  const limits = { ...DEFAULT_LIMITS, memoryBytes };
  return { pool, store: new Store({ pool, sliceBytes: 1448, limits, secret: [1, 2] }) };
}

function find(store: Store, key: string): boolean {
  const bytes = Buffer.from(key);
  return store.find(regionOf(bytes), 0, bytes.length);
}

function put(store: Store, key: string, value: string): boolean {
  const bytes = Buffer.from(key);
  const region = regionOf(bytes);
  store.find(region, 0, bytes.length);
  const valueBytes = Buffer.from(value);
  return store.put(region, 0, bytes.length, regionOf(valueBytes), 0, valueBytes.length, undefined);
}

function storedAt(store: Store, key: string): string | undefined {
  if (!find(store, key)) return undefined;
  const { large, region, valueLength, valueOffset } = store;
  const bytes = large?.toBytes() ?? region.bytes.slice(valueOffset, valueOffset + valueLength);
  return Buffer.from(bytes).toString();
}

describe('store', () => {
  test('any changes: as a Map, and nothing is left at the end', () => {
    const key = fc.nat(12).map(n => `key ${n}${'.'.repeat(n * 9)}`);
    const change = fc.oneof(
      fc.record({ kind: fc.constant('put'), key, size: fc.nat(3000) }),
      fc.record({ kind: fc.constant('remove'), key, size: fc.constant(0) }),
      fc.record({ kind: fc.constant('expire'), key, size: fc.nat(50) }),
      fc.record({ kind: fc.constant('wait'), key, size: fc.nat(30) }),
    );
    fc.assert(
      fc.property(fc.array(change, { maxLength: 120 }), changes => {
        const { pool, store } = makeStore();
        const model = new Map<string, { value: string; atMs: number }>();
        let nowMs = 1000;
        store.nowMs[0] = nowMs;
        for (const [i, { key, kind, size }] of changes.entries()) {
          if (kind === 'put') {
            const value = `${i}`.padEnd(size, 'v');
            if (put(store, key, value)) {
              store.persist();
              model.set(key, { value, atMs: Number.POSITIVE_INFINITY });
            }
          } else if (kind === 'remove') {
            if (find(store, key)) store.remove();
            model.delete(key);
          } else if (kind === 'expire') {
            store.moment[0] = nowMs + size;
            if (find(store, key)) store.expire();
            const entry = model.get(key);
            if (entry !== undefined) entry.atMs = nowMs + size;
          } else {
            nowMs += size;
            store.nowMs[0] = nowMs;
            store.sweep(size * 200);
          }
          for (const [name, { atMs }] of model) if (atMs <= nowMs) model.delete(name);
          assert.equal(storedAt(store, key), model.get(key)?.value);
        }
        for (const [name, { value }] of model) assert.equal(storedAt(store, name), value);
        store.clear();
        assert.equal(store.size, 0);
        assert.equal(store.expiring, 0);
        assert.equal(store.usedBytes, 0);
        assert.equal(pool.freeSlots, pool.slotCount);
      }),
      { numRuns: 200 },
    );
  });

  test('memory is bounded, a refused value changes nothing, and what is removed serves again', () => {
    const { store } = makeStore(LARGEST_BLOCK_BYTES * 2);
    let keys = 0;
    while (put(store, `key ${keys}`, 'x'.repeat(500))) keys++;
    assert.ok(keys > 100);
    assert.equal(store.size, keys);
    assert.equal(put(store, 'key 0', 'y'.repeat(1010)), false);
    assert.equal(storedAt(store, 'key 0'), 'x'.repeat(500));
    for (let i = 0; i < keys; i++) {
      assert.ok(find(store, `key ${i}`));
      store.remove();
    }
    let again = 0;
    while (put(store, `other ${again}`, 'x'.repeat(500))) again++;
    assert.ok(Math.abs(again - keys) <= 1, `${again} instead of ${keys}`);
  });

  test('values take their share of the slots, not more', () => {
    const { pool, store } = makeStore();
    let keys = 0;
    while (put(store, `key ${keys}`, 'x'.repeat(1400))) keys++;
    assert.equal(keys, pool.slotCount / 2);
    assert.equal(store.slots, store.slotLimit);
    // What is replaced makes room only when it is gone: nobody may lose the old value for a new one that is refused.
    assert.equal(put(store, 'key 1', 'y'.repeat(1400)), false);
    assert.equal(storedAt(store, 'key 1'), 'x'.repeat(1400));
    assert.ok(put(store, 'key 1', 'small'));
    assert.ok(put(store, 'key 2', 'y'.repeat(1400)));
  });

  test('who still sends an old value keeps it', () => {
    const { pool, store } = makeStore();
    put(store, 'key', 'old'.repeat(600));
    find(store, 'key');
    const sending = store.large!.share();
    put(store, 'key', 'new'.repeat(600));
    assert.equal(Buffer.from(sending.toBytes()).toString(), 'old'.repeat(600));
    sending.free();
    store.clear();
    assert.equal(pool.freeSlots, pool.slotCount);
  });

  test('an arena gives disjoint blocks, and all of them back', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: LARGEST_BLOCK_BYTES }), { maxLength: 60 }), sizes => {
        const arena = new Arena(4 * LARGEST_BLOCK_BYTES);
        const owner = new Int32Array(arena.capacity).fill(-1);
        const blocks: number[] = [];
        sizes.forEach((size, i) => {
          const block = arena.alloc(size);
          if (block >= 0) {
            for (let unit = block; unit < block + (1 << arena.orderOf(block)); unit++) {
              assert.equal(owner[unit], -1);
              owner[unit] = i;
            }
            assert.ok((1 << arena.orderOf(block)) * 64 >= size);
            blocks.push(block);
          }
          if (i % 3 !== 2 || blocks.length === 0) return;
          const gone = blocks.splice(i % blocks.length, 1)[0]!;
          owner.fill(-1, gone, gone + (1 << arena.orderOf(gone)));
          arena.free(gone);
        });
        for (const block of blocks) arena.free(block);
        assert.equal(arena.usedBytes, 0);
      }),
    );
  });

  test('the hash depends on the key and on every byte', () => {
    const bytes = regionOf(Buffer.from('abcdefghijk'));
    const hash = new KeyHash(1, 2);
    const seen = new Set<number>();
    for (let length = 0; length <= 11; length++) seen.add(hash.of(bytes, 0, length));
    for (let i = 0; i < 11; i++) {
      const changed = regionOf(bytes.bytes);
      changed.bytes[i]! ^= 1;
      seen.add(hash.of(changed, 0, 11));
    }
    seen.add(new KeyHash(1, 3).of(bytes, 0, 11));
    assert.equal(seen.size, 24);
    assert.equal(hash.of(bytes, 1, 5), hash.of(regionOf(Buffer.from('bcdef')), 0, 5));
  });
});
