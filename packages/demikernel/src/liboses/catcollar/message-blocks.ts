// Message headers, vectors and addresses in native memory, one block per request that needs them, taken and given back.

import type { ScatterGatherArray, SlotPool } from '@demikernel/memory';
import {
  type Address,
  addressOf,
  type MemoryMap,
  mapAnonymous,
  SocketAddress as NativeAddress,
  SOCKET_ADDRESS_BLOCK_BYTES,
} from '@demikernel/native/kernel';

/**
 * Vectors of one block: a stream sends the rest with the next request. Enough for a burst of messages of many pieces: with 64, the
 * requests they took cost more than copying the pieces would have.
 */
export const VECTORS_PER_BLOCK = 256;

// struct msghdr, 56 bytes: name@0 namelen@8 iov@16 iovlen@24 control@32 controllen@40 flags@48, as 32-bit words.
const NAME_WORD = 0;
const NAME_LENGTH_WORD = 2;
const VECTORS_WORD = 4;
const COUNT_WORD = 6;
const NAME_OFFSET = 64;
const VECTORS_OFFSET: number = (NAME_OFFSET + SOCKET_ADDRESS_BLOCK_BYTES + 15) & ~15;
const BLOCK_BYTES: number = VECTORS_OFFSET + VECTORS_PER_BLOCK * 16;
const TWO_TO_32 = 2 ** 32;

/** The blocks of one library OS. */
export class MessageBlocks {
  /** Native address of block 0, in halves as int32; the others follow at {@link offset}. */
  readonly baseLow: number;
  readonly baseHigh: number;
  readonly #base: Address;
  /** By pool: where its region lies. The two pools of one library OS, then whatever a Gatherable brings. */
  readonly #poolBase: Address;
  readonly poolLow: number;
  readonly poolHigh: number;
  readonly pool: SlotPool;
  private readonly map: MemoryMap;
  private readonly words: Int32Array;
  private readonly names: (NativeAddress | undefined)[];
  private readonly free: Int32Array;
  private freeCount: number;
  /** What the last {@link point} pointed at. */
  pointedBytes: number;

  constructor(pool: SlotPool, capacity: number) {
    this.map = mapAnonymous({ lengthBytes: capacity * BLOCK_BYTES });
    this.#base = this.map.addressNumber;
    this.baseLow = this.#base | 0;
    this.baseHigh = Math.floor(this.#base / TWO_TO_32);
    this.#poolBase = Number(pool.region.address);
    this.poolLow = this.#poolBase | 0;
    this.poolHigh = Math.floor(this.#poolBase / TWO_TO_32);
    this.pool = pool;
    this.words = this.map.signedWords(0, this.map.lengthBytes >> 2);
    this.names = new Array<NativeAddress | undefined>(capacity).fill(undefined);
    this.free = new Int32Array(capacity);
    for (let i = 0; i < capacity; i++) {
      this.free[i] = capacity - 1 - i;
      this.setPointer(i, VECTORS_WORD, VECTORS_OFFSET);
    }
    this.freeCount = capacity;
    this.pointedBytes = 0;
  }

  /** Where a block's header begins, behind {@link base}. */
  offset(block: number): number {
    return block * BLOCK_BYTES;
  }

  /** A block without a name, or -1 when all are in use. */
  take(): number {
    if (this.freeCount === 0) return -1;
    const block = this.free[--this.freeCount]!;
    const at = this.offset(block) >> 2;
    this.words[at + NAME_WORD] = 0;
    this.words[at + NAME_WORD + 1] = 0;
    this.words[at + NAME_LENGTH_WORD] = 0;
    this.words[at + COUNT_WORD] = 0;
    return block;
  }

  release(block: number): void {
    this.free[this.freeCount++] = block;
  }

  /** The block's address, which is part of the message from {@link useName} on. */
  name(block: number): NativeAddress {
    let name = this.names[block];
    if (name === undefined) {
      name = new NativeAddress({ map: this.map, offsetBytes: this.offset(block) + NAME_OFFSET });
      this.names[block] = name;
    }
    return name;
  }

  /** Where a block's address begins, behind {@link base}. */
  nameOffset(block: number): number {
    return this.offset(block) + NAME_OFFSET;
  }

  useName(block: number): void {
    this.setPointer(block, NAME_WORD, NAME_OFFSET);
    this.words[(this.offset(block) >> 2) + NAME_LENGTH_WORD] = this.name(block).lengthBytes;
  }

  setCount(block: number, vectors: number): void {
    this.words[(this.offset(block) >> 2) + COUNT_WORD] = vectors;
  }

  /**
   * Points vectors from `first` on at the bytes of `array` behind its first `skipBytes`, as many as there is room for.
   * Returns the vectors in use after it; how many bytes they hold is in {@link pointedBytes}.
   */
  point(block: number, first: number, array: ScatterGatherArray, skipBytes: number): number {
    let skip = skipBytes;
    let vectors = first;
    let pointed = 0;
    for (let i = 0; i < array.count && vectors < VECTORS_PER_BLOCK; i++) {
      const slice = array.segments[i]!;
      const length = slice.length - skip;
      if (length <= 0) {
        skip -= slice.length;
        continue;
      }
      const at = (this.offset(block) + VECTORS_OFFSET + vectors * 16) >> 2;
      const address = this.baseOf(slice.pool) + slice.offset + skip;
      this.words[at] = address;
      this.words[at + 1] = address / TWO_TO_32;
      this.words[at + 2] = length;
      this.words[at + 3] = 0;
      skip = 0;
      vectors++;
      pointed += length;
    }
    this.pointedBytes = pointed;
    return vectors;
  }

  /** Where the region of a slice's pool lies in memory. */
  baseOf(pool: SlotPool): Address {
    if (pool === this.pool) return this.#poolBase;
    const { region } = pool;
    return region.address === 0n ? addressOf(region.bytes) : Number(region.address);
  }

  private setPointer(block: number, word: number, offset: number): void {
    const at = (this.offset(block) >> 2) + word;
    const address = this.#base + this.offset(block) + offset;
    this.words[at] = address;
    this.words[at + 1] = address / TWO_TO_32;
  }

  close(): void {
    this.map.release();
  }
}
