// The way from the stack to itself: a device around the device that turns frames for our own Ethernet address round.
// They come back with the next receive burst, as copies, through a bounded queue.

import type { SlotPool } from '@demikernel/memory';
import {
  type DeviceCounters,
  type Frame,
  type PacketDevice,
  RECEIVE_BURST,
  type ReceiveBurst,
  RX_CHECKSUM_VALID,
} from '../runtime/packet-device.ts';
import { LOOPBACK_FULL, macHighOf, macLowOf } from './ethernet.ts';
import { copyBytes } from './frame-builder.ts';

/** Flag in a burst: the frame never left the stack. Devices do not use this bit. */
export const RX_LOOPBACK = 0x100;
/** Frames to ourselves that wait for the next poll; what comes on top is dropped. A power of two. */
const LOOPBACK_FRAMES = 256;
/** Loopback frames per burst, so that a stack talking to itself still hears the world. */
const LOOPBACK_BURST = RECEIVE_BURST / 2;

/** Passes everything on but frames to ourselves. */
export class LoopbackDevice implements PacketDevice {
  readonly inner: PacketDevice;
  readonly name: string;
  readonly macAddress: Uint8Array;
  readonly mtuBytes: number;
  readonly pool: SlotPool;
  readonly segmentLimit: number;
  readonly copyThresholdBytes: number;
  readonly transmitChecksum: boolean;
  readonly partialChecksums: boolean;
  readonly counters: DeviceCounters;
  readonly descriptors: readonly number[];
  private readonly stackCounters: Float64Array;
  private readonly macHigh: number;
  private readonly macLow: number;
  private readonly offsets: Int32Array;
  private readonly lengths: Int32Array;
  private head: number;
  private tail: number;

  /** @param stackCounters the stack's counters of `ETHERNET_COUNTERS` */
  constructor(inner: PacketDevice, stackCounters: Float64Array) {
    this.inner = inner;
    this.stackCounters = stackCounters;
    this.name = inner.name;
    this.macAddress = inner.macAddress;
    this.mtuBytes = inner.mtuBytes;
    this.pool = inner.pool;
    this.segmentLimit = inner.segmentLimit;
    this.copyThresholdBytes = inner.copyThresholdBytes;
    this.transmitChecksum = inner.transmitChecksum;
    this.partialChecksums = inner.partialChecksums;
    this.counters = inner.counters;
    this.descriptors = inner.descriptors;
    this.macHigh = macHighOf(inner.macAddress);
    this.macLow = macLowOf(inner.macAddress);
    this.offsets = new Int32Array(LOOPBACK_FRAMES);
    this.lengths = new Int32Array(LOOPBACK_FRAMES);
    this.head = 0;
    this.tail = 0;
  }

  /** Frames to ourselves that wait for the next poll. */
  get waiting(): number {
    return (this.tail - this.head) | 0;
  }

  receive(burst: ReceiveBurst): number {
    const count = this.inner.receive(burst);
    if (this.head === this.tail) return count;
    return this.receiveOwn(burst, count);
  }

  transmitRoom(): number {
    return this.inner.transmitRoom();
  }

  transmit(frame: Frame): void {
    const view = this.pool.region.view;
    const start = frame.offset[0]!;
    if (view.getInt32(start) === this.macHigh && view.getUint16(start + 4) === this.macLow) {
      this.turnRound(frame);
      return;
    }
    this.inner.transmit(frame);
  }

  flush(): void {
    this.inner.flush();
  }

  /** Frees the frames that wait. */
  discard(): void {
    while (this.head !== this.tail) {
      this.pool.release(this.offsets[this.head & (LOOPBACK_FRAMES - 1)]! >> this.pool.slotShift);
      this.head = (this.head + 1) | 0;
    }
  }

  close(): void {
    this.discard();
    this.inner.close();
  }

  private receiveOwn(burst: ReceiveBurst, count: number): number {
    let at = count;
    for (let i = 0; i < LOOPBACK_BURST && at < RECEIVE_BURST && this.head !== this.tail; i++) {
      const index = this.head & (LOOPBACK_FRAMES - 1);
      burst.offset[at] = this.offsets[index]!;
      burst.length[at] = this.lengths[index]!;
      burst.flags[at] = RX_LOOPBACK | RX_CHECKSUM_VALID;
      this.head = (this.head + 1) | 0;
      at++;
    }
    burst.count = at;
    return at;
  }

  /** Copies a frame, because the sender's bytes may be shared, and queues it. */
  private turnRound(frame: Frame): void {
    const pool = this.pool;
    let length = 0;
    for (let i = 0; i < frame.count; i++) length += frame.length[i]!;
    const full = ((this.tail - this.head) | 0) >= LOOPBACK_FRAMES || length > pool.slotSizeBytes;
    const slot = full ? -1 : pool.allocSlot();
    if (slot < 0) this.stackCounters[LOOPBACK_FULL]!++;
    else {
      const start = pool.slotOffset(slot);
      let at = start;
      for (let i = 0; i < frame.count; i++) {
        copyBytes(pool.region.bytes, at, frame.offset[i]!, frame.length[i]!);
        at += frame.length[i]!;
      }
      this.offsets[this.tail & (LOOPBACK_FRAMES - 1)] = start;
      this.lengths[this.tail & (LOOPBACK_FRAMES - 1)] = length;
      this.tail = (this.tail + 1) | 0;
    }
    for (let i = 0; i < frame.count; i++) pool.release(frame.offset[i]! >> pool.slotShift);
  }
}
