// A packet device over one AF_XDP socket: the pool is the socket's memory, frames move without a copy of ours.
// Which frames come here is decided by the XDP program that whoever opens the device attaches (liboses/catpowder).

import { SlotPool } from '@demikernel/memory';
import {
  AfXdpSocket,
  libc,
  mapRegion,
  XDP_PACKET_HEADROOM_BYTES,
  XDP_PKT_CONTD,
} from '@demikernel/native/kernel';
import {
  type Frame,
  MAX_FRAME_SEGMENTS,
  type PacketDevice,
  RECEIVE_BURST,
  type ReceiveBurst,
} from '../runtime/packet-device.ts';
import {
  AfXdpCounters,
  RECEIVED_BYTES,
  RECEIVED_FRAMES,
  TRANSMIT_DROPPED,
  TRANSMITTED_BYTES,
  TRANSMITTED_FRAMES,
} from './af-xdp-counters.ts';
import { completeChecksum } from './frame-checksum.ts';
import { TransmitMetadata } from './transmit-metadata.ts';

const ETHERNET_HEADER_BYTES = 14;
/** Refill when this many slots are missing: the fill ring's index is published once for all of them. */
const REFILL_BATCH = 32;
const COMPLETION_BURST = 256;
/** How long `close` waits for frames under way. */
const DRAIN_MS = 50;

const DEFAULT_SLOT_BYTES = 2048;

/** Largest IP packet that the kernel puts into one slot. */
export function slotMtuBytes(slotSizeBytes: number = DEFAULT_SLOT_BYTES): number {
  return slotSizeBytes - XDP_PACKET_HEADROOM_BYTES - ETHERNET_HEADER_BYTES;
}

export interface AfXdpDeviceOptions {
  /** Name of the interface, for messages and metrics. */
  name: string;
  interfaceIndex: number;
  queue?: number;
  /** Six bytes. */
  macAddress: Uint8Array;
  /** The interface's own MTU; the device's is smaller when a frame has to fit in one slot. */
  interfaceMtuBytes?: number;
  /** Slots in the pool. Default 8192. */
  slots?: number;
  /** 2048 or 4096. */
  slotSizeBytes?: number;
  /** Entries of each ring; a power of two. Default 2048. */
  ringEntries?: number;
  /** Slots kept with the kernel for receiving. Default: a full fill ring, at most half the pool. */
  fillSlots?: number;
  mode?: 'auto' | 'copy' | 'zero-copy';
  /** Frames over several slots. */
  multiBuffer?: boolean;
  /** As in `AfXdpOptions`. */
  transmitChecksum?: 'none' | 'offload' | 'software';
  /** Whether frames come from kernel senders on the same machine, with checksums left to a device that is not there. */
  partialChecksums?: boolean;
  /** Segments of one frame. Default 1: where the kernel copies anyway, another descriptor costs more than a copy of ours. */
  segmentLimit?: number;
  copyThresholdBytes?: number;
  /** A device whose memory, pool and mode this one shares: another queue, or another interface. */
  sharedWith?: AfXdpDevice;
  /** Poison freed slots (see `SlotPoolOptions`). */
  debugMemory?: boolean;
}

/**
 * A queue of a network device by AF_XDP.
 *
 * ```
 *   pool ──supply──> fill ring ──kernel──> receive ring ──> stack ──> … ──> pool
 *   stack ──transmit──> transmit ring ──kernel──> completion ring ──> pool
 * ```
 *
 * A slot that a ring holds keeps one reference per descriptor; `held` counts them, so that `close` can give back what the
 * kernel still has.
 */
export class AfXdpDevice implements PacketDevice {
  readonly name: string;
  readonly macAddress: Uint8Array;
  readonly mtuBytes: number;
  readonly pool: SlotPool;
  readonly segmentLimit: number;
  readonly copyThresholdBytes: number;
  readonly transmitChecksum: boolean;
  readonly partialChecksums: boolean;
  readonly counters: AfXdpCounters;
  readonly descriptors: readonly number[];
  /** The socket, for the XDP program's map. */
  readonly socket: AfXdpSocket;
  private readonly values: Float64Array;
  private readonly ownsPool: boolean;
  private readonly held: Uint16Array;
  private readonly done: Int32Array;
  private readonly metadata: TransmitMetadata | undefined;
  private readonly fillTarget: number;
  /** Slots that the kernel has for receiving. */
  private supplied: number;
  /** Descriptors written and not completed yet. */
  private inFlight: number;
  private readonly inFlightLimit: number;
  private unpublished: boolean;
  /** The last kick left frames in the ring. */
  private stalled: boolean;
  private closed: boolean;

