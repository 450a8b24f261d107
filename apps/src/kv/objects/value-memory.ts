// Memory for values that are sent from where they lie: whole stretches of the device's slots, taken at the start, in blocks of every
// size. A block is used again only when no message under way refers to its slots.

import type { Region, SlotPool } from '@demikernel/memory';
import { Arena, LARGEST_BLOCK_BYTES } from '../arena.ts';

/** Blocks that wait for messages under way and are looked at again per allocation. */
const LOOKS = 4;
const FIRST_WAITING = 256;

export class ValueMemory {
  readonly region: Region;
  /** Its words: a block begins at word `block << 4`. */
  readonly words: Int32Array;
  readonly lengthBytes: number;
  private readonly pool: SlotPool;
  private readonly arena: Arena;
  /** Blocks given back that messages under way still refer to: a ring. */
  private waiting: Int32Array;
  private waitingHead: number;
  private waitingCount: number;
  private readonly slots: number[];

  /** @param share of the pool's slots that it may take */
  constructor(pool: SlotPool, share: number) {
    this.pool = pool;
    this.slots = [];
    const blocks = takeStretches(pool, Math.floor(pool.slotCount * share), this.slots);
    this.arena = new Arena({ region: pool.region, blocks });
    this.region = pool.region;
    this.words = this.arena.words;
    this.lengthBytes = this.arena.lengthBytes;
    this.waiting = new Int32Array(FIRST_WAITING);
    this.waitingHead = 0;
    this.waitingCount = 0;
  }

  get usedBytes(): number {
    return this.arena.usedBytes;
  }

  /** A block of at least `bytes` bytes, at most `LARGEST_BLOCK_BYTES`; -1 when there is none. */
  alloc(bytes: number): number {
    if (this.waitingCount !== 0) this.look(LOOKS);
    const block = this.arena.alloc(bytes);
    if (block >= 0 || this.waitingCount === 0) return block;
    this.look(this.waitingCount);
    return this.arena.alloc(bytes);
  }

  /** Gives a block back; what is being sent of it stays as it is. */
  free(block: number): void {
    if (this.isQuiet(block)) this.arena.free(block);
    else this.wait(block);
  }

  /** Whether nobody but this refers to a block's slots. */
  private isQuiet(block: number): boolean {
    const { references, slotShift } = this.pool;
    const first = block << 6;
    const last = first + (64 << this.arena.orderOf(block)) - 1;
    for (let slot = first >> slotShift; slot <= last >> slotShift; slot++) {
      if (references[slot] !== 1) return false;
    }
    return true;
  }

  private wait(block: number): void {
    const { length } = this.waiting;
    if (this.waitingCount === length) {
      const longer = new Int32Array(length * 2);
      for (let i = 0; i < length; i++) longer[i] = this.waiting[(this.waitingHead + i) & (length - 1)]!;
      this.waiting = longer;
      this.waitingHead = 0;
    }
    this.waiting[(this.waitingHead + this.waitingCount) & (this.waiting.length - 1)] = block;
    this.waitingCount++;
  }

  private look(count: number): void {
    for (let i = count < this.waitingCount ? count : this.waitingCount; i > 0; i--) {
      const block = this.waiting[this.waitingHead]!;
      this.waitingHead = (this.waitingHead + 1) & (this.waiting.length - 1);
      this.waitingCount--;
      this.free(block);
    }
  }

  /** Gives the slots back; those that are being sent follow when they have been. */
  close(): void {
    for (const slot of this.slots) this.pool.release(slot);
    this.slots.length = 0;
  }
}

/** Takes at most `count` slots, keeps those that form whole aligned stretches, and returns these stretches as arena blocks. */
function takeStretches(pool: SlotPool, count: number, kept: number[]): number[] {
  const taken: number[] = [];
  while (taken.length < count) {
    const slot = pool.allocSlot();
    if (slot < 0) break;
    taken.push(slot);
  }
  const have = new Uint8Array(pool.slotCount);
  for (const slot of taken) have[slot] = 1;
  const slotsPer = Math.max(1, LARGEST_BLOCK_BYTES >> pool.slotShift);
  const blocks: number[] = [];
  // Block 0 means none to an arena.
  for (let first = slotsPer; first + slotsPer <= pool.slotCount; first += slotsPer) {
    if (have.subarray(first, first + slotsPer).includes(0)) continue;
    blocks.push((first << pool.slotShift) >> 6);
    have.fill(2, first, first + slotsPer);
  }
  for (const slot of taken) {
    if (have[slot] === 2) kept.push(slot);
    else pool.release(slot);
  }
  return blocks;
}
