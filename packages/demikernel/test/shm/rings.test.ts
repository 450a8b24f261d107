// The rings of shared memory by themselves: what goes in comes out, by reference, and comes back; and what a ring says to
// indices and descriptors that cannot be.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { heapRegion, type Region, type Slice, SlotPool } from '@demikernel/memory';
import { SeededRandom } from '../../src/runtime/random.ts';
import {
  blockWords,
  connectionBytes,
  DESCRIPTORS,
  FLAG_LAP,
  FLAG_MORE,
  RETURN_LAP,
  returnedAt,
  STATE,
  STATE_ENDED,
} from '../../src/shm/layout.ts';
import { ReceiveRing } from '../../src/shm/receive-ring.ts';
import { SendRing, VIOLATED } from '../../src/shm/send-ring.ts';

const CAPACITY = 8;
const SLOT_BYTES = 256;
const SLOTS = 16;

class Pair {
  readonly words: Int32Array;
  readonly region: Region;
  readonly pool: SlotPool;
  readonly sender: SendRing;
  readonly answerPool: SlotPool;
  readonly receiver: ReceiveRing;
  /** The receiver's own way back, and where it ends. */
  readonly back: ReceiveRing;
  readonly answers: SendRing;
  returns: number;

  constructor(capacity: number = CAPACITY) {
    this.words = new Int32Array(connectionBytes(capacity) >> 2);
    this.region = heapRegion(SLOTS * SLOT_BYTES);
    this.pool = new SlotPool(this.region, { slotSizeBytes: SLOT_BYTES, headroomBytes: 0 });
    const block = blockWords(capacity);
    this.returns = 0;
    this.sender = new SendRing({ words: this.words, ownAt: 0, peerAt: block, capacity }, this.pool);
    this.answerPool = new SlotPool(heapRegion(SLOTS * SLOT_BYTES), {
      slotSizeBytes: SLOT_BYTES,
      headroomBytes: 0,
    });
    this.answers = new SendRing({ words: this.words, ownAt: block, peerAt: 0, capacity }, this.answerPool);
    this.receiver = new ReceiveRing(
      { words: this.words, ownAt: block, peerAt: 0, capacity },
      { region: this.region, listener: { slotsReturned: () => void this.returns++ }, sender: this.answers },
    );
    this.back = new ReceiveRing(
      { words: this.words, ownAt: 0, peerAt: block, capacity },
      { region: this.answerPool.region, listener: { slotsReturned: () => {} }, sender: this.sender },
    );
  }

  send(byte: number, length = 10, flags = 0): void {
    const slot = this.pool.allocSlot();
    this.region.bytes[this.pool.slotOffset(slot)] = byte;
    this.sender.put(slot, this.pool.slotOffset(slot), length, flags);
  }
}

