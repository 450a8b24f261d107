// Messages on their way out, several in one push: short ones share slots, each behind its length on a stream.

import { type Gatherable, ScatterGatherArray, Slice, type SlotPool } from '@demikernel/memory';

/** The length in front of each message on a stream: u32, little-endian. */
export const PREFIX_BYTES = 4;

/** A scatter-gather array under construction, of whole messages. */
export class Outbox {
  /** Bytes so far. */
  pendingBytes: number;
  private readonly pool: SlotPool;
  private readonly sliceBytes: number;
  private readonly prefixBytes: number;
  private array: ScatterGatherArray | undefined;
  /** The slot that was begun last: where its free bytes begin and end; 0, 0 when there is none. */
  private slot: number;
  private at: number;
  private end: number;
  /** Where a message is written in the slot under way: one slice, which holds no reference. */
  private readonly window: ScatterGatherArray;
  private readonly place: Slice;

  /** @param framed whether each message goes behind its length: on a stream, not in datagrams */
  constructor(pool: SlotPool, sliceBytes: number, framed: boolean) {
    this.pendingBytes = 0;
    this.pool = pool;
    this.sliceBytes = sliceBytes;
    this.prefixBytes = framed ? PREFIX_BYTES : 0;
    this.array = undefined;
    this.slot = 0;
    this.at = 0;
    this.end = 0;
    this.place = new Slice(pool);
    this.window = new ScatterGatherArray(pool);
    this.window.append(this.place);
  }

  /** Takes a message: writes what it copies, refers to what it gathers. False, and nothing is taken, when memory is used up. */
  add(message: Gatherable): boolean {
    const copied = message.copiedBytes();
    const { array } = this;
    if (array !== undefined && this.end - this.at >= this.prefixBytes + copied) {
      this.addInPlace(message, copied, array);
      return true;
    }
    const own = this.prefixBytes + copied;
    const written = this.pool.allocArray(own, this.sliceBytes);
    if (written === undefined) return false;
    this.fill(message, written);
    this.pendingBytes += written.lengthBytes;
    this.beginSlot(written, own);
    if (array === undefined) this.array = written;
    else moveSlices(written, array);
    return true;
  }

  /** Into the slot under way, which has the room: most messages of a push, so without an array of their own. */
  private addInPlace(message: Gatherable, copied: number, array: ScatterGatherArray): void {
    const { at, place, pool, prefixBytes, slot } = this;
    const own = prefixBytes + copied;
    const last = array.segments[array.count - 1]!;
    place.offset = at + prefixBytes;
    place.length = copied;
    place.slot = slot;
    message.write(this.window);
    let length = copied;
    if (last.slot === slot && last.offset + last.length === at) last.length += own;
    else {
      pool.retain(slot);
      array.append(pool.slice(slot, at, own));
    }
    const first = array.count;
    try {
      message.gather(array);
    } catch (error) {
      // Half a message: what stands before it cannot leave with it.
      this.drop();
      throw error;
    }
    for (let i = first; i < array.count; i++) length += array.segments[i]!.length;
    if (prefixBytes !== 0) pool.region.view.setUint32(at, length, true);
    this.at = at + own;
    this.pendingBytes += prefixBytes + length;
  }

  /** Writes a message behind its prefix into slices of its own. */
  private fill(message: Gatherable, written: ScatterGatherArray): void {
    const first = written.segments[0]!;
    // The message knows nothing of what stands before it.
    first.offset += this.prefixBytes;
    first.length -= this.prefixBytes;
    try {
      message.write(written);
      message.gather(written);
    } catch (error) {
      written.free();
      throw error;
    }
    if (this.prefixBytes !== 0) {
      const length = written.lengthBytes;
      first.offset -= PREFIX_BYTES;
      first.length += PREFIX_BYTES;
      this.pool.region.view.setUint32(first.offset, length, true);
    }
  }

  /** The last slot that was written to has room for the next message. */
  private beginSlot(written: ScatterGatherArray, own: number): void {
    let left = own;
    let slice: Slice = written.segments[0]!;
    for (let i = 0; i < written.count && left > 0; i++) {
      slice = written.segments[i]!;
      left -= slice.length;
    }
    this.slot = slice.slot;
    this.at = slice.offset + slice.length;
    this.end = (slice.slot << this.pool.slotShift) + this.pool.headroomBytes + this.sliceBytes;
  }

  /** Gives the messages away, to be pushed and freed. `undefined`: there are none. */
  take(): ScatterGatherArray | undefined {
    const { array } = this;
    this.array = undefined;
    this.pendingBytes = 0;
    this.at = 0;
    this.end = 0;
    return array;
  }

  /** Forgets the messages. */
  drop(): void {
    this.take()?.free();
  }
}

/** Moves an array's slices, with their references, behind another's, and ends it. */
function moveSlices(from: ScatterGatherArray, to: ScatterGatherArray): void {
  for (let i = 0; i < from.count; i++) to.append(from.segments[i]!);
  from.count = 0;
  from.free();
}
