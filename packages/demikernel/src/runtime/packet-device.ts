// The seam between packet devices and the network stack: bursts in, frames out. Devices and stack meet here only.

import type { SlotPool } from '@demikernel/memory';

/** Frames that one `receive` returns at most. */
export const RECEIVE_BURST = 64;
/** Segments of one frame at most; a device may allow fewer. */
export const MAX_FRAME_SEGMENTS = 16;

/** The device has checked the transport checksum, or the frame never left this machine's memory. */
export const RX_CHECKSUM_VALID = 1;
/** The frame goes on in the next entry of the burst (multi-buffer). */
export const RX_CONTINUES = 2;

/**
 * Received frames: entry i is `length[i]` bytes at `offset[i]` of the device's region.
 *
 * Each entry carries one reference to the slot it lies in, which the receiver takes over and must give up.
 */
export class ReceiveBurst {
  count: number;
  readonly offset: Int32Array;
  readonly length: Int32Array;
  readonly flags: Int32Array;

  constructor() {
    this.count = 0;
    this.offset = new Int32Array(RECEIVE_BURST);
    this.length = new Int32Array(RECEIVE_BURST);
    this.flags = new Int32Array(RECEIVE_BURST);
  }
}

/**
 * A frame to send: `length[i]` bytes at `offset[i]` of the device's region for i < count, one slot reference each.
 *
 * When `checksumStart` is not 0 and the device offers it, the device writes the Internet checksum of the bytes from
 * `checksumStart` on at `checksumStart + checksumOffset`, where the stack has put the folded pseudo-header sum.
 */
export class Frame {
  count: number;
  readonly offset: Int32Array;
  readonly length: Int32Array;
  checksumStart: number;
  checksumOffset: number;

  constructor() {
    this.count = 0;
    this.offset = new Int32Array(MAX_FRAME_SEGMENTS);
    this.length = new Int32Array(MAX_FRAME_SEGMENTS);
    this.checksumStart = 0;
    this.checksumOffset = 0;
  }

  clear(): void {
    this.count = 0;
    this.checksumStart = 0;
  }

  append(offset: number, length: number): void {
    this.offset[this.count] = offset;
    this.length[this.count] = length;
    this.count++;
  }
}

/** What a device counts; the stack and the command line read it. */
export interface DeviceCounters {
  receivedFrames: number;
  receivedBytes: number;
  transmittedFrames: number;
  transmittedBytes: number;
  /** Frames lost because no slot or ring entry was free. */
  receiveDropped: number;
  transmitDropped: number;
}

/**
 * A device that moves Ethernet frames, all of whose memory is one pool.
 *
 * Calls never block and never allocate. `receive` and `transmit` may defer work to `flush`, which is called once per turn.
 */
export interface PacketDevice {
  readonly name: string;
  /** Six bytes. */
  readonly macAddress: Uint8Array;
  /** Largest IP packet in bytes, without the Ethernet header. */
  readonly mtuBytes: number;
  readonly pool: SlotPool;
  /** Segments a frame may have; 1 means no gather. */
  readonly segmentLimit: number;
  /** Payload pieces shorter than this many bytes are cheaper to copy behind the header than to gather. */
  readonly copyThresholdBytes: number;
  /** The device fills transport checksums in (see {@link Frame}). */
  readonly transmitChecksum: boolean;
  /** Frames may arrive with only the pseudo-header sum in the checksum field (kernel senders on veth). */
  readonly partialChecksums: boolean;
  readonly counters: DeviceCounters;
  /** Fills `burst`; returns its count. */
  receive(burst: ReceiveBurst): number;
  /** Frames that `transmit` would take now. */
  transmitRoom(): number;
  /** Takes the frame's references and its order. The caller has checked `transmitRoom`. */
  transmit(frame: Frame): void;
  /** Publishes what was transmitted, gives the driver its kick, takes completed frames back, refills the receive side. */
  flush(): void;
  /** Descriptors that become readable when a frame arrives; empty when there are none to sleep on. */
  readonly descriptors: readonly number[];
  close(): void;
}
