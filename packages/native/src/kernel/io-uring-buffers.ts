// A ring of provided buffers (io_uring_register(2), IORING_REGISTER_PBUF_RING): memory that the kernel takes from when
// something arrives, so that a receive that waits holds none.

import { check } from './errno.ts';
import type { IoUring } from './io-uring.ts';
import { IORING_REGISTER_PBUF_RING, IORING_UNREGISTER_PBUF_RING } from './io-uring-constants.ts';
import type { Address } from './library.ts';
import { type MemoryMap, mapAnonymous } from './memory-map.ts';

const TWO_TO_32 = 2 ** 32;
/** Most entries of a ring. */
export const MAX_PROVIDED_BUFFERS = 32768;

export interface BufferRingOptions {
  /** Number by which entries choose the ring, 0 to 65535. */
  group: number;
  /** A power of two, at most {@link MAX_PROVIDED_BUFFERS}. */
  entries: number;
  /** Where the memory begins that {@link BufferRing.add} takes offsets into. */
  base: Address;
}

/**
 * Entries of struct io_uring_buf: u64 address, u32 length, u16 number; the tail lies in the first one's last half-word.
 * The kernel takes buffers in the order in which they were added, and names each by the number it was added with.
 */
export class BufferRing {
  readonly group: number;
  readonly entries: number;
  private readonly ring: IoUring;
  private readonly map: MemoryMap;
  private readonly words: Int32Array;
  private readonly halves: Uint16Array;
  private readonly base: Address;
  private readonly mask: number;
  private tail: number;

  /** @throws DemiError `ERR_DEMI_SYSCALL` (EINVAL before Linux 5.19, EEXIST) */
  constructor(ring: IoUring, options: BufferRingOptions) {
    const { group, entries } = options;
    this.group = group;
    this.entries = entries;
    this.ring = ring;
    this.base = options.base;
    this.mask = entries - 1;
    this.tail = 0;
    this.map = mapAnonymous({ lengthBytes: entries * 16 });
    this.words = new Int32Array(this.map.buffer);
    this.halves = new Uint16Array(this.map.buffer);
    // struct io_uring_buf_reg: u64 address, u32 entries, u16 group, u16 flags, 24 bytes reserved
    const request = new DataView(new ArrayBuffer(40));
    request.setBigUint64(0, this.map.address, true);
    request.setUint32(8, entries, true);
    request.setUint16(12, group, true);
    const result = ring.register(IORING_REGISTER_PBUF_RING, request, 1);
    if (result < 0) this.map.release();
    check(result, 'io_uring_register', { detail: `providing a ring of ${entries} buffers` });
  }

  /** Adds `lengthBytes` at `offset`, with the number that completions will name. Seen by the kernel after {@link publish}. */
  add(offset: number, lengthBytes: number, number: number): void {
    const { words } = this;
    const at = (this.tail & this.mask) << 2;
    const address = this.base + offset;
    words[at] = address;
    words[at + 1] = address / TWO_TO_32;
    words[at + 2] = lengthBytes;
    this.halves[(at << 1) + 6] = number;
    this.tail = (this.tail + 1) | 0;
  }

  /** Shows the kernel what was added. */
  publish(): void {
    this.halves[7] = this.tail;
  }

  /** Takes the ring back from the kernel; no receive may be choosing from it. */
  close(): void {
    if (this.map.released) return;
    const request = new DataView(new ArrayBuffer(40));
    request.setUint16(12, this.group, true);
    this.ring.register(IORING_UNREGISTER_PBUF_RING, request, 1);
    this.map.release();
  }
}
