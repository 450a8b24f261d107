// An Ethernet segment inside the process: a learning switch that any number of devices hang on. What a link does to frames
// (loss, delay, …) is wire-link.ts; what a device is to a stack is wire-device.ts.
//
//   transmit -> [copy] -> receiver's ring                            faults off: one copy, nothing allocated
//   transmit -> [copy] -> in flight, by due time -> [copy] -> ring   otherwise

import { heapRegion, type Region, SlotPool } from '@demikernel/memory';
import type { Clock } from '../runtime/clock.ts';
import type { Frame } from '../runtime/packet-device.ts';
import type { Random } from '../runtime/random.ts';
import { WireDevice, type WireDeviceOptions } from './wire-device.ts';
import { InFlight } from './wire-flight.ts';
import { LinkFaults, type LinkOptions } from './wire-link.ts';

export interface WireOptions {
  clock: Clock;
  random: Random;
  /** How links behave unless a device brings its own; default perfect. */
  link?: LinkOptions;
  /** Frames under way at most, over all links. Default 4096. */
  framesInFlight?: number;
}

/** What has happened to frames on the segment. */
export interface WireCounters {
  delivered: number;
  lost: number;
  duplicated: number;
  reordered: number;
  corrupted: number;
  /** Frames a rate-limited link or the whole segment had no room for. */
  queueDropped: number;
  /** Frames for a device whose ring or pool was full. */
  receiverDropped: number;
  /** Frames for nobody here. */
  flooded: number;
}

export class Wire {
  readonly clock: Clock;
  readonly random: Random;
  readonly counters: WireCounters;
  private readonly devices: WireDevice[];
  private readonly link: LinkOptions;
  private readonly framesInFlight: number;
  private flight: InFlight | undefined;

  constructor(options: WireOptions) {
    this.clock = options.clock;
    this.random = options.random;
    this.link = options.link ?? {};
    this.framesInFlight = options.framesInFlight ?? 4096;
    this.devices = [];
    this.flight = undefined;
    this.counters = {
      delivered: 0,
      lost: 0,
      duplicated: 0,
      reordered: 0,
      corrupted: 0,
      queueDropped: 0,
      receiverDropped: 0,
      flooded: 0,
    };
  }

  /** Hangs a device on the segment. What it sends suffers its own link's faults. */
  attach(options: WireDeviceOptions): WireDevice {
    const number = this.devices.length + 1;
    const faults = new LinkFaults({ ...this.link, ...options.link }, this.clock, this.random);
    const device = new WireDevice(this, number, faults, options);
    this.devices.push(device);
    return device;
  }

  /** Puts frames that are due into their receivers' rings; returns how many. Receiving does this too. */
  deliver(): number {
    const { flight } = this;
    if (flight === undefined || flight.count === 0) return 0;
    const now = this.clock.micros[0]!;
    let delivered = 0;
    while (flight.count > 0 && flight.nextDueUs() <= now) {
      const slot = flight.pop();
      this.hand(flight.poppedTo, flight.pool.region, flight.pool.slotOffset(slot), flight.poppedLength);
      flight.pool.release(slot);
      delivered++;
    }
    return delivered;
  }

  /** Microseconds until the next frame is due; `Infinity` when none is under way. */
  nextDeliveryUs(): number {
    const { flight } = this;
    if (flight === undefined || flight.count === 0) return Number.POSITIVE_INFINITY;
    return Math.max(0, flight.nextDueUs() - this.clock.micros[0]!);
  }

  /** Frames under way, receivers' rings not counted. */
  get inFlight(): number {
    return this.flight === undefined ? 0 : this.flight.count;
  }

  /** Takes a frame from a device; its bytes are copied before this returns. */
  send(from: WireDevice, frame: Frame): void {
    const view = from.pool.region.view;
    const start = frame.offset[0]!;
    const high = view.getInt32(start);
    const low = view.getUint16(start + 4);
    const { devices } = this;
    // The devices' own addresses are known, so that there is nothing to learn; strangers are flooded, as a switch does.
    if ((high & 0x01000000) === 0) {
      for (let i = 0; i < devices.length; i++) {
        const to = devices[i]!;
        if (to.macHigh !== high || to.macLow !== low || to.closed) continue;
        if (to !== from) this.sendTo(from, to, frame);
        return;
      }
      this.counters.flooded++;
    }
    for (let i = 0; i < devices.length; i++) {
      const to = devices[i]!;
      if (to !== from && !to.closed) this.sendTo(from, to, frame);
    }
  }

