// A peer that writes anything anywhere, against both halves of a ring and nothing else, so that many operations fit into a
// second. liboses/catmem-hostile.test.ts does the same to a whole connection. CATMEM_SCRIBBLES, CATMEM_SEED.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { heapRegion, type Region, type Slice, SlotPool } from '@demikernel/memory';
import { SeededRandom } from '../../src/runtime/random.ts';
import {
  blockWords,
  connectionBytes,
  DESCRIPTORS,
  ID_BITS,
  returnedAt,
  STATE,
  WINDOW_BYTES,
} from '../../src/shm/layout.ts';
import { ReceiveRing } from '../../src/shm/receive-ring.ts';
import { SendRing, VIOLATED } from '../../src/shm/send-ring.ts';

const SCRIBBLES = Number(process.env['CATMEM_SCRIBBLES'] ?? 200_000);
const SEED = Number(process.env['CATMEM_SEED'] ?? 20261123);
const CAPACITY = 16;
const SLOT_BYTES = 256;
const SLOTS = 64;
const BLOCK: number = blockWords(CAPACITY);
/** The words that are looked at most. */
const PLACES: readonly number[] = [
  STATE,
  WINDOW_BYTES,
  ...Array.from({ length: 16 }, (_, i) => DESCRIPTORS + i),
  ...Array.from({ length: 8 }, (_, i) => returnedAt(CAPACITY) + i),
];

/** The side that must hold out: it sends, receives, and is lied to. */
class Victim {
  readonly words: Int32Array;
  readonly sender: SendRing;
  readonly receiver: ReceiveRing;
  private readonly pool: SlotPool;
  private readonly held: Slice[];
  broken: boolean;
  /** Slices of ours that the peer has sent back. */
  cameBack: number;

  constructor(pool: SlotPool, peerRegion: Region) {
    this.words = new Int32Array(connectionBytes(CAPACITY) >> 2);
    const place = { words: this.words, ownAt: 0, peerAt: BLOCK, capacity: CAPACITY };
    this.pool = pool;
    this.sender = new SendRing(place, pool);
    this.receiver = new ReceiveRing(place, {
      region: peerRegion,
      listener: { slotsReturned: () => {} },
      sender: this.sender,
    });
    this.held = [];
    this.broken = false;
    this.cameBack = 0;
  }

  step(random: SeededRandom): void {
    const { sender, receiver, held } = this;
    if (sender.free > 0 && random.below(2) === 0) {
      const slot = this.pool.allocSlot();
      if (slot >= 0) sender.put(slot, this.pool.slotOffset(slot), random.below(SLOT_BYTES), 0);
      sender.publish();
    }
    if (sender.hasReturns() && sender.takeReturns() === VIOLATED) this.broken = true;
    assert.ok(sender.windowBytes >= 0);
    for (let most = 4; most > 0 && receiver.ready; most--) {
      const slice = receiver.next();
      if (slice === undefined) break;
      const { offset, length } = slice;
      assert.ok(offset >= 0 && length >= 0 && offset + length <= slice.pool.region.lengthBytes);
      held.push(slice);
      if (slice.pool === this.pool) this.cameBack++;
    }
    if (receiver.violated) this.broken = true;
    const lent = held.filter(slice => slice.pool === receiver.pool).length;
    assert.ok(receiver.lent >= lent && receiver.lent <= CAPACITY);
    if (held.length > 0 && sender.free > 0 && random.below(4) === 0) {
      // Back to whom it came from, if it is lent.
      const slice = held[random.below(held.length)]!;
      if (slice.pool === receiver.pool) {
        slice.pool.retain(slice.slot);
        sender.putBack(slice.slot, slice.offset, slice.length, 0);
        sender.publish();
      }
    }
    if (held.length > 0 && random.below(2) === 0) {
      held.splice(random.below(held.length), 1)[0]!.release();
      receiver.publish(true);
    }
  }

  end(): void {
    for (const slice of this.held) slice.release();
    this.held.length = 0;
    this.sender.reclaim();
    assert.equal(this.receiver.lent, 0);
    assert.equal(this.sender.inFlightBytes, 0);
  }
}

/** Mostly what a peer could mean, sometimes anything. */
function scribble(words: Int32Array, random: SeededRandom): void {
  const side = random.below(10) === 0 ? 0 : BLOCK;
  const at = side + (random.below(6) === 0 ? random.below(BLOCK) : PLACES[random.below(PLACES.length)]!);
  const old = words[at]!;
  switch (random.below(8)) {
    case 0:
      words[at] = random.int32();
      break;
    case 1:
      words[at] = old - 1;
      break;
    case 2:
      words[at] = random.below(SLOTS * SLOT_BYTES * 2);
      break;
    case 3:
      words[at] = random.below(CAPACITY);
      break;
    case 4:
      words[at] = random.below(CAPACITY) | (random.below(CAPACITY) << ID_BITS);
      break;
    default:
      words[at] = old + 1;
  }
}

test(`rings: ${SCRIBBLES} scribbles`, { timeout: 600_000 }, () => {
  const random = new SeededRandom(SEED);
  const pool = new SlotPool(heapRegion(SLOTS * SLOT_BYTES), { slotSizeBytes: SLOT_BYTES, headroomBytes: 0 });
  const peerRegion = heapRegion(SLOTS * SLOT_BYTES);
  let victims = 0;
  let cameBack = 0;
  let victim = new Victim(pool, peerRegion);
  for (let i = 0; i < SCRIBBLES; i++) {
    scribble(victim.words, random);
    victim.step(random);
    if (!victim.broken) continue;
    victim.end();
    cameBack += victim.cameBack;
    assert.equal(pool.freeSlots, SLOTS, `a slot is missing after ${i} scribbles`);
    victim = new Victim(pool, peerRegion);
    victims++;
  }
  victim.end();
  assert.equal(pool.freeSlots, SLOTS);
  assert.ok(cameBack > 0, 'nothing was sent back');
  assert.ok(victims > 0 && victims < SCRIBBLES, `${victims} connections`);
});
