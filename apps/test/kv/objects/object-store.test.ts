// The store of the object protocol beside a Map that does the same: thousands of keys, lists, replacements, and readers that hold what
// has been replaced.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { heapRegion, type Slice, SlotPool } from '@demikernel/memory';
import { SeededRandom } from 'demikernel/simulator';
import { Blobs } from '../../../src/kv/objects/blobs.ts';
import { LARGEST_ENTRY_BYTES, ObjectStore } from '../../../src/kv/objects/object-store.ts';
import {
  MAX_KEY_BYTES,
  STATUS_NO_MEMORY,
  STATUS_OK,
  STATUS_TOO_LONG,
} from '../../../src/kv/objects/protocol.ts';
import { latin1, pattern } from './object-client.ts';

const SLOT_BYTES = 2048;

function makePool(slots: number): SlotPool {
  return new SlotPool(heapRegion(slots * SLOT_BYTES), { slotSizeBytes: SLOT_BYTES });
}

/** Keys and values for a store, in memory that is nobody's. */
class Asker {
  private readonly memory = heapRegion(1 << 19);
  readonly keys = new Blobs(this.memory);
  readonly values = new Blobs(this.memory);
  readonly found: Blobs;

  constructor(pool: SlotPool) {
    this.found = new Blobs(pool.region);
  }

  key(name: string): Blobs {
    this.keys.reset(this.memory);
    this.memory.bytes.set(Buffer.from(name, 'latin1'), 0);
    this.keys.add(0, name.length);
    return this.keys;
  }

  list(values: readonly Uint8Array[]): Blobs {
    let at = 4096;
    this.values.reset(this.memory);
    for (const value of values) {
      this.memory.bytes.set(value, at);
      this.values.add(at, value.length);
      at += value.length;
    }
    return this.values;
  }

  all(store: ObjectStore, name: string): string[] | undefined {
    this.found.reset(store.pool.region, store.pool);
    if (!store.all(this.key(name), 0, this.found)) return undefined;
    return Array.from({ length: this.found.count }, (_, i) => latin1(this.found.view(i)));
  }
}

test('thousands of keys, replaced while readers hold what they have got', () => {
  const pool = makePool(8192);
  const free = pool.freeSlots;
  const store = new ObjectStore({ pool, slotShare: 0.9, secret: [1, 2] });
  const asker = new Asker(pool);
  const random = new SeededRandom(3);
  const model = new Map<string, string[]>();
  const held: { slice: Slice; text: string }[] = [];
  for (let i = 0; i < 20_000; i++) {
    const name = `key ${random.below(4000)}`.padEnd(10 + random.below(2), 'x');
    if (random.below(3) > 0) {
      const values = Array.from({ length: 1 + random.below(3) }, (_, at) =>
        pattern(random.below([40, 300, 1500][random.below(3)]!), i + at),
      );
      assert.equal(store.put(asker.key(name), 0, asker.list(values)), STATUS_OK);
      model.set(name, values.map(latin1));
    } else {
      assert.deepEqual(asker.all(store, name), model.get(name));
      const { found } = asker;
      if (found.count > 0 && found.lengths[0]! > 0 && model.has(name)) {
        // As a message under way does.
        const offset = found.offsetOf(0);
        const slot = offset >> pool.slotShift;
        const length = Math.min(found.lengths[0]!, ((slot + 1) << pool.slotShift) - offset);
        pool.retain(slot);
        held.push({ slice: pool.slice(slot, offset, length), text: latin1(found.view(0)).slice(0, length) });
      }
    }
    if (held.length > 200) {
      const { slice, text } = held.splice(random.below(held.length), 1)[0]!;
      assert.equal(latin1(slice.bytes()), text, 'written over while somebody read it');
      slice.release();
    }
  }
  assert.equal(store.size, model.size);
  for (const [name, values] of model) assert.deepEqual(asker.all(store, name), values);
  for (const { slice } of held) slice.release();
  store.close();
  assert.equal(pool.freeSlots, free);
});

test('what has been replaced is used again: replacing for ever takes no more memory', () => {
  const pool = makePool(1024);
  const store = new ObjectStore({ pool, slotShare: 0.5, secret: [1, 2] });
  const asker = new Asker(pool);
  for (let i = 0; i < 2000; i++) {
    assert.equal(store.put(asker.key(`${i % 5}`), 0, asker.list([pattern(30_000, i)])), STATUS_OK, `${i}`);
  }
  // A reader of one slot keeps that block, and no other.
  asker.all(store, '0');
  const slot = asker.found.offsetOf(0) >> pool.slotShift;
  pool.retain(slot);
  for (let i = 0; i < 2000; i++) {
    assert.equal(store.put(asker.key(`${i % 5}`), 0, asker.list([pattern(30_000, i)])), STATUS_OK, `${i}`);
  }
  pool.release(slot);
  store.close();
  assert.equal(pool.freeSlots, pool.slotCount);
});

test('bounds: the longest entry, the longest key, and no memory at all', () => {
  const pool = makePool(256);
  const store = new ObjectStore({ pool, slotShare: 1, secret: [1, 2] });
  const asker = new Asker(pool);
  const longest = LARGEST_ENTRY_BYTES - 16 - 1;
  assert.equal(store.put(asker.key('k'), 0, asker.list([pattern(longest, 1)])), STATUS_OK);
  assert.deepEqual(asker.all(store, 'k'), [latin1(pattern(longest, 1))]);
  assert.equal(store.put(asker.key('k'), 0, asker.list([pattern(longest + 1, 1)])), STATUS_TOO_LONG);
  const longKey = 'k'.repeat(MAX_KEY_BYTES);
  assert.equal(store.put(asker.key(longKey), 0, asker.list([])), STATUS_OK);
  assert.deepEqual(asker.all(store, longKey), ['']);
  assert.equal(store.put(asker.key(`${longKey}k`), 0, asker.list([])), STATUS_TOO_LONG);
  assert.equal(asker.all(store, `${longKey}k`), undefined);
  store.close();
  const none = new ObjectStore({ pool, slotShare: 0.1, secret: [1, 2] });
  assert.equal(none.put(asker.key('k'), 0, asker.list([])), STATUS_NO_MEMORY);
  assert.equal(asker.all(none, 'k'), undefined);
  none.close();
  assert.equal(pool.freeSlots, pool.slotCount);
});
