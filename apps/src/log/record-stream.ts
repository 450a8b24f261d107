// Frames out of received arrays, by reference: a record's bytes stay in the slots that the network put them into. Frames of
// bytes that are gathered first are frames.ts.

import type { ScatterGatherArray, Slice } from 'demikernel';
import { FrameReader, HEAD_BYTES, LARGEST_BODY_BYTES } from './frames.ts';

/** Takes frames out of a stream, however it is cut. */
export class RecordStream {
  /** A frame was too long: nothing more is read. */
  broken: boolean;
  kind: number;
  /** Bytes of the last frame's body, which {@link body} or {@link payload} has to be called for. */
  bodyBytes: number;
  /** What was copied because too much memory was held, until that is used up. */
  private readonly copied: FrameReader;
  private readonly slices: Slice[];
  /** How much of the first slice has been taken, and how much all of them have left. */
  private taken: number;
  private leftBytes: number;
  private isCopied: boolean;
  private readonly head: Uint8Array;
  private readonly headView: DataView;

  constructor() {
    this.broken = false;
    this.kind = 0;
    this.bodyBytes = 0;
    this.copied = new FrameReader();
    this.slices = [];
    this.taken = 0;
    this.leftBytes = 0;
    this.isCopied = false;
    this.head = new Uint8Array(HEAD_BYTES);
    this.headView = new DataView(this.head.buffer);
  }

  /** Slots that cannot be received into while this waits for the rest of a frame. */
  get heldSlices(): number {
    return this.slices.length;
  }

  /** Adds what was received; the array stays the caller's. */
  add(array: ScatterGatherArray): void {
    if (this.copied.heldBytes > 0) {
      this.copied.add(array.toBytes());
      return;
    }
    for (let i = 0; i < array.count; i++) {
      const slice = array.segments[i]!;
      if (slice.length === 0) continue;
      this.slices.push(slice.share());
      this.leftBytes += slice.length;
    }
  }

  /** Whether there is a whole frame: its kind and the length of its body are known then. */
  next(): boolean {
    if (this.copied.heldBytes > 0) {
      const whole = this.copied.next();
      this.broken = this.copied.broken;
      this.kind = this.copied.kind;
      this.bodyBytes = this.copied.body.length;
      this.isCopied = whole;
      return whole;
    }
    this.isCopied = false;
    if (this.broken || this.leftBytes < HEAD_BYTES) return false;
    this.peek(this.head);
    const length = this.headView.getUint32(0, true);
    this.broken = length < 1 || length > LARGEST_BODY_BYTES + 1;
    if (this.broken || this.leftBytes < 4 + length) return false;
    this.kind = this.head[4]!;
    this.bodyBytes = length - 1;
    this.skip(HEAD_BYTES);
    return true;
  }

  /** The body, without a copy: an array, which the caller frees; bytes, where it has been copied or is empty. */
  payload(): ScatterGatherArray | Uint8Array {
    if (this.isCopied || this.bodyBytes === 0) return this.body();
    const into = this.slices[0]!.pool.array();
    for (let left = this.bodyBytes; left > 0; ) {
      const slice = this.slices[0]!;
      const length = Math.min(left, slice.length - this.taken);
      into.append(slice.sub(this.taken, length));
      this.skip(length);
      left -= length;
    }
    return into;
  }

  /** The body's bytes, until the next call; copied. */
  body(): Uint8Array {
    if (this.isCopied) return this.copied.body;
    const bytes = new Uint8Array(this.bodyBytes);
    this.peek(bytes);
    this.skip(bytes.length);
    return bytes;
  }

  /** Copies from where it stands. */
  private peek(target: Uint8Array): void {
    let skip = this.taken;
    for (let i = 0, at = 0; at < target.length; i++, skip = 0) {
      const { length, offset, pool } = this.slices[i]!;
      const { bytes } = pool.region;
      for (let k = skip; k < length && at < target.length; k++) target[at++] = bytes[offset + k]!;
    }
  }

  private skip(lengthBytes: number): void {
    this.leftBytes -= lengthBytes;
    this.taken += lengthBytes;
    let gone = 0;
    for (; gone < this.slices.length && this.taken >= this.slices[gone]!.length; gone++) {
      this.taken -= this.slices[gone]!.length;
      this.slices[gone]!.release();
    }
    if (gone > 0) this.slices.splice(0, gone);
  }

  /** Copies what is held and gives the slots back: somebody else needs them more. */
  copyHeld(): void {
    const bytes = new Uint8Array(this.leftBytes);
    this.peek(bytes);
    this.release();
    this.copied.add(bytes);
  }

  /** Gives everything back. */
  release(): void {
    for (const slice of this.slices) slice.release();
    this.slices.length = 0;
    this.leftBytes = 0;
    this.taken = 0;
  }
}
