// Frames under way on a wire, in a heap by due time; equal times keep the order of sending, so that runs repeat.

import type { SlotPool } from '@demikernel/memory';
import type { WireDevice } from './wire-device.ts';

interface Entry {
  dueUs: number;
  sequence: number;
  slot: number;
  length: number;
  to: WireDevice;
}

export class InFlight {
  readonly pool: SlotPool;
  /** Receiver and length of the frame that `pop` returned last. */
  poppedTo!: WireDevice;
  poppedLength: number;
  private readonly heap: Entry[];
  private sequence: number;

  constructor(pool: SlotPool) {
    this.pool = pool;
    this.poppedLength = 0;
    this.heap = [];
    this.sequence = 0;
  }

  get count(): number {
    return this.heap.length;
  }

  /** Due time of the earliest; there must be one. */
  nextDueUs(): number {
    return this.heap[0]!.dueUs;
  }

  push(slot: number, length: number, to: WireDevice, dueUs: number): void {
    const { heap } = this;
    const entry: Entry = { dueUs, sequence: this.sequence++, slot, length, to };
    let at = heap.length;
    heap.push(entry);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!before(entry, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = entry;
  }

  /** Takes the earliest out; returns its slot, whose reference is the caller's. */
  pop(): number {
    const { heap } = this;
    const first = heap[0]!;
    const last = heap.pop()!;
    if (heap.length > 0) this.sink(last);
    this.poppedTo = first.to;
    this.poppedLength = first.length;
    return first.slot;
  }

  private sink(entry: Entry): void {
    const { heap } = this;
    let at = 0;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++;
      if (!before(heap[child]!, entry)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = entry;
  }
}

function before(a: Entry, b: Entry): boolean {
  return a.dueUs < b.dueUs || (a.dueUs === b.dueUs && a.sequence < b.sequence);
}
