// What has arrived on a connection, on its way to pops: bytes cut to the size wanted, or whole messages; lent, or copied.

import type { ScatterGatherArray, Slice } from '@demikernel/memory';
import type { ReceiveRing } from '../../shm/receive-ring.ts';
import { COPIED_BYTES, MEMORY_SHORT, type MemoryHost } from './memory-host.ts';

const NO_LIMIT = 0x7fff_ffff;

/** The arrays that come out are the caller's. A peer that lies ends them (`receiver.violated`). */
export class Inbox {
  private readonly host: MemoryHost;
  private readonly receiver: ReceiveRing;
  private readonly message: boolean;
  /** Slices lent beyond which copies are given out. */
  private readonly scarceSlices: number;
  private readonly capacity: number;
  /** What a pop has left of a slice, and whether its message goes on. */
  private rest: Slice | undefined;
  private restMore: boolean;
  /** A message of which not everything has arrived; an array that waits for memory to be copied into. */
  private partial: ScatterGatherArray | undefined;
  private held: ScatterGatherArray | undefined;

  /** @param message whether whole messages come out */
  constructor(host: MemoryHost, receiver: ReceiveRing, capacity: number, message: boolean) {
    this.host = host;
    this.receiver = receiver;
    this.message = message;
    this.scarceSlices = capacity - (capacity >> 2);
    this.capacity = capacity;
    this.rest = undefined;
    this.restMore = false;
    this.partial = undefined;
    this.held = undefined;
  }

  /** The next message, or the next bytes, `sizeBytes` at most (0: what there is); `undefined`: nothing, or no memory. */
  take(sizeBytes: number): ScatterGatherArray | undefined {
    const array = this.held ?? (this.message ? this.takeMessage() : this.takeBytes(sizeBytes));
    if (array === undefined) return undefined;
    const mine = this.settle(array);
    if (mine !== undefined && this.message && sizeBytes > 0) mine.truncate(sizeBytes);
    return mine;
  }

  /** Whether something has arrived that only waits for memory. */
  get waitsForMemory(): boolean {
    return this.held !== undefined;
  }

  private next(): Slice | undefined {
    return this.receiver.ready ? this.receiver.next() : undefined;
  }

  /** What has arrived of a stream: the rest of a message, `sizeBytes` at most (0: all of it). */
  private takeBytes(sizeBytes: number): ScatterGatherArray | undefined {
    let slice = this.rest;
    let more = this.restMore;
    this.rest = undefined;
    if (slice === undefined) {
      slice = this.next();
      if (slice === undefined) return undefined;
      more = this.receiver.more;
    }
    const array = this.receiver.pool.array();
    let left = sizeBytes === 0 ? NO_LIMIT : sizeBytes;
    for (;;) {
      if (slice.length > left) {
        array.append(slice.sub(0, left));
        slice.offset += left;
        slice.length -= left;
        this.rest = slice;
        this.restMore = more;
        break;
      }
      array.append(slice);
      left -= slice.length;
      // What a peer sends back to us holds none of its ids: it could go on for ever.
      if (!more || left === 0 || array.count === this.capacity) break;
      slice = this.next();
      if (slice === undefined) break;
      more = this.receiver.more;
    }
    return array;
  }

  /** The next whole message. */
  private takeMessage(): ScatterGatherArray | undefined {
    let array = this.partial;
    this.partial = undefined;
    for (;;) {
      const slice = this.next();
      if (slice === undefined) {
        this.partial = array;
        return undefined;
      }
      if (array === undefined) array = this.receiver.pool.array();
      array.append(slice);
      if (!this.receiver.more) return array;
      if (array.count > this.capacity >> 1) {
        this.receiver.violated = true;
        array.free();
        return undefined;
      }
    }
  }

  /**
   * The array as the application gets it: lent, or a copy, when that was asked for or so much is lent already that the
   * peer would soon have no ids left. `undefined`: there is no memory for the copy.
   */
  private settle(array: ScatterGatherArray): ScatterGatherArray | undefined {
    const { host, receiver } = this;
    this.held = undefined;
    if (!host.copy && receiver.lent <= this.scarceSlices) return array;
    const lengthBytes = array.lengthBytes;
    const copy = host.pool.allocArray(lengthBytes);
    if (copy === undefined) {
      if (!host.copy && receiver.lent < this.capacity) return array;
      host.add(MEMORY_SHORT, 1);
      host.starved = true;
      this.held = array;
      return undefined;
    }
    copy.copyFromArray(array);
    array.free();
    host.add(COPIED_BYTES, lengthBytes);
    return copy;
  }

  /** Gives back what has arrived and nobody wants; a ring's worth at a time, or a peer could keep us here. */
  discard(): number {
    let count = 0;
    while (count < this.capacity && this.receiver.ready && this.receiver.skip()) count++;
    return count;
  }

  /** Gives back everything, what was taken out of the ring already too. */
  drop(): void {
    const { rest, partial, held } = this;
    this.rest = undefined;
    this.partial = undefined;
    this.held = undefined;
    rest?.release();
    partial?.free();
    held?.free();
    this.discard();
  }
}
