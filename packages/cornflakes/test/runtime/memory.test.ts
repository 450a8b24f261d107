// Who holds which bytes: by reference or copied, recognised or not, leased, shared, given back.

import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { heapRegion, SlotPool } from '@demikernel/memory';
import { gatherMessage } from '../../src/fragments.ts';
import { debugging } from '../../src/index.ts';
import { Batch, Everything, GetResp } from '../contract/contract.ts';
import { assertBalanced, cut, smallPool } from './support.ts';

function largePool(debug = false): SlotPool {
  return new SlotPool(heapRegion(1 << 20), { slotSizeBytes: 4096, debug });
}

afterEach(() => debugging.disable());

test('registered memory over the threshold is sent by reference, under it copied', () => {
  const pool = largePool();
  const slice = pool.alloc(2000)!;
  const message = GetResp.acquire();
  for (const [length, referred] of [
    [511, false],
    [512, true],
  ] as const) {
    message.val = slice.bytes().subarray(100, 100 + length);
    assert.equal(message.valField.referred, referred);
    assert.equal(message.copiedBytes(), referred ? 16 : 16 + length);
    assert.equal(message.byteLength(), 16 + length);
  }
  const array = gatherMessage(pool, message)!;
  assert.equal(array.count, 2);
  assert.equal(array.segments[1]!.offset, slice.offset + 100);
  assert.equal(pool.references[slice.slot], 3);
  message.release();
  slice.release();
  array.free();
  assertBalanced(pool);
});

test('thresholds of 0 and Infinity: all by reference, all copied', () => {
  const pool = largePool();
  const slice = pool.alloc(1000)!;
  const message = GetResp.acquire();
  message.copyThresholdBytes = 0;
  message.val = slice.bytes().subarray(0, 1);
  assert.equal(message.valField.referred, true);
  message.copyThresholdBytes = Number.POSITIVE_INFINITY;
  message.val = slice;
  assert.equal(message.valField.referred, false);
  assert.equal(message.copiedBytes(), 1016);
  message.release();
  slice.release();
  assertBalanced(pool);
});

test('unless told otherwise the memory says from which size on its values are referred to', () => {
  const pools = [largePool(), largePool()];
  const message = GetResp.acquire();
  for (const [i, pool] of pools.entries()) {
    pool.copyThresholdBytes = i === 0 ? 40 : 2000;
    const slice = pool.alloc(2000)!;
    for (const length of [39, 40, 1999, 2000]) {
      const referred = length >= pool.copyThresholdBytes;
      const part = slice.sub(0, length);
      const array = pool.array();
      array.append(part.share());
      for (const value of [slice.bytes().subarray(0, length), part, array]) {
        message.val = value;
        assert.equal(message.valField.referred, referred, `${length} bytes of pool ${i}`);
        assert.equal(message.copiedBytes(), referred ? 16 : 16 + length);
      }
      part.release();
      array.free();
    }
    slice.release();
  }
  message.release();
  pools.forEach(assertBalanced);
});

test('what was received is sent on by the threshold of the memory it lies in', () => {
  for (const [threshold, copied] of [
    [600, 16],
    [601, 616],
  ] as const) {
    const pool = largePool();
    pool.copyThresholdBytes = threshold;
    const sent = GetResp.acquire();
    sent.val = new Uint8Array(600);
    const array = cut(pool, sent.toBytes(), [700]);
    const received = GetResp.read(array);
    assert.equal(received.copiedBytes(), copied);
    for (const message of [sent, received]) message.release();
    array.free();
    assertBalanced(pool);
  }
});

test("Node's slab and foreign memory are copied, whatever their length", () => {
  const message = GetResp.acquire();
  const slab = Buffer.from('x'.repeat(600));
  const foreign = new Uint8Array(10_000);
  for (const bytes of [slab, foreign]) {
    message.val = bytes;
    assert.equal(message.valField.referred, false);
  }
  message.release();
});

