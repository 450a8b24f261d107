// A packet device that a test plays: frames are put in as bytes, and what the stack sends is kept as bytes.

import { heapRegion, SlotPool } from '@demikernel/memory';
import {
  type DeviceCounters,
  type Frame,
  type PacketDevice,
  RECEIVE_BURST,
  type ReceiveBurst,
} from '../../src/runtime/packet-device.ts';

export interface ScriptedDeviceOptions {
  slots?: number;
  slotSizeBytes?: number;
  reserveSlots?: number;
  mtuBytes?: number;
  segmentLimit?: number;
  copyThresholdBytes?: number;
  transmitChecksum?: boolean;
  partialChecksums?: boolean;
  debugMemory?: boolean;
}

export const OUR_MAC = '02aabbccdd01';

export class ScriptedDevice implements PacketDevice {
  readonly name = 'scripted';
  readonly macAddress: Uint8Array = Uint8Array.from(Buffer.from(OUR_MAC, 'hex'));
  readonly mtuBytes: number;
  readonly pool: SlotPool;
  readonly segmentLimit: number;
  readonly copyThresholdBytes: number;
  readonly transmitChecksum: boolean;
  readonly partialChecksums: boolean;
  readonly counters: DeviceCounters = {
    receivedFrames: 0,
    receivedBytes: 0,
    transmittedFrames: 0,
    transmittedBytes: 0,
    receiveDropped: 0,
    transmitDropped: 0,
  };
  readonly descriptors: readonly number[] = [];
  /** Frames sent since the last `take`, with their number of segments and checksum request. */
  sent: { hex: string; segments: number; checksumStart: number; checksumOffset: number }[] = [];
  room = 1024;
  private readonly incoming: { bytes: Uint8Array; flags: number }[] = [];

  constructor(options: ScriptedDeviceOptions = {}) {
    const { slots = 256, slotSizeBytes = 2048, reserveSlots = 16, debugMemory = true } = options;
    this.pool = new SlotPool(heapRegion(slots * slotSizeBytes), {
      slotSizeBytes,
      reserveSlots,
      debug: debugMemory,
    });
    this.mtuBytes = options.mtuBytes ?? 1500;
    this.segmentLimit = options.segmentLimit ?? 4;
    this.copyThresholdBytes = options.copyThresholdBytes ?? 256;
    this.transmitChecksum = options.transmitChecksum ?? false;
    this.partialChecksums = options.partialChecksums ?? false;
  }

  put(bytes: Uint8Array | string, flags = 0): void {
    this.incoming.push({ bytes: typeof bytes === 'string' ? Buffer.from(bytes, 'hex') : bytes, flags });
  }

  /** What was sent, as hex, and forgets it. */
  take(): string[] {
    const hex = this.sent.map(frame => frame.hex);
    this.sent = [];
    return hex;
  }

  receive(burst: ReceiveBurst): number {
    let count = 0;
    while (count < RECEIVE_BURST && this.incoming.length > 0) {
      const { bytes, flags } = this.incoming.shift()!;
      const slot = this.pool.allocReserved();
      if (slot < 0) continue;
      const offset = this.pool.slotOffset(slot) + 128;
      this.pool.region.bytes.set(bytes.subarray(0, this.pool.slotSizeBytes - 128), offset);
      burst.offset[count] = offset;
      burst.length[count] = Math.min(bytes.length, this.pool.slotSizeBytes - 128);
      burst.flags[count] = flags;
      count++;
    }
    burst.count = count;
    return count;
  }

  transmitRoom(): number {
    return this.room;
  }

  transmit(frame: Frame): void {
    let hex = '';
    for (let i = 0; i < frame.count; i++) {
      const offset = frame.offset[i]!;
      hex += Buffer.from(this.pool.region.bytes.subarray(offset, offset + frame.length[i]!)).toString('hex');
      this.pool.release(offset >> this.pool.slotShift);
    }
    const { count, checksumStart, checksumOffset } = frame;
    this.sent.push({ hex, segments: count, checksumStart, checksumOffset });
    this.room--;
  }

  flush(): void {
    this.room = 1024;
  }

  close(): void {}
}