  /**
   * Opens the queue, in the network namespace of the calling thread.
   *
   * @throws DemiError as `AfXdpSocket` and `mapRegion`
   */
  constructor(options: AfXdpDeviceOptions) {
    const { sharedWith, slotSizeBytes = DEFAULT_SLOT_BYTES, ringEntries = 2048, slots = 8192 } = options;
    const region =
      sharedWith?.pool.region ?? mapRegion({ lengthBytes: slots * slotSizeBytes, populate: true });
    const pool =
      sharedWith?.pool ??
      new SlotPool(region, {
        slotSizeBytes,
        reserveSlots: Math.min(ringEntries >> 1, slots >> 2),
        debug: options.debugMemory === true,
      });
    try {
      this.socket = new AfXdpSocket({
        interfaceIndex: options.interfaceIndex,
        queue: options.queue ?? 0,
        region,
        chunkBytes: slotSizeBytes,
        fillEntries: ringEntries,
        completionEntries: ringEntries,
        receiveEntries: ringEntries,
        transmitEntries: ringEntries,
        mode: options.mode ?? 'auto',
        multiBuffer: sharedWith?.socket.multiBuffer ?? options.multiBuffer === true,
        transmitChecksum: options.transmitChecksum ?? 'none',
        sharedWith: sharedWith?.socket,
      });
    } catch (error) {
      if (sharedWith === undefined) region.release();
      throw error;
    }
    const { socket } = this;
    this.name = options.name;
    this.macAddress = options.macAddress;
    const interfaceMtuBytes = options.interfaceMtuBytes ?? 1500;
    this.mtuBytes = socket.multiBuffer
      ? interfaceMtuBytes
      : Math.min(interfaceMtuBytes, slotMtuBytes(pool.slotSizeBytes));
    this.pool = pool;
    this.segmentLimit = socket.multiBuffer
      ? Math.min(options.segmentLimit ?? MAX_FRAME_SEGMENTS, MAX_FRAME_SEGMENTS)
      : 1;
    this.copyThresholdBytes = options.copyThresholdBytes ?? (socket.zeroCopy ? 512 : pool.slotSizeBytes);
    this.transmitChecksum = socket.transmitMetadata;
    this.partialChecksums = options.partialChecksums === true;
    this.counters = new AfXdpCounters(socket);
    this.values = this.counters.values;
    this.descriptors = [socket.descriptor];
    this.ownsPool = sharedWith === undefined;
    this.held = new Uint16Array(pool.slotCount);
    this.done = new Int32Array(COMPLETION_BURST);
    this.metadata = socket.transmitMetadata ? new TransmitMetadata(pool, socket.multiBuffer) : undefined;
    this.fillTarget = Math.min(options.fillSlots ?? ringEntries, ringEntries, pool.slotCount >> 1);
    this.supplied = 0;
    this.inFlight = 0;
    this.inFlightLimit = ringEntries;
    this.unpublished = false;
    this.stalled = false;
    this.closed = false;
    this.refill();
  }

  receive(burst: ReceiveBurst): number {
    const { offset, length, flags } = burst;
    const count = this.socket.receive(offset, length, flags, RECEIVE_BURST);
    burst.count = count;
    if (count === 0) return 0;
    const { held } = this;
    const shift = this.pool.slotShift;
    let bytes = 0;
    let frames = 0;
    for (let i = 0; i < count; i++) {
      const slot = offset[i]! >> shift;
      held[slot] = held[slot]! - 1;
      bytes += length[i]!;
      const goesOn = flags[i]! & XDP_PKT_CONTD;
      frames += 1 - goesOn;
      // RX_CONTINUES is the next bit.
      flags[i] = goesOn << 1;
    }
    this.supplied -= count;
    this.values[RECEIVED_FRAMES] = this.values[RECEIVED_FRAMES]! + frames;
    this.values[RECEIVED_BYTES] = this.values[RECEIVED_BYTES]! + bytes;
    return count;
  }

