// An open-addressed table from two int32 keys to an object: flows, bound ports, neighbours, routes. No strings, no Map.

import { KeyedHash } from './keyed-hash.ts';

/**
 * Linear probing at a load of at most one half; deletion moves entries back, so that no tombstones slow later probes.
 *
 * `get` allocates nothing. `set` may double the table.
 */
export class FlowTable<T> {
  /** Entries in the table. */
  count: number;
  private readonly hash: KeyedHash;
  private mask: number;
  private keys: Int32Array;
  private values: (T | undefined)[];

  /** @param secret a random int32 @param capacity entries to begin with room for */
  constructor(secret: number, capacity = 16) {
    let size = 32;
    while (size < capacity * 2) size *= 2;
    this.count = 0;
    this.hash = new KeyedHash(secret, ~secret);
    this.mask = size - 1;
    this.keys = new Int32Array(size * 2);
    this.values = new Array<T | undefined>(size).fill(undefined);
  }

  get(a: number, b: number): T | undefined {
    const mask = this.mask;
    const keys = this.keys;
    const values = this.values;
    let index = this.hash.pair(a, b) & mask;
    for (;;) {
      const value = values[index];
      if (value === undefined) return undefined;
      if (keys[index * 2] === a && keys[index * 2 + 1] === b) return value;
      index = (index + 1) & mask;
    }
  }

  /** Adds or replaces the value of a key. */
  set(a: number, b: number, value: T): void {
    if ((this.count + 1) * 2 > this.mask + 1) this.grow();
    const index = this.find(a | 0, b | 0);
    if (this.values[index] === undefined) this.count++;
    this.keys[index * 2] = a;
    this.keys[index * 2 + 1] = b;
    this.values[index] = value;
  }

  /** Takes a key out; false when it is not there. */
  delete(a: number, b: number): boolean {
    const mask = this.mask;
    let hole = this.find(a | 0, b | 0);
    if (this.values[hole] === undefined) return false;
    this.count--;
    // Move back every later entry of the run whose home is not behind the hole (Knuth 6.4, algorithm R).
    for (let index = (hole + 1) & mask; this.values[index] !== undefined; index = (index + 1) & mask) {
      const home = this.hash.pair(this.keys[index * 2]!, this.keys[index * 2 + 1]!) & mask;
      if (((index - home) & mask) < ((index - hole) & mask)) continue;
      this.keys[hole * 2] = this.keys[index * 2]!;
      this.keys[hole * 2 + 1] = this.keys[index * 2 + 1]!;
      this.values[hole] = this.values[index];
      hole = index;
    }
    this.values[hole] = undefined;
    return true;
  }

  /** Calls `visit` for every value; it must not change the table. Not for the packet path. */
  forEach(visit: (value: T) => void): void {
    for (const value of this.values) if (value !== undefined) visit(value);
  }

  /**
   * The first value from a place on that `accept` takes, among `limit` places. With a random `start`, this finds somebody to
   * make room in a time that does not grow with the table.
   */
  findFrom(start: number, limit: number, accept: (value: T) => boolean): T | undefined {
    const { mask, values } = this;
    const places = Math.min(limit, mask + 1);
    for (let i = 0; i < places; i++) {
      const value = values[(start + i) & mask];
      if (value !== undefined && accept(value)) return value;
    }
    return undefined;
  }

  /** Index of a key, or of the empty place where it belongs. */
  private find(a: number, b: number): number {
    let index = this.hash.pair(a, b) & this.mask;
    while (
      this.values[index] !== undefined &&
      (this.keys[index * 2] !== a || this.keys[index * 2 + 1] !== b)
    ) {
      index = (index + 1) & this.mask;
    }
    return index;
  }

  private grow(): void {
    const { keys, values } = this;
    const size = (this.mask + 1) * 2;
    this.mask = size - 1;
    this.keys = new Int32Array(size * 2);
    this.values = new Array<T | undefined>(size).fill(undefined);
    for (let i = 0; i < values.length; i++) {
      if (values[i] === undefined) continue;
      const index = this.find(keys[i * 2]!, keys[i * 2 + 1]!);
      this.keys[index * 2] = keys[i * 2]!;
      this.keys[index * 2 + 1] = keys[i * 2 + 1]!;
      this.values[index] = values[i];
    }
  }
}
