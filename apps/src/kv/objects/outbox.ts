// Messages on their way out, several in one push: short ones share slots, each behind its length on a stream.

import type { Gatherable, ScatterGatherArray, Slice, SlotPool } from '@demikernel/memory';

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
  }

  /** Takes a message: writes what it copies, refers to what it gathers. False, and nothing is taken, when memory is used up. */
  add(message: Gatherable): boolean {
    const copied = message.copiedBytes();
    const written = this.room(this.prefixBytes + copied);
    if (written === undefined) return false;
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
    this.adopt(written, copied);
    return true;
  }

  /** Slices for so many bytes: of the slot under way when they fit there, else of new ones. The first holds the prefix. */
  private room(lengthBytes: number): ScatterGatherArray | undefined {
    if (this.end - this.at < lengthBytes || this.array === undefined) {
      return this.pool.allocArray(lengthBytes, this.sliceBytes);
    }
    this.pool.retain(this.slot);
    const array = this.pool.array();
    array.append(this.pool.slice(this.slot, this.at, lengthBytes));
    return array;
  }

  private adopt(written: ScatterGatherArray, copied: number): void {
    const own = this.prefixBytes + copied;
    const { array } = this;
    this.pendingBytes += written.lengthBytes;
    if (array === undefined) {
      this.beginSlot(written, own);
      this.array = written;
      return;
    }
    const first = written.segments[0]!;
    const last = array.segments[array.count - 1]!;
    let from = 0;
    if (first.slot === this.slot && first.offset === this.at) {
      this.at += own;
      if (last.slot === first.slot && last.offset + last.length === first.offset) {
        last.length += first.length;
        first.release();
        from = 1;
      }
    } else this.beginSlot(written, own);
    for (let i = from; i < written.count; i++) array.append(written.segments[i]!);
    // Its references have moved.
    written.count = 0;
    written.free();
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
