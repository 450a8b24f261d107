// A packet device at the end of a wire: its ring of received frames, its pool, its budget per turn.

import type { SlotPool } from '@demikernel/memory';
import {
  type DeviceCounters,
  type Frame,
  type PacketDevice,
  RECEIVE_BURST,
  type ReceiveBurst,
} from '../runtime/packet-device.ts';
import type { Wire } from './wire.ts';
import type { LinkFaults, LinkOptions } from './wire-link.ts';

export interface WireDeviceOptions {
  pool: SlotPool;
  name?: string;
  /** Six bytes; by default 02:00:00:00:00:n, locally administered. */
  macAddress?: Uint8Array;
  /** Default 1500. */
  mtuBytes?: number;
  /** Faults of what this device sends, over the wire's own. */
  link?: LinkOptions;
  /** Frames that wait to be received, and frames sent per turn. A power of two, default 1024. */
  ringFrames?: number;
  /** Default 16. */
  segmentLimit?: number;
  /** Default 256: a copy within the region against one more piece to copy from. */
  copyThresholdBytes?: number;
  /** Offer to complete checksums; as a device with offload does. */
  transmitChecksum?: boolean;
  /** With `transmitChecksum`: do not, as a kernel on the other end of veth does not. */
  leavesChecksums?: boolean;
  /** Receive partial checksums as valid. */
  partialChecksums?: boolean;
}

export class WireDevice implements PacketDevice {
  readonly name: string;
  readonly macAddress: Uint8Array;
  readonly macHigh: number;
  readonly macLow: number;
  readonly mtuBytes: number;
  readonly pool: SlotPool;
  readonly segmentLimit: number;
  readonly copyThresholdBytes: number;
  readonly transmitChecksum: boolean;
  readonly leavesChecksums: boolean;
  readonly partialChecksums: boolean;
  readonly counters: DeviceCounters;
  readonly descriptors: readonly number[];
  readonly faults: LinkFaults;
  closed: boolean;
  private readonly wire: Wire;
  private readonly ringFrames: number;
  private readonly offsets: Int32Array;
  private readonly lengths: Int32Array;
  private head: number;
  private tail: number;
  private sentThisTurn: number;

  /** Use `Wire.attach`. */
  constructor(wire: Wire, number: number, faults: LinkFaults, options: WireDeviceOptions) {
    const { pool, ringFrames = 1024 } = options;
    this.name = options.name ?? `wire${number}`;
    this.macAddress =
      options.macAddress ?? Uint8Array.of(2, 0, 0, number >>> 16, (number >>> 8) & 255, number & 255);
    const mac = new DataView(this.macAddress.buffer, this.macAddress.byteOffset, 6);
    this.macHigh = mac.getInt32(0);
    this.macLow = mac.getUint16(4);
    this.mtuBytes = options.mtuBytes ?? 1500;
    this.pool = pool;
    this.segmentLimit = options.segmentLimit ?? 16;
    this.copyThresholdBytes = options.copyThresholdBytes ?? 256;
    this.transmitChecksum = options.transmitChecksum ?? false;
    this.leavesChecksums = options.leavesChecksums ?? false;
    this.partialChecksums = options.partialChecksums ?? false;
    this.counters = {
      receivedFrames: 0,
      receivedBytes: 0,
      transmittedFrames: 0,
      transmittedBytes: 0,
      receiveDropped: 0,
      transmitDropped: 0,
    };
    this.descriptors = [];
    this.faults = faults;
    this.closed = false;
    this.wire = wire;
    this.ringFrames = ringFrames;
    this.offsets = new Int32Array(ringFrames);
    this.lengths = new Int32Array(ringFrames);
    this.head = 0;
    this.tail = 0;
    this.sentThisTurn = 0;
  }

  /** Frames that wait to be received. */
  get waiting(): number {
    return (this.tail - this.head) | 0;
  }

  /** Room for a frame: where its bytes go, or -1. The wire fills it and calls `commit`. */
  reserve(lengthBytes: number): number {
    const { pool, counters } = this;
    // The last slots of the reserve stay for what the stack has to send.
    const short = pool.freeSlots <= pool.reserveSlots >> 1;
    const fits = lengthBytes + pool.headroomBytes <= pool.slotSizeBytes;
    const full = ((this.tail - this.head) | 0) >= this.ringFrames;
    const slot = short || full || !fits ? -1 : pool.allocReserved();
    if (slot < 0) {
      counters.receiveDropped++;
      return -1;
    }
    const index = this.tail & (this.ringFrames - 1);
    this.offsets[index] = (slot << pool.slotShift) + pool.headroomBytes;
    this.lengths[index] = lengthBytes;
    counters.receivedFrames++;
    counters.receivedBytes += lengthBytes;
    return this.offsets[index]!;
  }

  commit(): void {
    this.tail = (this.tail + 1) | 0;
  }

  receive(burst: ReceiveBurst): number {
    this.wire.deliver();
    let count = 0;
    while (count < RECEIVE_BURST && this.head !== this.tail) {
      const index = this.head & (this.ringFrames - 1);
      burst.offset[count] = this.offsets[index]!;
      burst.length[count] = this.lengths[index]!;
      burst.flags[count] = 0;
      this.head = (this.head + 1) | 0;
      count++;
    }
    burst.count = count;
    return count;
  }

  transmitRoom(): number {
    return this.ringFrames - this.sentThisTurn;
  }

  transmit(frame: Frame): void {
    const { pool, counters } = this;
    this.sentThisTurn++;
    counters.transmittedFrames++;
    if (this.closed) counters.transmitDropped++;
    else this.wire.send(this, frame);
    for (let i = 0; i < frame.count; i++) {
      counters.transmittedBytes += frame.length[i]!;
      pool.release(frame.offset[i]! >> pool.slotShift);
    }
  }

  flush(): void {
    this.sentThisTurn = 0;
  }

  /** Takes the device off the wire and frees what waits. */
  close(): void {
    this.closed = true;
    while (this.head !== this.tail) {
      this.pool.release(this.offsets[this.head & (this.ringFrames - 1)]! >> this.pool.slotShift);
      this.head = (this.head + 1) | 0;
    }
  }
}
