// The key table: from a key's bytes to the arena block of its entry. Open addressing with linear probing; it grows only when it is
// told to, so that who sizes it once has no insertion wait for that.

/** Pairs of hash and block; block 0 is an empty place. A place is an index of pairs. */
export class KeyTable {
  count: number;
  capacity: number;
  private pairs: Int32Array;
  private mask: number;

  /** @param entries how many there will be at most; half of the places stay empty. */
  constructor(entries: number) {
    this.capacity = 1 << (33 - Math.clz32(Math.max(entries, 8) - 1));
    this.mask = this.capacity - 1;
    this.pairs = new Int32Array(this.capacity * 2);
    this.count = 0;
  }

  /** Where a search for `hash` begins. */
  first(hash: number): number {
    return hash & this.mask;
  }

  next(place: number): number {
    return (place + 1) & this.mask;
  }

  hashAt(place: number): number {
    return this.pairs[place << 1]!;
  }

  /** The block at a place; 0 ends a search. */
  blockAt(place: number): number {
    return this.pairs[(place << 1) + 1]!;
  }

  /** Adds an entry that is not there. Returns its place. */
  insert(hash: number, block: number): number {
    let place = hash & this.mask;
    while (this.pairs[(place << 1) + 1] !== 0) place = (place + 1) & this.mask;
    this.pairs[place << 1] = hash;
    this.pairs[(place << 1) + 1] = block;
    this.count++;
    return place;
  }

  /** Makes room for four times as many entries. Places change. Takes some 10 ns for each entry. */
  grow(): void {
    const { capacity, pairs } = this;
    this.capacity = capacity * 4;
    this.mask = this.capacity - 1;
    this.pairs = new Int32Array(this.capacity * 2);
    this.count = 0;
    for (let i = 0; i < capacity; i++) {
      const block = pairs[(i << 1) + 1]!;
      if (block !== 0) this.insert(pairs[i << 1]!, block);
    }
  }

  /** The entry at a place has moved to another block. */
  move(place: number, block: number): void {
    this.pairs[(place << 1) + 1] = block;
  }

  /** Takes an entry out; those behind it close up, so that there are no gravestones (Knuth, volume 3, algorithm 6.4 R). */
  remove(place: number): void {
    const { mask, pairs } = this;
    let hole = place;
    for (let at = (place + 1) & mask; pairs[(at << 1) + 1] !== 0; at = (at + 1) & mask) {
      const home = pairs[at << 1]! & mask;
      // Whether `home` lies cyclically in (hole, at]: then the entry may stay.
      if (((at - home) & mask) < ((at - hole) & mask)) continue;
      pairs[hole << 1] = pairs[at << 1]!;
      pairs[(hole << 1) + 1] = pairs[(at << 1) + 1]!;
      hole = at;
    }
    pairs[(hole << 1) + 1] = 0;
    this.count--;
  }
}
