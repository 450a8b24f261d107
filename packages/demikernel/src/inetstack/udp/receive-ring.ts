// Datagrams that have arrived and wait to be popped: a ring that grows to what is used. Its bounds are the queue's.

import type { ScatterGatherArray } from '@demikernel/memory';

const FIRST_ENTRIES = 8;

export class ReceiveRing {
  /** Datagrams waiting. */
  count: number;
  /** Source address and port of the datagram that `shift` returned last. */
  shiftedAddress: number;
  shiftedPort: number;
  private head: number;
  private mask: number;
  private arrays: (ScatterGatherArray | undefined)[];
  private sources: Int32Array;

  constructor() {
    this.count = 0;
    this.shiftedAddress = 0;
    this.shiftedPort = 0;
    this.head = 0;
    this.mask = FIRST_ENTRIES - 1;
    this.arrays = new Array<ScatterGatherArray | undefined>(FIRST_ENTRIES).fill(undefined);
    this.sources = new Int32Array(FIRST_ENTRIES * 2);
  }

  push(array: ScatterGatherArray, address: number, port: number): void {
    if (this.count > this.mask) this.grow();
    const index = (this.head + this.count) & this.mask;
    this.arrays[index] = array;
    this.sources[index * 2] = address;
    this.sources[index * 2 + 1] = port;
    this.count++;
  }

  shift(): ScatterGatherArray | undefined {
    if (this.count === 0) return undefined;
    const index = this.head;
    const array = this.arrays[index];
    this.arrays[index] = undefined;
    this.shiftedAddress = this.sources[index * 2]!;
    this.shiftedPort = this.sources[index * 2 + 1]!;
    this.head = (index + 1) & this.mask;
    this.count--;
    return array;
  }

  private grow(): void {
    const size = (this.mask + 1) * 2;
    const arrays = new Array<ScatterGatherArray | undefined>(size).fill(undefined);
    const sources = new Int32Array(size * 2);
    for (let i = 0; i < this.count; i++) {
      const index = (this.head + i) & this.mask;
      arrays[i] = this.arrays[index];
      sources[i * 2] = this.sources[index * 2]!;
      sources[i * 2 + 1] = this.sources[index * 2 + 1]!;
    }
    this.arrays = arrays;
    this.sources = sources;
    this.head = 0;
    this.mask = size - 1;
  }
}
