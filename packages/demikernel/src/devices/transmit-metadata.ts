// Transmit metadata of AF_XDP (Documentation/networking/xsk-tx-metadata.rst): what a frame asks of the kernel, in the bytes
// in front of it, and the room for it.

import type { SlotPool } from '@demikernel/memory';
import { XDP_TX_METADATA, XDP_TX_METADATA_BYTES, XDP_TXMD_FLAGS_CHECKSUM } from '@demikernel/native/kernel';
import { type Frame, MAX_FRAME_SEGMENTS } from '../runtime/packet-device.ts';
import { completeChecksum } from './frame-checksum.ts';

/** Prepares frames of one device. */
export class TransmitMetadata {
  private readonly pool: SlotPool;
  private readonly multiBuffer: boolean;
  private readonly slotMask: number;

  constructor(pool: SlotPool, multiBuffer: boolean) {
    this.pool = pool;
    this.multiBuffer = multiBuffer;
    this.slotMask = pool.slotSizeBytes - 1;
  }

  /**
   * With metadata on, the kernel wants room for it in front of every descriptor, used or not (xp_aligned_validate_desc), and
   * never completes one it finds invalid. Segments that start too early in their slot are moved here; rare.
   */
  placed(frame: Frame): boolean {
    for (let i = 0; i < frame.count; i++) {
      if ((frame.offset[i]! & this.slotMask) < XDP_TX_METADATA_BYTES && !this.move(frame, i)) return false;
    }
    return true;
  }

  private move(frame: Frame, index: number): boolean {
    const { pool } = this;
    const offset = frame.offset[index]!;
    const length = frame.length[index]!;
    const moved = Math.min(length, pool.slotSizeBytes - XDP_TX_METADATA_BYTES);
    const grows = moved < length;
    if (grows && (frame.count === MAX_FRAME_SEGMENTS || !this.multiBuffer)) return false;
    const slot = pool.allocReserved();
    if (slot < 0) return false;
    const to = pool.slotOffset(slot) + XDP_TX_METADATA_BYTES;
    pool.region.bytes.copyWithin(to, offset, offset + moved);
    frame.offset[index] = to;
    frame.length[index] = moved;
    if (!grows) {
      pool.release(offset >> pool.slotShift);
      return true;
    }
    // What is left over stays where it is, far enough behind the start of its slot.
    frame.offset.copyWithin(index + 2, index + 1, frame.count);
    frame.length.copyWithin(index + 2, index + 1, frame.count);
    frame.offset[index + 1] = offset + moved;
    frame.length[index + 1] = length - moved;
    frame.count++;
    return true;
  }

  /**
   * Puts the request in front of the first segment, or writes the checksum itself when the field is not in that segment.
   *
   * @returns the descriptor's options
   */
  request(frame: Frame): number {
    const { view } = this.pool.region;
    if (frame.checksumStart + frame.checksumOffset + 2 > frame.length[0]!) {
      completeChecksum(view, frame);
      return 0;
    }
    const at = frame.offset[0]! - XDP_TX_METADATA_BYTES;
    view.setInt32(at, XDP_TXMD_FLAGS_CHECKSUM, true);
    view.setInt32(at + 4, 0, true);
    view.setInt32(at + 8, frame.checksumStart | (frame.checksumOffset << 16), true);
    view.setInt32(at + 12, 0, true);
    view.setInt32(at + 16, 0, true);
    view.setInt32(at + 20, 0, true);
    return XDP_TX_METADATA;
  }
}
