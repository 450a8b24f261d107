// The store behind the object protocol: keys, each with a value or a list of them, in registered memory. Copied on put; a new value
// takes the old one's place, and nothing is ever written over.

import { heapRegion, type Region, type SlotPool } from '@demikernel/memory';
import { LARGEST_BLOCK_BYTES } from '../arena.ts';
import { KeyHash } from '../key-hash.ts';
import { KeyTable } from '../key-table.ts';
import { equalBytes } from '../store.ts';
import type { Blobs } from './blobs.ts';
import { MAX_KEY_BYTES, STATUS_NO_MEMORY, STATUS_OK, STATUS_TOO_LONG } from './protocol.ts';
import { ValueMemory } from './value-memory.ts';

/*
 * An entry is one block, in one piece whatever slots it goes over:
 *
 *   word 0  hash of the key    1  length of the key    2  number of values    3 …  length of each value
 *   then the key, then the values
 */
const HASH = 0;
const KEY_LENGTH = 1;
const COUNT = 2;
const HEADER_WORDS = 3;
/**
 * Entries that the key table begins with room for. Few: in a table that is mostly empty every look is a miss of the processor's caches,
 * and of its address translation.
 */
const FIRST_ENTRIES = 1024;

/** Key, values and their lengths together are at most so long. */
export const LARGEST_ENTRY_BYTES: number = LARGEST_BLOCK_BYTES;

export interface ObjectStoreOptions {
  pool: SlotPool;
  /** Share of the pool's slots that values may take: the rest is the network's. */
  slotShare: number;
  /** Two random words for the hash. */
  secret: readonly [number, number];
}

export class ObjectStore {
  readonly pool: SlotPool;
  readonly memory: ValueMemory;
  /** Keys looked for that were there, and that were not. */
  hits: number;
  misses: number;
  private readonly table: KeyTable;
  private readonly hash: KeyHash;
  private readonly keyScratch: Region;
  private keyRegion: Region;
  private keyOffset: number;
  private keyLength: number;
  // What the last look found; `block` 0: nothing.
  private foundHash: number;
  private place: number;
  private block: number;

  constructor(options: ObjectStoreOptions) {
    this.pool = options.pool;
    this.memory = new ValueMemory(options.pool, options.slotShare);
    this.hits = 0;
    this.misses = 0;
    this.table = new KeyTable(FIRST_ENTRIES);
    this.hash = new KeyHash(options.secret[0], options.secret[1]);
    this.keyScratch = heapRegion(MAX_KEY_BYTES + 1);
    this.keyRegion = this.keyScratch;
    this.keyOffset = 0;
    this.keyLength = 0;
    this.foundHash = 0;
    this.place = 0;
    this.block = 0;
  }

  /** Keys. */
  get size(): number {
    return this.table.count;
  }

  /** Appends the first value of a key to `into`, or nothing; false when there is no such key. */
  first(keys: Blobs, index: number, into: Blobs): boolean {
    if (!this.find(keys, index)) return false;
    const word = this.block << 4;
    const { words } = this.memory;
    const start = (word + HEADER_WORDS + words[word + COUNT]!) << 2;
    return into.add(start + words[word + KEY_LENGTH]!, words[word + HEADER_WORDS]!);
  }

  /** Appends every value of a key. */
  all(keys: Blobs, index: number, into: Blobs): boolean {
    if (!this.find(keys, index)) return false;
    const word = this.block << 4;
    const { words } = this.memory;
    const count = words[word + COUNT]!;
    let at = ((word + HEADER_WORDS + count) << 2) + words[word + KEY_LENGTH]!;
    for (let i = 0; i < count; i++) {
      const length = words[word + HEADER_WORDS + i]!;
      into.add(at, length);
      at += length;
    }
    return true;
  }

  /** Gives a key values; none at all are one empty value. Returns a status; unless it is `STATUS_OK`, nothing has changed. */
  put(keys: Blobs, index: number, values: Blobs): number {
    const count = values.count === 0 ? 1 : values.count;
    const bytes = ((HEADER_WORDS + count) << 2) + keys.lengths[index]! + values.totalBytes;
    if (keys.lengths[index]! > MAX_KEY_BYTES || bytes > LARGEST_ENTRY_BYTES) return STATUS_TOO_LONG;
    this.look(keys, index);
    const block = this.memory.alloc(bytes);
    if (block < 0) return STATUS_NO_MEMORY;
    this.fill(block, count, values);
    if (this.block === 0) {
      // At most half of the places are taken.
      if (this.table.count * 2 >= this.table.capacity) this.table.grow();
      this.table.insert(this.foundHash, block);
    } else {
      this.table.move(this.place, block);
      this.memory.free(this.block);
    }
    return STATUS_OK;
  }

  private fill(block: number, count: number, values: Blobs): void {
    const { region, words } = this.memory;
    const word = block << 4;
    words[word + HASH] = this.foundHash;
    words[word + KEY_LENGTH] = this.keyLength;
    words[word + COUNT] = count;
    words[word + HEADER_WORDS] = 0;
    for (let i = 0; i < values.count; i++) words[word + HEADER_WORDS + i] = values.lengths[i]!;
    let at = (word + HEADER_WORDS + count) << 2;
    const { keyLength, keyOffset } = this;
    const key = this.keyRegion.bytes;
    for (let i = 0; i < keyLength; i++) region.bytes[at + i] = key[keyOffset + i]!;
    at += keyLength;
    for (let i = 0; i < values.count; i++) at += values.copyTo(i, region, at);
  }

  private find(keys: Blobs, index: number): boolean {
    if (keys.lengths[index]! > MAX_KEY_BYTES) this.block = 0;
    else this.look(keys, index);
    if (this.block === 0) {
      this.misses++;
      return false;
    }
    this.hits++;
    return true;
  }

  private look(keys: Blobs, index: number): void {
    this.keyLength = keys.lengths[index]!;
    if (keys.isWhole(index)) {
      this.keyRegion = keys.region;
      this.keyOffset = keys.offsetOf(index);
    } else {
      // A key that was cut on its way.
      this.keyRegion = this.keyScratch;
      this.keyOffset = 0;
      keys.copyTo(index, this.keyScratch, 0);
    }
    const { keyLength, keyOffset, keyRegion, table } = this;
    const { region, words } = this.memory;
    const hash = this.hash.of(keyRegion, keyOffset, keyLength);
    this.foundHash = hash;
    let place = table.first(hash);
    for (let block = table.blockAt(place); block !== 0; block = table.blockAt(place)) {
      const word = block << 4;
      if (table.hashAt(place) === hash && words[word + KEY_LENGTH] === keyLength) {
        const at = (word + HEADER_WORDS + words[word + COUNT]!) << 2;
        if (equalBytes(region, at, keyRegion, keyOffset, keyLength)) {
          this.place = place;
          this.block = block;
          return;
        }
      }
      place = table.next(place);
    }
    this.block = 0;
  }

  /** Gives the memory back. */
  close(): void {
    this.memory.close();
  }
}