test('a view of a slot that has been freed is copied, not referred to', () => {
  const pool = largePool();
  const slice = pool.alloc(1000)!;
  const view = slice.bytes();
  slice.release();
  const message = GetResp.acquire();
  message.val = view;
  assert.equal(message.valField.referred, false);
  message.release();
  assertBalanced(pool);
});

test('a value of several slices is sent as it lies', () => {
  const pool = smallPool();
  const value = cut(pool, new Uint8Array(1000).fill(3), [200]);
  const message = GetResp.acquire();
  message.val = value;
  value.free();
  const array = gatherMessage(pool, message)!;
  assert.equal(array.count, 6);
  message.release();
  const read = GetResp.read(array);
  array.free();
  assert.deepEqual(read.val, new Uint8Array(1000).fill(3));
  read.release();
  assertBalanced(pool);
});

test('a lease outlives the message; a view does not need to be copied', () => {
  const pool = smallPool();
  const message = GetResp.acquire();
  message.val = new Uint8Array(700).fill(9);
  const array = cut(pool, message.toBytes(), [240]);
  const read = GetResp.read(array);
  array.free();
  const lease = read.valField.lease()!;
  read.release();
  message.release();
  assert.equal(lease.lengthBytes, 700);
  assert.deepEqual(lease.toBytes(), new Uint8Array(700).fill(9));
  lease.free();
  assertBalanced(pool);
});

test('a received value goes into another message without a copy, and outlives the first', () => {
  const pool = largePool();
  const first = GetResp.acquire();
  first.val = new Uint8Array(1500).fill(5);
  const wire = gatherMessage(pool, first)!;
  const received = GetResp.read(wire);
  wire.free();
  const second = Batch.acquire();
  second.vals.add(received.valField);
  second.vals.add(Uint8Array.of(1));
  received.release();
  assert.equal(second.copiedBytes(), 8 + 8 + 16 + 1);
  const out = gatherMessage(pool, second)!;
  second.release();
  const read = Batch.read(out, { strict: true });
  out.free();
  assert.deepEqual(read.vals.at(0), new Uint8Array(1500).fill(5));
  assert.deepEqual(read.vals.at(1), Uint8Array.of(1));
  read.release();
  first.release();
  assertBalanced(pool);
});

test('setting again, clearing and releasing give every reference back', () => {
  const pool = largePool();
  const slice = pool.alloc(1000)!;
  const message = Everything.acquire();
  for (let i = 0; i < 3; i++) {
    message.data = slice;
    message.far = slice;
    message.blobs.add(slice);
    message.mutableInner().data = slice;
    message.mutableInner().mutableInner().blobs.add(slice);
    message.text = slice;
    if (i === 1) message.clear();
    if (i === 2) message.number = 1;
  }
  message.release();
  assert.equal(pool.references[slice.slot], 1);
  slice.release();
  assertBalanced(pool);
});

test('refused messages hold nothing; released ones cannot be released again', () => {
  const pool = smallPool();
  const array = cut(pool, Uint8Array.of(1, 0, 0, 0, 255, 255, 255, 255), [8]);
  assert.throws(() => GetResp.read(array), { code: 'ERR_DEMI_MALFORMED_MESSAGE' });
  array.free();
  assertBalanced(pool);
  const message = GetResp.acquire();
  message.release();
  assert.throws(() => message.release(), { code: 'ERR_DEMI_STALE_MESSAGE' });
  const parent = Everything.acquire();
  const part = parent.mutablePoint();
  assert.throws(() => part.release(), { code: 'ERR_DEMI_STALE_MESSAGE' });
  parent.release();
});

