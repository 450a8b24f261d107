// Where the headers and the payload of an outgoing frame go. One implementation for UDP, TCP and ICMP; what stands in the
// headers is theirs.
//
//   in place   [headroom … headers|payload]                        one segment, nothing moved
//   gather     [header slot: headers]  [piece] [piece] …           references only
//   copy       [header slot: headers|payload copied]               one segment

import type { Slice, SlotPool } from '@demikernel/memory';
import { Frame, type PacketDevice } from '../runtime/packet-device.ts';

/** Where a frame begins in a slot of its own. */
const FRAME_OFFSET = 64;
/** What a device may write in front of a frame: transmit metadata of AF_XDP is 24 bytes. */
const DEVICE_HEADROOM_BYTES = 32;
/** Up to so many bytes a loop is faster than `copyWithin`: the one takes a nanosecond per byte, the other 17 whatever the length. */
const COPY_LOOP_BYTES = 8;

/**
 * Builds one frame at a time: `open`, `add` for each piece of payload, `close`; then write the headers and transmit.
 *
 * Neither allocates in steady state nor keeps a slice beyond `close`.
 */
export class FrameBuilder {
  /** The frame that `close` completed; it holds references of its own. */
  readonly frame: Frame;
  private readonly pool: SlotPool;
  private readonly segmentLimit: number;
  private readonly copyThresholdBytes: number;
  private headerBytes: number;
  private payloadBytes: number;
  private inPlaceAllowed: boolean;
  private pieceCount: number;
  private shortestPiece: number;
  private readonly pieceSlice: (Slice | undefined)[];
  private readonly pieceOffset: number[];
  private readonly pieceLength: number[];

  constructor(device: PacketDevice) {
    this.frame = new Frame();
    this.pool = device.pool;
    this.segmentLimit = device.segmentLimit;
    this.copyThresholdBytes = device.copyThresholdBytes;
    this.headerBytes = 0;
    this.payloadBytes = 0;
    this.inPlaceAllowed = false;
    this.pieceCount = 0;
    this.shortestPiece = 0;
    this.pieceSlice = [];
    this.pieceOffset = [];
    this.pieceLength = [];
  }

  /**
   * Begins a frame.
   *
   * @param headerBytes all headers, the link's included
   * @param payloadBytes what the pieces will add up to
   * @param inPlaceAllowed false for anything but the first transmission of these bytes
   */
  open(headerBytes: number, payloadBytes: number, inPlaceAllowed: boolean): void {
    this.frame.clear();
    this.headerBytes = headerBytes;
    this.payloadBytes = payloadBytes;
    this.inPlaceAllowed = inPlaceAllowed;
    this.pieceCount = 0;
    this.shortestPiece = payloadBytes;
  }

  /** Adds `length` bytes of a slice, from `skip` on. The frame takes references of its own at `close`. */
  add(slice: Slice, skip: number, length: number): void {
    if (length === 0) return;
    const at = this.pieceCount++;
    if (at === this.pieceSlice.length) {
      this.pieceSlice.push(slice);
      this.pieceOffset.push(slice.offset + skip);
      this.pieceLength.push(length);
    } else {
      this.pieceSlice[at] = slice;
      this.pieceOffset[at] = slice.offset + skip;
      this.pieceLength[at] = length;
    }
    if (length < this.shortestPiece) this.shortestPiece = length;
    if (length !== slice.length) this.inPlaceAllowed = false;
  }

  /**
   * Completes the frame.
   *
   * @returns offset in the region where the headers must be written, or -1 when no slot is free
   */
  close(): number {
    if (this.inPlaceAllowed && this.pieceCount === 1) {
      const slice = this.pieceSlice[0]!;
      const slot = slice.slot;
      const start = slice.offset - this.headerBytes;
      if (
        this.pool.references[slot] === 1 &&
        start >= (slot << this.pool.slotShift) + DEVICE_HEADROOM_BYTES
      ) {
        this.pool.retain(slot);
        this.frame.append(start, this.headerBytes + this.payloadBytes);
        return start;
      }
    }
    const whole = this.headerBytes + this.payloadBytes;
    const fits = whole + FRAME_OFFSET <= this.pool.slotSizeBytes;
    const gather =
      this.pieceCount > 0 &&
      this.pieceCount < this.segmentLimit &&
      (this.shortestPiece >= this.copyThresholdBytes || !fits);
    // The stack keeps packets within `largestPacketBytes`, so only a caller's mistake is too large to copy.
    if (!gather && !fits) return -1;
    const slot = this.pool.allocReserved();
    if (slot < 0) return -1;
    const start = (slot << this.pool.slotShift) + FRAME_OFFSET;
    if (gather) this.gather(start);
    else this.copy(start, whole);
    return start;
  }

  /** A frame of headers alone, at once: where they must be written, or -1 when no slot is free. */
  bare(headerBytes: number): number {
    const { frame, pool } = this;
    frame.clear();
    const slot = pool.allocReserved();
    if (slot < 0) return -1;
    const start = (slot << pool.slotShift) + FRAME_OFFSET;
    frame.append(start, headerBytes);
    return start;
  }

  /** Gives up what `close` took, when the frame is not transmitted after all. */
  abandon(): void {
    const { frame, pool } = this;
    for (let i = 0; i < frame.count; i++) pool.release(frame.offset[i]! >> pool.slotShift);
    frame.clear();
  }

  private gather(start: number): void {
    const { frame, pool } = this;
    frame.append(start, this.headerBytes);
    for (let i = 0; i < this.pieceCount; i++) {
      pool.retain(this.pieceSlice[i]!.slot);
      frame.append(this.pieceOffset[i]!, this.pieceLength[i]!);
    }
  }

  private copy(start: number, whole: number): void {
    const bytes = this.pool.region.bytes;
    let at = start + this.headerBytes;
    for (let i = 0; i < this.pieceCount; i++) {
      const length = this.pieceLength[i]!;
      copyBytes(bytes, at, this.pieceOffset[i]!, length);
      at += length;
    }
    this.frame.append(start, whole);
  }
}

/** Largest IP packet that a slot of the pool can hold behind an Ethernet header. */
export function largestPacketBytes(pool: SlotPool): number {
  return pool.slotSizeBytes - FRAME_OFFSET - 14;
}

/** Copies within a region. */
export function copyBytes(bytes: Uint8Array, to: number, from: number, length: number): void {
  if (length > COPY_LOOP_BYTES) {
    bytes.copyWithin(to, from, from + length);
    return;
  }
  for (let i = 0; i < length; i++) bytes[to + i] = bytes[from + i]!;
}
