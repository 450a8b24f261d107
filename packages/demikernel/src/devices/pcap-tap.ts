// A device around a device that writes every frame, both ways, into a capture. The format is pcapng.ts; where the bytes go
// is the sink's business.

import type { SlotPool } from '@demikernel/memory';
import type { Clock } from '../runtime/clock.ts';
import {
  type DeviceCounters,
  type Frame,
  type PacketDevice,
  type ReceiveBurst,
  RX_CONTINUES,
} from '../runtime/packet-device.ts';
import { INBOUND, OUTBOUND, packetBlockBytes, writeFileHeader, writePacketBlock } from './pcapng.ts';

/** Takes finished blocks. The bytes are the tap's and are overwritten after the call. */
export type CaptureSink = (blocks: Uint8Array) => void;

export interface PcapTapOptions {
  clock: Clock;
  sink: CaptureSink;
  /** Microseconds since 1970 at the clock's zero, so that captures carry the time of day. Default 0. */
  epochUs?: number;
  /** Bytes of a frame that are kept. Default 65535. */
  snapLength?: number;
  /** Blocks that wait for `flush`; when they are full, frames go uncaptured and are counted. Default 1 MiB. */
  bufferBytes?: number;
}

/** Passes everything on; allocates nothing per frame. The sink is called from `flush` and `close`. */
export class PcapTap implements PacketDevice {
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
  /** Frames in the capture so far. */
  captured: number;
  /** Frames that found the buffer full. */
  missed: number;
  private readonly clock: Clock;
  private readonly sink: CaptureSink;
  private readonly epochUs: number;
  private readonly snapLength: number;
  private readonly buffer: Uint8Array;
  private readonly view: DataView;
  private used: number;

  constructor(inner: PacketDevice, options: PcapTapOptions) {
    this.inner = inner;
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
    this.captured = 0;
    this.missed = 0;
    this.clock = options.clock;
    this.sink = options.sink;
    this.epochUs = options.epochUs ?? 0;
    this.snapLength = options.snapLength ?? 65535;
    this.buffer = new Uint8Array(options.bufferBytes ?? 1 << 20);
    this.view = new DataView(this.buffer.buffer);
    this.used = 0;
    this.sink(writeFileHeader(inner.name, this.snapLength));
  }

  receive(burst: ReceiveBurst): number {
    const count = this.inner.receive(burst);
    let first = 0;
    for (let i = 0; i < count; i++) {
      if ((burst.flags[i]! & RX_CONTINUES) !== 0) continue;
      this.capture(burst.offset, burst.length, first, i + 1, this.directionOf(burst.offset[first]!));
      first = i + 1;
    }
    return count;
  }

  /** A frame heard that carries our own source address was sent by this host. */
  private directionOf(offset: number): number {
    const { bytes } = this.pool.region;
    for (let i = 0; i < 6; i++) if (bytes[offset + 6 + i] !== this.macAddress[i]) return INBOUND;
    return OUTBOUND;
  }

  transmitRoom(): number {
    return this.inner.transmitRoom();
  }

  transmit(frame: Frame): void {
    this.capture(frame.offset, frame.length, 0, frame.count, OUTBOUND);
    this.inner.transmit(frame);
  }

  flush(): void {
    this.inner.flush();
    this.drain();
  }

  close(): void {
    this.drain();
    this.inner.close();
  }

  private drain(): void {
    if (this.used === 0) return;
    this.sink(this.buffer.subarray(0, this.used));
    this.used = 0;
  }

  /** Writes the frame made of the pieces `from` … `to - 1`. */
  private capture(
    offsets: Int32Array,
    lengths: Int32Array,
    from: number,
    to: number,
    direction: number,
  ): void {
    let original = 0;
    for (let i = from; i < to; i++) original += lengths[i]!;
    const captured = Math.min(original, this.snapLength);
    if (this.used + packetBlockBytes(captured) > this.buffer.length) {
      this.missed++;
      return;
    }
    const timeUs = Math.floor(this.epochUs + this.clock.micros[0]!);
    const block = this.used;
    this.used += writePacketBlock(this.view, block, timeUs, captured, original, direction);
    this.captured++;
    const source = this.pool.region.bytes;
    let at = block + 28;
    let left = captured;
    for (let i = from; i < to && left > 0; i++) {
      const length = Math.min(left, lengths[i]!);
      const start = offsets[i]!;
      for (let j = 0; j < length; j++) this.buffer[at + j] = source[start + j]!;
      at += length;
      left -= length;
    }
  }
}