  private sendTo(from: WireDevice, to: WireDevice, frame: Frame): void {
    if (from.faults.perfect) {
      const offset = to.reserve(frameBytes(frame));
      if (offset < 0) {
        this.counters.receiverDropped++;
        return;
      }
      copyFrame(frame, from, to.pool.region, offset);
      to.commit();
      this.counters.delivered++;
      return;
    }
    this.sendFaulty(from, to, frame);
  }

  private sendFaulty(from: WireDevice, to: WireDevice, frame: Frame): void {
    const { faults } = from;
    const { counters } = this;
    if (faults.loses()) {
      counters.lost++;
      return;
    }
    const copies = faults.duplicates() ? 2 : 1;
    counters.duplicated += copies - 1;
    for (let copy = 0; copy < copies; copy++) {
      const length = frameBytes(frame);
      const dueUs = faults.dueUs(length);
      const slot = dueUs < 0 ? -1 : this.store(length);
      if (slot < 0) {
        counters.queueDropped++;
        continue;
      }
      const { pool } = this.flight!;
      const offset = pool.slotOffset(slot);
      copyFrame(frame, from, pool.region, offset);
      if (faults.corrupts(pool.region.view, offset, length)) counters.corrupted++;
      const late = faults.reorders();
      if (late > 0) counters.reordered++;
      this.flight!.push(slot, length, to, dueUs + late);
    }
  }

  private store(length: number): number {
    if (this.flight === undefined) this.flight = new InFlight(flightPool(this.devices, this.framesInFlight));
    if (length > this.flight.pool.slotSizeBytes) return -1;
    return this.flight.pool.allocReserved();
  }

  private hand(to: WireDevice, region: Region, from: number, length: number): void {
    const offset = to.closed ? -1 : to.reserve(length);
    if (offset < 0) {
      this.counters.receiverDropped++;
      return;
    }
    copyAcross(region, from, to.pool.region, offset, length);
    to.commit();
    this.counters.delivered++;
  }
}

function flightPool(devices: readonly WireDevice[], frames: number): SlotPool {
  let slotSizeBytes = 2048;
  for (const device of devices) while (slotSizeBytes < device.mtuBytes + 14) slotSizeBytes *= 2;
  return new SlotPool(heapRegion(frames * slotSizeBytes), { slotSizeBytes, headroomBytes: 0 });
}

function frameBytes(frame: Frame): number {
  let length = 0;
  for (let i = 0; i < frame.count; i++) length += frame.length[i]!;
  return length;
}

/**
 * Up to this many bytes are copied by a loop over words, which allocates nothing. From about 256 bytes on a call into V8's
 * runtime is faster, but it wants a view, 96 bytes of garbage per frame: only what is no ordinary frame goes that way.
 */
const COPY_LOOP_BYTES = 2048;

/** Copies a frame between regions. With checksums asked of the device, the copy is completed. */
function copyFrame(frame: Frame, from: WireDevice, target: Region, targetOffset: number): void {
  let at = targetOffset;
  for (let i = 0; i < frame.count; i++) {
    copyAcross(from.pool.region, frame.offset[i]!, target, at, frame.length[i]!);
    at += frame.length[i]!;
  }
  if (frame.checksumStart !== 0 && !from.leavesChecksums) {
    completeChecksum(frame, target.bytes, targetOffset, at);
  }
}

function copyAcross(from: Region, start: number, to: Region, at: number, length: number): void {
  if (length > COPY_LOOP_BYTES) {
    to.bytes.set(from.bytes.subarray(start, start + length), at);
    return;
  }
  const source = from.view;
  const target = to.view;
  let done = 0;
  // Little-endian, as the machine is, so that no byte is swapped on the way.
  for (; done + 16 <= length; done += 16) {
    target.setInt32(at + done, source.getInt32(start + done, true), true);
    target.setInt32(at + done + 4, source.getInt32(start + done + 4, true), true);
    target.setInt32(at + done + 8, source.getInt32(start + done + 8, true), true);
    target.setInt32(at + done + 12, source.getInt32(start + done + 12, true), true);
  }
  for (; done < length; done++) target.setUint8(at + done, source.getUint8(start + done));
}

/** What a device with checksum offload does: the sum from `checksumStart` on, over the pseudo-header sum in the field. */
function completeChecksum(frame: Frame, bytes: Uint8Array, start: number, end: number): void {
  const from = start + frame.checksumStart;
  let sum = 0;
  for (let at = from; at < end; at += 2) {
    sum += (bytes[at]! << 8) | (at + 1 < end ? bytes[at + 1]! : 0);
    sum = (sum & 0xffff) + (sum >>> 16);
  }
  const checksum = ~sum & 0xffff || 0xffff;
  bytes[from + frame.checksumOffset] = checksum >>> 8;
  bytes[from + frame.checksumOffset + 1] = checksum;
}
