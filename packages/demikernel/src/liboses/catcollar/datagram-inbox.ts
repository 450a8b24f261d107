// Datagrams that have arrived and nobody has popped yet, each in the place it landed in.

import type { ScatterGatherArray, SlotPool } from '@demikernel/memory';
import { type SocketAddress as NativeAddress, SOCKET_ADDRESS_BYTES } from '@demikernel/native/kernel';
import { AF_INET, type SocketAddress } from '../../runtime/socket-address.ts';
import { readNative } from '../../sockets/address.ts';

/** struct io_uring_recvmsg_out: u32 namelen, controllen, payloadlen, flags; then the name, then the payload. */
const HEADER_BYTES = 16;
const PAYLOAD_OFFSET: number = HEADER_BYTES + SOCKET_ADDRESS_BYTES;
const NAME_LENGTH = 0;
const FLAGS = 12;
const MSG_TRUNC = 0x20;

/** Datagrams that one socket may leave unread; the kernel keeps the next ones. */
export const UNREAD_DATAGRAMS = 64;

export class DatagramInbox {
  count: number;
  private readonly landing: SlotPool;
  private readonly pool: SlotPool;
  private readonly slots: Int32Array;
  private readonly lengths: Int32Array;
  private head: number;
  private readonly scratch: NativeAddress;

  /** @param landing the pool of landing slots, @param pool where small datagrams go when those become few */
  constructor(landing: SlotPool, pool: SlotPool, scratch: NativeAddress) {
    this.count = 0;
    this.landing = landing;
    this.pool = pool;
    // What is under way while a pause is asked for comes on top.
    this.slots = new Int32Array(1024);
    this.lengths = new Int32Array(1024);
    this.head = 0;
    this.scratch = scratch;
  }

  /** Adds what a completion brought: `lengthBytes` with header and name. False: no datagram, the slot is given back. */
  add(slot: number, lengthBytes: number): boolean {
    if (lengthBytes < PAYLOAD_OFFSET || this.count === this.slots.length) {
      this.landing.release(slot);
      return false;
    }
    const at = (this.head + this.count++) & (this.slots.length - 1);
    this.slots[at] = slot;
    this.lengths[at] = lengthBytes - PAYLOAD_OFFSET;
    return true;
  }

  /** Payload of the oldest datagram, in bytes. */
  get lengthBytes(): number {
    return this.lengths[this.head]!;
  }

  /** Whether the oldest was longer than fits. */
  get truncated(): boolean {
    const { landing } = this;
    const start = this.slots[this.head]! << landing.slotShift;
    return (landing.region.view.getInt32(start + FLAGS, true) & MSG_TRUNC) !== 0;
  }

  /** Takes the oldest, cut off after `limitBytes`, and says who sent it. */
  take(limitBytes: number, source: SocketAddress): ScatterGatherArray {
    const { landing, pool } = this;
    const slot = this.slots[this.head]!;
    const lengthBytes = Math.min(this.lengths[this.head]!, limitBytes);
    this.head = (this.head + 1) & (this.slots.length - 1);
    this.count--;
    const start = slot << landing.slotShift;
    this.readSource(source, start);
    // Who keeps many datagrams for long must not keep others from landing.
    if (landing.freeSlots < landing.slotCount >> 2) {
      const copy = this.copy(start + PAYLOAD_OFFSET, lengthBytes);
      if (copy !== undefined) {
        landing.release(slot);
        return copy;
      }
    }
    const array = pool.array();
    array.append(landing.slice(slot, start + PAYLOAD_OFFSET, lengthBytes));
    return array;
  }

  private copy(from: number, lengthBytes: number): ScatterGatherArray | undefined {
    const { landing, pool } = this;
    const array = pool.allocArray(lengthBytes);
    if (array === undefined) return undefined;
    let at = from;
    for (let i = 0; i < array.count; i++) {
      const { offset, length } = array.segments[i]!;
      pool.region.bytes.set(landing.region.bytes.subarray(at, at + length), offset);
      at += length;
    }
    return array;
  }

  private readSource(into: SocketAddress, start: number): void {
    const { view } = this.landing.region;
    const name = start + HEADER_BYTES;
    const lengthBytes = view.getInt32(start + NAME_LENGTH, true);
    if (lengthBytes >= 8 && view.getUint16(name, true) === AF_INET) {
      into.setIpv4(view.getInt32(name + 4, false), view.getUint16(name + 2, false));
      return;
    }
    const { scratch } = this;
    scratch.setBytes(this.landing.region.bytes, name, lengthBytes);
    readNative(into, scratch);
  }

  clear(): void {
    while (this.count > 0) {
      this.landing.release(this.slots[this.head]!);
      this.head = (this.head + 1) & (this.slots.length - 1);
      this.count--;
    }
  }
}