  transmitRoom(): number {
    // `move` may need one more than the stack knows of.
    const limit = this.segmentLimit === 1 ? 1 : this.segmentLimit + 1;
    const open = this.inFlightLimit - this.inFlight;
    const free = this.socket.transmitRing.free(limit);
    const room = Math.min(open, free);
    return limit === 1 ? room : (room / limit) | 0;
  }

  transmit(frame: Frame): void {
    const { socket, held } = this;
    const shift = this.pool.slotShift;
    const { metadata } = this;
    if (metadata !== undefined && !metadata.placed(frame)) {
      this.values[TRANSMIT_DROPPED] = this.values[TRANSMIT_DROPPED]! + 1;
      for (let i = 0; i < frame.count; i++) this.pool.release(frame.offset[i]! >> shift);
      return;
    }
    const last = frame.count - 1;
    let options = 0;
    if (frame.checksumStart !== 0) {
      if (metadata === undefined) completeChecksum(this.pool.region.view, frame);
      else options = metadata.request(frame);
    }
    let bytes = 0;
    for (let i = 0; i <= last; i++) {
      const offset = frame.offset[i]!;
      const length = frame.length[i]!;
      const slot = offset >> shift;
      held[slot] = held[slot]! + 1;
      socket.transmit(offset, length, i === last ? options : options | XDP_PKT_CONTD);
      // Metadata belongs to the first descriptor.
      options = 0;
      bytes += length;
    }
    this.inFlight += frame.count;
    this.unpublished = true;
    this.values[TRANSMITTED_FRAMES] = this.values[TRANSMITTED_FRAMES]! + 1;
    this.values[TRANSMITTED_BYTES] = this.values[TRANSMITTED_BYTES]! + bytes;
  }

  flush(): void {
    if (this.inFlight > 0) this.harvest();
    if (this.unpublished || this.stalled) this.send();
    if (this.fillTarget - this.supplied >= REFILL_BATCH) this.refill();
  }

  /** Frames wait for the kernel, or there is no room for more: who sleeps now must look again soon, nothing will wake it. */
  get backlogged(): boolean {
    return this.stalled || this.inFlight >= this.inFlightLimit;
  }

  /** Gives the queue back. Frames under way get {@link DRAIN_MS} to leave; then every slot the kernel held is released. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.flush();
    for (let waited = 0; this.inFlight > 0 && waited < DRAIN_MS; waited++) {
      libc().poll(0, 0, 1);
      this.flush();
    }
    this.counters.kernel();
    this.socket.close();
    const { held, pool } = this;
    for (let slot = 0; slot < held.length; slot++) {
      for (let count = held[slot]!; count > 0; count--) pool.release(slot);
    }
    held.fill(0);
    if (this.ownsPool) pool.region.release();
  }

  private send(): void {
    const { socket } = this;
    if (this.unpublished) {
      socket.transmitRing.publish();
      this.unpublished = false;
    }
    this.stalled = socket.transmitRing.needsWakeup() && socket.kick() !== 0;
  }

  private harvest(): void {
    const { done, held, pool, socket } = this;
    const shift = pool.slotShift;
    let count = 0;
    do {
      count = socket.completed(done, COMPLETION_BURST);
      for (let i = 0; i < count; i++) {
        const slot = done[i]! >> shift;
        held[slot] = held[slot]! - 1;
        pool.release(slot);
      }
      this.inFlight -= count;
    } while (count === COMPLETION_BURST);
  }

  private refill(): void {
    const { held, pool, socket } = this;
    const shift = pool.slotShift;
    const wanted = this.fillTarget - this.supplied;
    let count = socket.fill.free(wanted);
    if (count > wanted) count = wanted;
    let given = 0;
    while (given < count) {
      const slot = pool.allocReserved();
      if (slot < 0) break;
      held[slot] = held[slot]! + 1;
      socket.supply(slot << shift);
      given++;
    }
    if (given === 0) return;
    this.supplied += given;
    socket.fill.publish();
    if (socket.fill.needsWakeup()) socket.wakeReceive();
  }
}
