// A packet device over an AF_PACKET socket: where AF_XDP is refused. Frames are copied once, between ring and slot.
// The kernel's own stack sees the same frames: only addresses that it does not have can be served this way.

import { Region, SlotPool } from '@demikernel/memory';
import {
  AfPacketSocket,
  mapAnonymous,
  packetRingBytes,
  roundUpToPages,
  TP_STATUS_CSUM_VALID,
  TP_STATUS_CSUMNOTREADY,
  VIRTIO_GSO_TCPV4,
  VIRTIO_HEADER_BYTES,
  VIRTIO_NEEDS_CHECKSUM,
  viewOf,
} from '@demikernel/native/kernel';
import {
  type DeviceCounters,
  type Frame,
  MAX_FRAME_SEGMENTS,
  type PacketDevice,
  RECEIVE_BURST,
  type ReceiveBurst,
  RX_CHECKSUM_VALID,
} from '../runtime/packet-device.ts';
import { Resegmenter } from './resegment.ts';

const ETHERNET_HEADER_BYTES = 14;
/** Where received frames begin in their slot: room for headers in front when a payload is sent on in place. */
const FRAME_OFFSET = 128;
const ROOM_SCAN = 64;
const VIRTIO_GSO_MASK = 0x7f;

export interface AfPacketDeviceOptions {
  name: string;
  interfaceIndex: number;
  /** Six bytes. */
  macAddress: Uint8Array;
  interfaceMtuBytes?: number;
  /** Slots in the pool. Default 4096. */
  slots?: number;
  /** Frames in each ring. Default 1024. */
  ringFrames?: number;
  /** Devices with the same number share the interface's frames by flow. */
  fanoutGroup?: number;
  /** Classic BPF that chooses frames (see `AfPacketOptions`). */
  filter?: Uint8Array;
  /** Hear what the host sends, too, and frames for other stations: for captures. Default false. */
  monitor?: boolean;
  debugMemory?: boolean;
}

const RECEIVED_FRAMES = 0;
const RECEIVED_BYTES = 1;
const TRANSMITTED_FRAMES = 2;
const TRANSMITTED_BYTES = 3;
const RECEIVE_DROPPED = 4;
const TRANSMIT_DROPPED = 5;

class AfPacketCounters implements DeviceCounters {
  readonly values: Float64Array;
  private readonly socket: AfPacketSocket;

  constructor(socket: AfPacketSocket) {
    this.values = new Float64Array(6);
    this.socket = socket;
  }

  get receivedFrames(): number {
    return this.values[RECEIVED_FRAMES]!;
  }

  get receivedBytes(): number {
    return this.values[RECEIVED_BYTES]!;
  }

  get transmittedFrames(): number {
    return this.values[TRANSMITTED_FRAMES]!;
  }

  get transmittedBytes(): number {
    return this.values[TRANSMITTED_BYTES]!;
  }

  get receiveDropped(): number {
    return this.values[RECEIVE_DROPPED]! + this.socket.receiveDropped();
  }

  get transmitDropped(): number {
    return this.values[TRANSMIT_DROPPED]!;
  }
}

/** An interface by AF_PACKET. Gathering is free here: every segment is copied into the ring anyway. */
export class AfPacketDevice implements PacketDevice {
  readonly name: string;
  readonly macAddress: Uint8Array;
  readonly mtuBytes: number;
  readonly pool: SlotPool;
  readonly segmentLimit: number;
  readonly copyThresholdBytes: number;
  readonly transmitChecksum: boolean;
  /** The ring says which checksums are left out; such frames count as checked. */
  readonly partialChecksums: boolean;
  readonly counters: AfPacketCounters;
  readonly descriptors: readonly number[];
  private readonly socket: AfPacketSocket;
  private readonly values: Float64Array;
  /** Slots, rings and the place for long frames, as one: what is copied stays within it. */
  private readonly bytes: Uint8Array;
  private readonly view: DataView;
  private readonly slotRoom: number;
  private readonly resegmenter: Resegmenter;
  /** Transmit frames known to be free. */
  private room: number;
  private unsent: boolean;
  private closed: boolean;

  /**
   * Opens the interface, in the network namespace of the calling thread.
   *
   * @throws DemiError as `AfPacketSocket` and `mapRegion`
   */
  constructor(options: AfPacketDeviceOptions) {
    const { interfaceMtuBytes = 1500, slots = 4096 } = options;
    const sizes = {
      frames: options.ringFrames,
      linkFrameBytes: interfaceMtuBytes + ETHERNET_HEADER_BYTES,
    };
    let slotSizeBytes = 2048;
    while (slotSizeBytes < sizes.linkFrameBytes + FRAME_OFFSET) slotSizeBytes *= 2;
    const slotsBytes = roundUpToPages(slots * slotSizeBytes);
    const memory = mapAnonymous({ lengthBytes: slotsBytes + packetRingBytes(sizes) });
    try {
      this.socket = new AfPacketSocket({
        ...sizes,
        interfaceIndex: options.interfaceIndex,
        fanoutGroup: options.fanoutGroup,
        filter: options.filter,
        monitor: options.monitor,
        memory,
        memoryOffset: slotsBytes,
      });
    } catch (error) {
      memory.release();
      throw error;
    }
    // The pool's region is the front part alone, as an ArrayBuffer of its own over the same memory.
    const region = new Region({
      buffer: viewOf(memory.address, slotsBytes),
      address: memory.address,
      release: () => memory.release(),
    });
    this.name = options.name;
    this.macAddress = options.macAddress;
    this.mtuBytes = interfaceMtuBytes;
    this.pool = new SlotPool(region, {
      slotSizeBytes,
      reserveSlots: slots >> 2,
      debug: options.debugMemory === true,
    });
    this.segmentLimit = MAX_FRAME_SEGMENTS;
    this.copyThresholdBytes = 0;
    this.transmitChecksum = true;
    this.partialChecksums = false;
    this.counters = new AfPacketCounters(this.socket);
    this.values = this.counters.values;
    this.descriptors = [this.socket.descriptor];
    this.bytes = memory.bytes();
    this.view = memory.view();
    this.slotRoom = slotSizeBytes - FRAME_OFFSET;
    this.resegmenter = new Resegmenter(memory.buffer);
    this.room = 0;
    this.unsent = false;
    this.closed = false;
  }

