// Packets of one four-tuple whose connection is on its way: kept within a bound, replayed into the stack, or handed on.
// Which four-tuples are held is holdings.ts; what happens to the connection is frozen.ts.

import type { Slice } from '@demikernel/memory';
import { RX_CHECKSUM_VALID } from '../../../runtime/packet-device.ts';
import { Timer, type TimerOwner } from '../../../runtime/timer-wheel.ts';
import { count, HELD, HELD_DROPPED, HELD_FORWARDED } from '../counters.ts';
import { receiveSegment } from '../receive.ts';
import { ACK, SYN } from '../segment.ts';
import type { TcpLayer } from '../tcp-layer.ts';

/** Takes one IPv4 packet, header included; good during the call only. */
export type PacketSink = (packet: Uint8Array) => void;

/** Packets that a holding keeps when it is not told otherwise. */
export const DEFAULT_HELD_PACKETS = 256;

/** Who is in the way of the stack's answers for one four-tuple. */
export class Holding implements TimerOwner {
  readonly layer: TcpLayer;
  readonly localAddress: number;
  readonly localPort: number;
  readonly remoteAddress: number;
  readonly remotePort: number;
  /** Packets that found no room. */
  dropped: number;
  /** What else goes when the layer is closed: a frozen connection. */
  onClose: (() => void) | undefined;
  private readonly limit: number;
  private readonly packets: Slice[];
  private sink: PacketSink | undefined;
  private readonly timer: Timer;

  /** Use `Holdings.open`. */
  constructor(
    layer: TcpLayer,
    localAddress: number,
    localPort: number,
    remoteAddress: number,
    remotePort: number,
    limit: number,
  ) {
    this.layer = layer;
    this.localAddress = localAddress;
    this.localPort = localPort;
    this.remoteAddress = remoteAddress;
    this.remotePort = remotePort;
    this.dropped = 0;
    this.onClose = undefined;
    this.limit = limit;
    this.packets = [];
    this.sink = undefined;
    this.timer = new Timer(this, 0);
  }

  /** Whether it keeps nothing any more, and hands on what comes. */
  get forwarding(): boolean {
    return this.sink !== undefined;
  }

  /** Packets kept now. */
  get held(): number {
    return this.packets.length;
  }

  /**
   * Takes a segment and the one reference to its slot.
   *
   * @returns false when it is not ours to take: the connection has moved and this opens a new one
   */
  take(ipOffset: number, offset: number, lengthBytes: number, flags: number): boolean {
    const { layer, sink } = this;
    const { pool, counters } = layer;
    const slot = offset >> pool.slotShift;
    const packetBytes = offset - ipOffset + lengthBytes;
    if (sink !== undefined) {
      if ((flags & (SYN | ACK)) === SYN) return false;
      count(counters, HELD_FORWARDED);
      sink(pool.region.bytes.subarray(ipOffset, ipOffset + packetBytes));
      pool.release(slot);
      return true;
    }
    if (this.packets.length >= this.limit || pool.freeSlots < layer.floorSlots) {
      this.dropped++;
      count(counters, HELD_DROPPED);
      pool.release(slot);
      return true;
    }
    count(counters, HELD);
    this.packets.push(pool.slice(slot, ipOffset, packetBytes));
    return true;
  }

  /** Gives what was kept to the stack again, in order; from here on nothing is held. */
  replay(): void {
    const { layer } = this;
    const { pool, view } = layer;
    this.end();
    for (const slice of this.packets) {
      const { slot, offset, length } = slice;
      pool.retain(slot);
      slice.release();
      const headerBytes = (view.getUint8(offset) & 15) << 2;
      const source = view.getInt32(offset + 12);
      const destination = view.getInt32(offset + 16);
      // Its checksum was looked at when it came.
      receiveSegment(
        layer,
        offset + headerBytes,
        length - headerBytes,
        source,
        destination,
        RX_CHECKSUM_VALID,
        offset,
      );
    }
    this.packets.length = 0;
  }

  /** Hands what was kept, and what still comes within `graceUs`, to `sink`; without one it is dropped, and no answer given. */
  forward(sink: PacketSink, graceUs: number): void {
    const { layer } = this;
    this.sink = sink;
    this.onClose = undefined;
    for (const slice of this.packets) {
      count(layer.counters, HELD_FORWARDED);
      sink(slice.bytes());
      slice.release();
    }
    this.packets.length = 0;
    layer.timers.arm(this.timer, graceUs);
  }

  /** The grace period is over. */
  onTimer(): void {
    this.close();
  }

  /** Drops what is kept and lets go of the four-tuple. */
  close(): void {
    this.end();
    for (const slice of this.packets) slice.release();
    this.packets.length = 0;
  }

  private end(): void {
    this.layer.timers.cancel(this.timer);
    this.onClose = undefined;
    this.layer.holdings.remove(this);
  }
}
