// Memory for entries: blocks of 64 bytes to 128 KiB out of one stretch, by the buddy system, so that freed memory serves
// every size again. What lies in a block is store.ts's business.

import { heapRegion, type Region } from '@demikernel/memory';

/** log2 of the smallest block. */
const UNIT_SHIFT = 6;
/** The largest block: 64 << 11 bytes. */
const LARGEST_ORDER = 11;
/** Beside the order of a block's first unit: it is free. */
const FREE = 0x80;

/** Bytes of the largest block. */
export const LARGEST_BLOCK_BYTES: number = 1 << (UNIT_SHIFT + LARGEST_ORDER);

/** Memory for an arena that is somebody else's: stretches of {@link LARGEST_BLOCK_BYTES}, by their first units. */
export interface ArenaMemory {
  region: Region;
  blocks: readonly number[];
}

/**
 * Blocks are named by the number of their first unit of 64 bytes; block 0 is never handed out, so that 0 can mean none.
 * A free block carries the numbers of its neighbours in the list of its order in its first two words.
 */
export class Arena {
  readonly region: Region;
  /** The region as words; a block begins at word `block << 4`. */
  readonly words: Int32Array;
  readonly doubles: Float64Array;
  readonly lengthBytes: number;
  /** Bytes in blocks that are in use. */
  usedBytes: number;
  private readonly orders: Uint8Array;
  private readonly heads: Int32Array;
  private untouched: number;
  private readonly units: number;

  /**
   * @param memory how many bytes of its own it has, rounded down to whole largest blocks, at least two: the system commits pages as
   *   they are used; or another's memory
   */
  constructor(memory: number | ArenaMemory) {
    const own = typeof memory === 'number';
    const blocks = own ? Math.max(2, Math.floor(memory / LARGEST_BLOCK_BYTES)) : memory.blocks.length;
    this.lengthBytes = blocks * LARGEST_BLOCK_BYTES;
    this.region = own ? heapRegion(this.lengthBytes) : memory.region;
    this.words = new Int32Array(this.region.buffer);
    this.doubles = new Float64Array(this.region.buffer);
    this.units = this.region.lengthBytes >> UNIT_SHIFT;
    this.orders = new Uint8Array(this.units);
    this.heads = new Int32Array(LARGEST_ORDER + 1);
    this.untouched = own ? 0 : this.units;
    this.usedBytes = 0;
    if (own) {
      // Unit 0 is taken for good.
      this.alloc(1);
      this.usedBytes = 0;
    } else for (const block of memory.blocks) if (block !== 0) this.link(block, LARGEST_ORDER);
  }

  /** How many blocks there can be at most. */
  get capacity(): number {
    return this.lengthBytes >> UNIT_SHIFT;
  }

  /** The order of the smallest block for so many bytes: at most {@link LARGEST_BLOCK_BYTES}. */
  orderFor(bytes: number): number {
    return bytes <= 1 << UNIT_SHIFT ? 0 : 32 - Math.clz32(bytes - 1) - UNIT_SHIFT;
  }

  /** The order of a block in use. */
  orderOf(block: number): number {
    return this.orders[block]!;
  }

  /** A block of at least `bytes` bytes, at most {@link LARGEST_BLOCK_BYTES}; -1 when there is none. */
  alloc(bytes: number): number {
    const order = this.orderFor(bytes);
    let found = order;
    while (found <= LARGEST_ORDER && this.heads[found] === 0) found++;
    let block: number;
    if (found <= LARGEST_ORDER) {
      // A list's head is the block's number; block 0 is in use from the start.
      block = this.heads[found]!;
      this.unlink(block, found);
    } else {
      if (this.untouched === this.units) return -1;
      block = this.untouched;
      this.untouched += 1 << LARGEST_ORDER;
      found = LARGEST_ORDER;
    }
    while (found > order) {
      found--;
      this.link(block + (1 << found), found);
    }
    this.orders[block] = order;
    this.usedBytes += 1 << (order + UNIT_SHIFT);
    return block;
  }

  free(block: number): void {
    let order = this.orders[block]!;
    this.usedBytes -= 1 << (order + UNIT_SHIFT);
    let first = block;
    while (order < LARGEST_ORDER) {
      const buddy = first ^ (1 << order);
      if (this.orders[buddy] !== (FREE | order)) break;
      this.unlink(buddy, order);
      first &= ~(1 << order);
      order++;
    }
    this.link(first, order);
  }

  private link(block: number, order: number): void {
    const { heads, words } = this;
    const next = heads[order]!;
    words[block << 4] = next;
    words[(block << 4) + 1] = 0;
    if (next !== 0) words[(next << 4) + 1] = block;
    heads[order] = block;
    this.orders[block] = FREE | order;
  }

  private unlink(block: number, order: number): void {
    const { heads, words } = this;
    const next = words[block << 4]!;
    const previous = words[(block << 4) + 1]!;
    if (previous === 0) heads[order] = next;
    else words[previous << 4] = next;
    if (next !== 0) words[(next << 4) + 1] = previous;
  }
}