  receive(burst: ReceiveBurst): number {
    const { socket } = this;
    burst.count = 0;
    if (this.resegmenter.active) this.takeSegments(burst);
    // Frames of one connection stay in order: what is left of a long one goes first.
    while (burst.count < RECEIVE_BURST && !this.resegmenter.active && socket.readable) {
      if (socket.isLarge) this.takeLarge(burst);
      else {
        this.take(burst);
        socket.next();
      }
    }
    return burst.count;
  }

  transmitRoom(): number {
    if (this.room === 0) this.room = this.socket.transmitRoom(ROOM_SCAN);
    return this.room;
  }

  transmit(frame: Frame): void {
    const { bytes, pool, socket, view } = this;
    const at = socket.transmitOffset;
    let length = VIRTIO_HEADER_BYTES;
    for (let i = 0; i < frame.count; i++) length += frame.length[i]!;
    const fits = length - VIRTIO_HEADER_BYTES <= socket.transmitBytes;
    let to = at + VIRTIO_HEADER_BYTES;
    for (let i = 0; i < frame.count; i++) {
      const offset = frame.offset[i]!;
      const end = offset + frame.length[i]!;
      if (fits) bytes.copyWithin(to, offset, end);
      to += frame.length[i]!;
      pool.release(offset >> pool.slotShift);
    }
    if (!fits) {
      this.values[TRANSMIT_DROPPED] = this.values[TRANSMIT_DROPPED]! + 1;
      return;
    }
    // struct virtio_net_hdr: flags, gso_type, hdr_len u16, gso_size u16, csum_start u16, csum_offset u16
    const wanted = frame.checksumStart !== 0;
    view.setInt32(at, wanted ? VIRTIO_NEEDS_CHECKSUM : 0, true);
    view.setInt32(at + 4, wanted ? frame.checksumStart << 16 : 0, true);
    view.setInt16(at + 8, wanted ? frame.checksumOffset : 0, true);
    socket.transmit(length);
    if (this.room > 0) this.room--;
    this.unsent = true;
    this.values[TRANSMITTED_FRAMES] = this.values[TRANSMITTED_FRAMES]! + 1;
    this.values[TRANSMITTED_BYTES] = this.values[TRANSMITTED_BYTES]! + length - VIRTIO_HEADER_BYTES;
  }

  flush(): void {
    if (!this.unsent) return;
    this.socket.kick();
    this.unsent = this.socket.pendingTransmit();
  }

  /** Frames wait for the kernel: who sleeps now must look again soon. */
  get backlogged(): boolean {
    return this.unsent;
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.flush();
    this.socket.close();
    this.pool.region.release();
  }

  private take(burst: ReceiveBurst): void {
    const { pool, socket } = this;
    const length = socket.frameLength;
    const slot = socket.isCut || length > this.slotRoom ? -1 : pool.allocReserved();
    if (slot < 0) {
      this.values[RECEIVE_DROPPED] = this.values[RECEIVE_DROPPED]! + 1;
      return;
    }
    const offset = (slot << pool.slotShift) + FRAME_OFFSET;
    const from = socket.frameOffset;
    this.bytes.copyWithin(offset, from, from + length);
    const valid = (socket.status & (TP_STATUS_CSUM_VALID | TP_STATUS_CSUMNOTREADY)) !== 0;
    this.give(burst, offset, length, valid ? RX_CHECKSUM_VALID : 0);
  }

  private takeLarge(burst: ReceiveBurst): void {
    const { resegmenter, socket, view } = this;
    const at = socket.largeOffset;
    const length = socket.receiveLarge();
    socket.next();
    const usable =
      length > VIRTIO_HEADER_BYTES &&
      (view.getUint8(at + 1) & VIRTIO_GSO_MASK) === VIRTIO_GSO_TCPV4 &&
      resegmenter.begin(
        at + VIRTIO_HEADER_BYTES,
        length - VIRTIO_HEADER_BYTES,
        view.getUint16(at + 4, true),
      ) &&
      resegmenter.frameBytes <= this.slotRoom;
    if (usable) {
      this.takeSegments(burst);
      return;
    }
    resegmenter.cancel();
    this.values[RECEIVE_DROPPED] = this.values[RECEIVE_DROPPED]! + 1;
  }

  private takeSegments(burst: ReceiveBurst): void {
    const { pool, resegmenter } = this;
    while (burst.count < RECEIVE_BURST && resegmenter.active) {
      const slot = pool.allocReserved();
      // The rest waits for slots: TCP would only send it again.
      if (slot < 0) return;
      const offset = (slot << pool.slotShift) + FRAME_OFFSET;
      const length = resegmenter.next(offset);
      this.give(burst, offset, length, RX_CHECKSUM_VALID);
    }
  }

  private give(burst: ReceiveBurst, offset: number, length: number, flags: number): void {
    const i = burst.count++;
    burst.offset[i] = offset;
    burst.length[i] = length;
    burst.flags[i] = flags;
    this.values[RECEIVED_FRAMES] = this.values[RECEIVED_FRAMES]! + 1;
    this.values[RECEIVED_BYTES] = this.values[RECEIVED_BYTES]! + length;
  }
}
