// One of the four rings that an AF_XDP socket shares with the kernel (linux/if_xdp.h; Documentation/networking/af_xdp.rst).
// What goes through them, and the socket itself, are in af-xdp.ts.

import type { MemoryMap } from './memory-map.ts';
import { mapDescriptor } from './memory-map.ts';

// linux/if_xdp.h: struct xdp_ring_offset, four per socket in struct xdp_mmap_offsets
export const RING_OFFSETS_BYTES = 32;
export const RECEIVE_RING_OFFSETS = 0;
export const TRANSMIT_RING_OFFSETS = 32;
export const FILL_RING_OFFSETS = 64;
export const COMPLETION_RING_OFFSETS = 96;

// XDP_PGOFF_*: which ring an mmap(2) of the socket means
export const RECEIVE_RING_PAGE_OFFSET = 0;
export const TRANSMIT_RING_PAGE_OFFSET = 0x8000_0000;
export const FILL_RING_PAGE_OFFSET = 0x1_0000_0000;
export const COMPLETION_RING_PAGE_OFFSET = 0x1_8000_0000;

/** Set by the driver in a ring's flags when it sleeps until the next system call. */
export const RING_NEED_WAKEUP = 1;

/** What a ring is made from. */
export interface XdpRingOptions {
  fd: number;
  entries: number;
  /** 4 words for a descriptor, 2 for a bare address. */
  entryWords: number;
  pageOffset: number;
  /** `struct xdp_mmap_offsets` as the kernel gave it, and where this ring's part starts. */
  offsets: DataView;
  offsetsAt: number;
}

/**
 * A ring with one producer and one consumer, one of which is the kernel.
 *
 * ```
 *            consumer (theirs or ours)      producer (ours or theirs)
 *               v                              v
 *   … free … | entry | entry | entry | … free …      indices run freely, mod 2^32; entry = index & mask
 * ```
 *
 * Memory order. The kernel pairs store-release with load-acquire on the indices. On x86-64 (the declared platform) every
 * store is a release and every load an acquire (TSO), and V8 keeps typed-array accesses in program order, so entries
 * written before an index are seen before it without a fence. One case needs more: after publishing a producer index the
 * need-wakeup flag is read, and a load may pass an earlier store. There `publish` uses `Atomics.store`, a full barrier.
 */
export class XdpRing {
  readonly map: MemoryMap;
  /** The whole mapping as int32: indices are small integers and differences wrap as they should. */
  readonly words: Int32Array;
  readonly entries: number;
  readonly mask: number;
  /** Positions in `words`. */
  readonly producerAt: number;
  readonly consumerAt: number;
  readonly flagsAt: number;
  readonly firstEntryAt: number;
  /** Our own index when we produce; the last one seen when the kernel does. */
  producer: number;
  /** Our own index when we consume; the last one seen when the kernel does. */
  consumer: number;

  constructor(options: XdpRingOptions) {
    const { offsets, offsetsAt, entries } = options;
    const at = (field: number): number => Number(offsets.getBigUint64(offsetsAt + field, true));
    const lengthBytes = at(16) + entries * options.entryWords * 4;
    this.map = mapDescriptor({
      fd: options.fd,
      lengthBytes,
      offsetBytes: options.pageOffset,
      populate: true,
    });
    this.words = this.map.signedWords(0, this.map.lengthBytes >> 2);
    this.entries = entries;
    this.mask = entries - 1;
    this.producerAt = at(0) >> 2;
    this.consumerAt = at(8) >> 2;
    this.firstEntryAt = at(16) >> 2;
    this.flagsAt = at(24) >> 2;
    this.producer = this.words[this.producerAt]!;
    this.consumer = this.words[this.consumerAt]!;
  }

  /** Entries that wait for us, when the kernel produces. */
  available(): number {
    return (this.words[this.producerAt]! - this.consumer) | 0;
  }

  /** Entries we may write, when the kernel consumes. Looks at the kernel's index only when `wanted` are not known free. */
  free(wanted: number): number {
    const known = (this.entries - ((this.producer - this.consumer) | 0)) | 0;
    if (known >= wanted) return known;
    this.consumer = this.words[this.consumerAt]!;
    return (this.entries - ((this.producer - this.consumer) | 0)) | 0;
  }

  /** Entries the kernel has not consumed yet. */
  pending(): number {
    this.consumer = this.words[this.consumerAt]!;
    return (this.producer - this.consumer) | 0;
  }

  /** Shows the kernel what we have written; a full barrier, see above. */
  publish(): void {
    Atomics.store(this.words, this.producerAt, this.producer);
  }

  /** Gives the entries we have read back to the kernel. */
  acknowledge(): void {
    this.words[this.consumerAt] = this.consumer;
  }

  /** Whether the driver sleeps until it is called. */
  needsWakeup(): boolean {
    return (this.words[this.flagsAt]! & RING_NEED_WAKEUP) !== 0;
  }

  close(): void {
    this.map.release();
  }
}