describe('shared-memory rings', () => {
  test('what is put is seen when it is published, in order, by reference', () => {
    const pair = new Pair();
    pair.send(1);
    pair.send(2, 20, FLAG_MORE);
    assert.equal(pair.receiver.ready, false);
    assert.equal(pair.sender.publish(), true);
    assert.equal(pair.sender.publish(), false);
    assert.equal(pair.receiver.ready, true);
    const first = pair.receiver.next()!;
    assert.equal(pair.receiver.more, false);
    assert.equal(pair.receiver.ready, true);
    const second = pair.receiver.next()!;
    assert.equal(pair.receiver.more, true);
    assert.equal(pair.receiver.ready, false);
    assert.deepEqual([first.length, second.length], [10, 20]);
    assert.deepEqual([first.bytes()[0], second.bytes()[0]], [1, 2]);
    assert.equal(first.bytes().buffer, pair.region.buffer);
    assert.equal(first.exclusive, false, 'lent memory is never ours to write');
    first.release();
    second.release();
  });

  test('a slot is free when its last slice is released and the return published', () => {
    const pair = new Pair();
    pair.send(1);
    pair.sender.publish();
    assert.ok(pair.receiver.ready);
    const slice = pair.receiver.next()!;
    const part = slice.sub(2, 3);
    slice.release();
    assert.equal(pair.returns, 0);
    part.release();
    assert.equal(pair.returns, 1);
    assert.equal(pair.sender.hasReturns(), false);
    assert.equal(pair.receiver.publish(true), true);
    assert.equal(pair.sender.takeReturns(), 1);
    assert.equal(pair.pool.freeSlots, SLOTS);
    assert.equal(pair.sender.inFlightBytes, 0);
  });

  test('slots come back in any order, however often the rings go round', () => {
    const pair = new Pair();
    const random = new SeededRandom(3);
    const held: { byte: number; release: () => void }[] = [];
    let sent = 0;
    let received = 0;
    for (let step = 0; step < 20_000; step++) {
      const what = random.below(3);
      if (what === 0 && pair.sender.free > 0) {
        pair.send(sent++ & 255, 1);
        if (random.below(2) === 0 || pair.sender.free === 0) pair.sender.publish();
      } else if (what === 1 && pair.receiver.ready) {
        const slice = pair.receiver.next()!;
        assert.equal(slice.bytes()[0], received++ & 255);
        held.push({ byte: slice.bytes()[0]!, release: () => slice.release() });
      } else if (held.length > 0) {
        held.splice(random.below(held.length), 1)[0]!.release();
        pair.receiver.publish(true);
        assert.notEqual(pair.sender.takeReturns(), VIOLATED);
      }
    }
    assert.ok(received > 1000);
    for (const each of held) each.release();
    pair.receiver.publish(true);
    pair.sender.reclaim();
    assert.equal(pair.pool.freeSlots, SLOTS);
  });

  test('what is put later is not seen before it is published, lap after lap', () => {
    const pair = new Pair();
    for (let lap = 0; lap < 5; lap++) {
      for (let put = 0; put < CAPACITY; put++) pair.send(put);
      assert.equal(pair.receiver.ready, false);
      pair.sender.publish();
      for (let put = 0; put < CAPACITY; put++) {
        assert.ok(pair.receiver.ready);
        const slice = pair.receiver.next()!;
        assert.equal(slice.bytes()[0], put);
        slice.release();
      }
      assert.equal(pair.receiver.ready, false);
      assert.equal(pair.sender.hasReturns(), false);
      pair.receiver.publish(true);
      assert.equal(pair.sender.takeReturns(), CAPACITY);
      assert.equal(pair.sender.hasReturns(), false);
    }
  });

  test('indices run through the end of int32', () => {
    const pair = new Pair();
    // The start of a lap whose marks are those of fresh memory.
    const near = 0x7fff_fff0;
    Object.assign(pair.sender, { sent: near, published: near, returned: near });
    Object.assign(pair.receiver, { received: near, returned: near, published: near });
    for (let i = 0; i < 30; i++) {
      pair.send(i);
      pair.sender.publish();
      assert.ok(pair.receiver.ready);
      const slice = pair.receiver.next()!;
      assert.equal(slice.bytes()[0], i);
      slice.release();
      pair.receiver.publish(true);
      assert.equal(pair.sender.takeReturns(), 1);
    }
    assert.ok((pair.sender as unknown as { sent: number }).sent < 0);
  });

  test('reclaim takes back everything that is on its way', () => {
    const pair = new Pair();
    for (let i = 0; i < 5; i++) pair.send(i);
    pair.sender.publish();
    pair.sender.reclaim();
    assert.equal(pair.pool.freeSlots, SLOTS);
    assert.equal(pair.sender.free, CAPACITY);
  });

  test('a state is seen no earlier than what was put before it', () => {
    const pair = new Pair();
    pair.send(1);
    pair.sender.publishState(STATE_ENDED);
    assert.equal(pair.receiver.peerState, STATE_ENDED);
    assert.equal(pair.receiver.ready, true);
    assert.equal(pair.words[STATE], STATE_ENDED);
  });

  /** Sends a slot there, and gives the receiver's slice of it. */
  const lend = (pair: Pair, byte: number, length: number): Slice => {
    pair.send(byte, length);
    pair.sender.publish();
    assert.ok(pair.receiver.ready);
    return pair.receiver.next()!;
  };

  test('what was lent goes back as it is, and is its owner’s again at once', () => {
    const pair = new Pair();
    for (let round = 0; round < 3 * CAPACITY; round++) {
      const lent = lend(pair, round, 10);
      pair.answers.putBack(lent.slot, lent.offset + 2, 8, 0);
      pair.answers.publish();
      assert.ok(pair.back.ready);
      const slice = pair.back.next()!;
      assert.equal(slice.pool, pair.pool);
      assert.deepEqual([slice.offset, slice.length], [lent.offset + 2, 8]);
      assert.equal(pair.back.lent, 0);
      assert.equal(pair.receiver.unpublished, 0, 'what has been sent back is not free yet');
      pair.back.publish(true);
      assert.equal(pair.answers.takeReturns(), 1);
      pair.receiver.publish(true);
      assert.equal(pair.sender.takeReturns(), 1);
      assert.equal(slice.exclusive, true);
      slice.release();
      assert.equal(pair.pool.freeSlots, SLOTS);
    }
  });

  test('what was lent and is on its way back is the peer’s again when that dies', () => {
    const pair = new Pair();
    const lent = lend(pair, 1, 10);
    pair.answers.putBack(lent.slot, lent.offset, 10, 0);
    assert.equal(pair.back.bringsOurs(), false);
    pair.answers.publish();
    assert.equal(pair.back.bringsOurs(), true);
    pair.answers.reclaim();
    assert.equal(pair.receiver.lent, 0);
    pair.sender.reclaim();
    assert.equal(pair.pool.freeSlots, SLOTS);
  });

  const FALSE_ANSWERS: Record<string, (pair: Pair, lent: Slice) => void> = {
    'what is not on its way': ({ answers }, lent) => answers.putBack(lent.slot - 1, lent.offset, 10, 0),
    'an id that is none': ({ answers }, lent) => answers.putBack(CAPACITY, lent.offset, 10, 0),
    'bytes before those that were sent': ({ answers }, lent) =>
      answers.putBack(lent.slot, lent.offset - 1, 10, 0),
    'bytes behind those that were sent': ({ answers }, lent) =>
      answers.putBack(lent.slot, lent.offset, 11, 0),
    'fewer than no bytes': ({ answers }, lent) => answers.putBack(lent.slot, lent.offset + 1, -1, 0),
    'an offset and a length whose sum wraps': ({ answers }, lent) =>
      answers.putBack(lent.slot, 0x7fff_ffff, 0x7fff_ffff, 0),
  };
  for (const [name, lie] of Object.entries(FALSE_ANSWERS)) {
    test(`receiving: ${name}, sent back, is a violation`, () => {
      const pair = new Pair();
      const lent = lend(pair, 1, 10);
      lie(pair, lent);
      pair.answers.publish();
      assert.ok(pair.back.ready);
      assert.equal(pair.back.next(), undefined);
      assert.equal(pair.back.violated, true);
      pair.sender.reclaim();
      assert.equal(pair.pool.freeSlots, SLOTS);
    });
  }

  test('receiving: what the peer itself has lent is not ours, whoever sends it back', () => {
    const pair = new Pair();
    const lent = lend(pair, 1, 10);
    // There and back, and there once more: the id on its way names the sender's memory.
    pair.answers.putBack(lent.slot, lent.offset, 10, 0);
    pair.answers.publish();
    assert.equal(pair.answers.sliceOnItsWay(CAPACITY - 1, lent.offset, 10), undefined);
  });

  const descriptor = (index: number): number => DESCRIPTORS + index * 4;
  const LIES: Record<string, (words: Int32Array) => void> = {
    'a flag that is none': words => void (words[descriptor(0) + 3] = FLAG_LAP | 8),
    'negative flags': words => void (words[descriptor(0) + 3] = -1),
    'an id that is none': words => void (words[descriptor(0)] = CAPACITY),
    'a negative id': words => void (words[descriptor(0)] = -1),
    'an offset outside': words => void (words[descriptor(0) + 1] = SLOTS * SLOT_BYTES),
    'a negative offset': words => void (words[descriptor(0) + 1] = -4),
    'a length that reaches outside': words => void (words[descriptor(0) + 2] = SLOTS * SLOT_BYTES + 1),
    'a negative length': words => void (words[descriptor(0) + 2] = -1),
    'offset and length whose sum wraps': words => {
      words[descriptor(0) + 1] = 0x7fff_ffff;
      words[descriptor(0) + 2] = 0x7fff_ffff;
    },
  };
  for (const [name, lie] of Object.entries(LIES)) {
    test(`receiving: ${name} is a violation`, () => {
      const pair = new Pair();
      pair.send(1);
      pair.sender.publish();
      lie(pair.words);
      if (pair.receiver.ready) assert.equal(pair.receiver.next(), undefined);
      assert.equal(pair.receiver.violated, true);
      assert.equal(pair.receiver.ready, false);
      assert.equal(pair.receiver.lent, 0);
    });
  }

  test('receiving: an id that is lent already is a violation', () => {
    const pair = new Pair();
    pair.send(1);
    pair.send(2);
    pair.sender.publish();
    pair.words[descriptor(1)] = pair.words[descriptor(0)]!;
    assert.ok(pair.receiver.ready);
    const slice = pair.receiver.next()!;
    assert.ok(pair.receiver.ready);
    assert.equal(pair.receiver.next(), undefined);
    assert.equal(pair.receiver.violated, true);
    slice.release();
  });

  const block = blockWords(CAPACITY);
  const returnAt = (index: number): number => block + returnedAt(CAPACITY) + index;
  const returned = (id: number): number => (id << 1) | RETURN_LAP;
  const FALSE_RETURNS: Record<string, (words: Int32Array) => void> = {
    'what was not sent': words => void (words[returnAt(0)] = returned(CAPACITY - 3)),
    'an id that is none': words => void (words[returnAt(0)] = returned(CAPACITY)),
    'a negative id': words => void (words[returnAt(0)] = returned(-1)),
    'the same id twice': words => {
      words[returnAt(0)] = returned(words[descriptor(0)]!);
      words[returnAt(1)] = words[returnAt(0)]!;
    },
    'more than was sent': words => {
      for (let i = 0; i < CAPACITY; i++) words[returnAt(i)] = returned(CAPACITY - 1 - i);
    },
  };
  for (const [name, lie] of Object.entries(FALSE_RETURNS)) {
    test(`sending: giving back ${name} is a violation, and no slot is lost`, () => {
      const pair = new Pair();
      pair.send(1);
      pair.send(2);
      pair.sender.publish();
      lie(pair.words);
      assert.equal(pair.sender.takeReturns(), VIOLATED);
      pair.sender.reclaim();
      assert.equal(pair.pool.freeSlots, SLOTS);
    });
  }
});