test('an array with a slice that was released is misuse, and nothing is held after it', () => {
  const pool = smallPool();
  const array = cut(pool, new Uint8Array(300), [100]);
  array.segments[1]!.release();
  const message = GetResp.acquire();
  assert.throws(() => message.tryRead(array), { code: 'ERR_DEMI_SLOT_NOT_HELD' });
  assert.equal(pool.references[array.segments[0]!.slot], 1);
  message.release();
  array.segments[0]!.release();
  array.segments[2]!.release();
  const freed = pool.array();
  freed.free();
  assert.throws(() => GetResp.read(freed), { code: 'ERR_DEMI_STALE_ARRAY' });
  const slice = pool.alloc(8)!;
  slice.release();
  assert.throws(() => GetResp.read(slice), { code: 'ERR_DEMI_STALE_SLICE' });
  assertBalanced(pool);
});

test('a message whose pieces lie in several pools keeps each of them, and gives each back', () => {
  const [one, two] = [smallPool(), smallPool()];
  const sent = Batch.acquire();
  sent.vals.add(new Uint8Array(300).fill(1));
  sent.vals.add(new Uint8Array(40).fill(2));
  sent.mutableNext().note = 'across';
  const bytes = sent.toBytes();
  for (let at = 1; at < Math.min(bytes.length, 240); at += 7) {
    const array = cut(one, bytes.subarray(0, at), [100]);
    const rest = cut(two, bytes.subarray(at), [90]);
    for (let i = 0; i < rest.count; i++) array.append(rest.segments[i]!.share());
    rest.free();
    const read = Batch.read(array, { strict: true });
    array.free();
    const lease = read.vals.lease(0)!;
    const onward = GetResp.acquire();
    onward.copyThresholdBytes = 0;
    onward.val = read.vals.fieldAt(0);
    assert.equal(read.next!.note, 'across');
    read.release();
    assert.deepEqual(lease.toBytes(), new Uint8Array(300).fill(1));
    lease.free();
    const out = gatherMessage(two, onward)!;
    onward.release();
    const again = GetResp.read(out);
    out.free();
    assert.deepEqual(again.valField.copy(), new Uint8Array(300).fill(1));
    again.release();
    assertBalanced(one);
    assertBalanced(two);
  }
  sent.release();
});

test('messages are reused', () => {
  const message = GetResp.acquire();
  message.id = 5;
  message.release();
  const again = GetResp.acquire();
  assert.equal(again, message);
  assert.equal(again.hasId, false);
  again.release();
});

test('debug mode names the field that was changed in flight', () => {
  const pool = largePool();
  debugging.enable();
  const slice = pool.alloc(1000)!;
  const message = GetResp.acquire();
  message.val = slice;
  const sent = gatherMessage(pool, message)!;
  // As a stack does: parts and shares of the array, let go one after the other.
  const part = sent.segments[1]!.sub(0, 500);
  const kept = sent.share();
  sent.free();
  slice.bytes()[600] = 1;
  part.release();
  assert.equal(debugging.findings.length, 0);
  kept.free();
  assert.equal(debugging.findings.length, 1);
  assert.equal(debugging.findings[0]!.kind, 'changed-in-flight');
  assert.match(debugging.findings[0]!.stack, /memory\.test/);

  const again = gatherMessage(pool, message)!;
  again.free();
  slice.bytes()[600] = 2;
  assert.equal(debugging.findings.length, 1);
  message.release();
  slice.release();
  assertBalanced(pool);
});

test('debug mode names messages and leases that were not given back', () => {
  const pool = smallPool();
  debugging.enable();
  const array = cut(pool, Uint8Array.of(1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0), [16]);
  const message = GetResp.read(array);
  const lease = message.valField.lease()!;
  assert.deepEqual(
    debugging.leaks().map(leak => leak.what),
    ['contract.GetResp', 'a lease of 0 bytes'],
  );
  assert.match(debugging.leaks()[0]!.stack, /memory\.test/);
  lease.free();
  message.release();
  assert.deepEqual(debugging.leaks(), []);
  array.free();
  assertBalanced(pool);
});
