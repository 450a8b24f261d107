// AF_XDP sockets: raw frames between a network device's queue and our memory, through four shared rings.
// The program that redirects frames to a socket, and who owns which piece of memory, are not here.
// Sources: linux/if_xdp.h, Documentation/networking/af_xdp.rst, Documentation/networking/xsk-tx-metadata.rst.

import type { Region } from '@demikernel/memory';
import * as rings from './af-xdp-ring.ts';
import { XdpRing } from './af-xdp-ring.ts';
import * as setup from './af-xdp-setup.ts';
import { closeDescriptor } from './descriptor.ts';
import { EAGAIN, EBUSY, ENOBUFS } from './errno.ts';
import type { LibC } from './library.ts';
import { errno, libc } from './library.ts';

export { XDP_TX_METADATA_BYTES } from './af-xdp-setup.ts';

const MSG_DONTWAIT = 0x40;

/** Descriptor option: the frame goes on in the next descriptor. */
export const XDP_PKT_CONTD = 1;
/** Descriptor option: transmit metadata lies in the {@link XDP_TX_METADATA_BYTES} bytes in front of the frame. */
export const XDP_TX_METADATA = 2;
/** `xsk_tx_metadata.flags`: compute the checksum that csum_start and csum_offset (u16 at 8 and 10) describe. */
export const XDP_TXMD_FLAGS_CHECKSUM = 2;
/** What the kernel keeps free in front of every received frame (XDP_PACKET_HEADROOM). */
export const XDP_PACKET_HEADROOM_BYTES = 256;

/** What an {@link AfXdpSocket} is made from. Ring sizes are powers of two. */
export interface AfXdpOptions {
  interfaceIndex: number;
  /** Index of the device's receive and transmit queue. */
  queue?: number;
  /** The memory of all frames (UMEM): page-aligned native memory, a whole number of chunks. */
  region: Region;
  /** Bytes of one chunk: 2048 or 4096. */
  chunkBytes?: number;
  /** Bytes kept free in front of received frames, beyond {@link XDP_PACKET_HEADROOM_BYTES}. */
  headroomBytes?: number;
  fillEntries?: number;
  completionEntries?: number;
  receiveEntries?: number;
  transmitEntries?: number;
  /** `auto`: zero-copy where the driver can, else copies by the kernel. */
  mode?: 'auto' | 'copy' | 'zero-copy';
  /** Frames over several chunks (XDP_USE_SG, Linux 6.6). Default off. */
  multiBuffer?: boolean;
  /**
   * Transmit metadata in front of frames (Linux 6.8): `offload` leaves checksums to the device, or, between local
   * devices, to nobody; `software` makes the kernel write them into the frame. Default `none`.
   */
  transmitChecksum?: 'none' | 'offload' | 'software';
  /** A socket whose UMEM this one shares, for another queue or device. Its region and chunks are then taken over. */
  sharedWith?: AfXdpSocket;
}

/** `struct xdp_statistics`. */
export interface AfXdpStatistics {
  /** Frames dropped because they did not fit or the socket could not take them. */
  receiveDropped: number;
  receiveInvalidDescriptors: number;
  transmitInvalidDescriptors: number;
  receiveRingFull: number;
  /** Frames dropped because the fill ring was empty. */
  fillRingEmpty: number;
  transmitRingEmpty: number;
}

/**
 * An AF_XDP socket bound to one queue of one device.
 *
 * Addresses in descriptors are offsets into the region, below 2^31: the low word is all of them. Nothing on the way of
 * a frame allocates or throws.
 */
export class AfXdpSocket {
  readonly descriptor: number;
  readonly interfaceIndex: number;
  readonly queue: number;
  readonly chunkBytes: number;
  /** Whether the driver moves frames without a copy. */
  readonly zeroCopy: boolean;
  readonly multiBuffer: boolean;
  readonly transmitMetadata: boolean;
  readonly fill: XdpRing;
  readonly completion: XdpRing;
  readonly receiveRing: XdpRing;
  readonly transmitRing: XdpRing;
  private readonly c: LibC;
  private closed: boolean;

  /**
   * @throws DemiError `ERR_DEMI_PERMISSION` (CAP_NET_RAW, CAP_NET_ADMIN), `ERR_DEMI_XDP_UNSUPPORTED`,
   *   `ERR_DEMI_DEVICE_BUSY` when another socket has the queue, `ERR_DEMI_SYSCALL` with the errno otherwise.
   */
  constructor(options: AfXdpOptions) {
    const { queue = 0, sharedWith, multiBuffer = sharedWith?.multiBuffer ?? false } = options;
    this.c = libc();
    this.interfaceIndex = options.interfaceIndex;
    this.queue = queue;
    this.chunkBytes = sharedWith?.chunkBytes ?? options.chunkBytes ?? 2048;
    this.multiBuffer = multiBuffer;
    this.transmitMetadata = sharedWith?.transmitMetadata ?? (options.transmitChecksum ?? 'none') !== 'none';
    this.closed = false;
    const fd = setup.openXdpSocket();
    this.descriptor = fd;
    const opened: XdpRing[] = [];
    try {
      if (sharedWith === undefined) {
        setup.registerMemory(fd, {
          region: options.region,
          chunkBytes: this.chunkBytes,
          headroomBytes: options.headroomBytes ?? 0,
          transmitChecksum: options.transmitChecksum ?? 'none',
        });
      }
      const sizes = {
        fill: options.fillEntries ?? 2048,
        completion: options.completionEntries ?? 2048,
        receive: options.receiveEntries ?? 2048,
        transmit: options.transmitEntries ?? 2048,
      };
      setup.makeRing(fd, setup.XDP_UMEM_FILL_RING, sizes.fill, 'fill');
      setup.makeRing(fd, setup.XDP_UMEM_COMPLETION_RING, sizes.completion, 'completion');
      setup.makeRing(fd, setup.XDP_RX_RING, sizes.receive, 'receive');
      setup.makeRing(fd, setup.XDP_TX_RING, sizes.transmit, 'transmit');
      const offsets = new DataView(new ArrayBuffer(4 * rings.RING_OFFSETS_BYTES));
      setup.readXdpOption(fd, setup.XDP_MMAP_OFFSETS, offsets, 'finding the rings');
      const open = (entries: number, entryWords: number, offsetsAt: number, pageOffset: number): XdpRing => {
        const ring = new XdpRing({ fd, entries, entryWords, offsets, offsetsAt, pageOffset });
        opened.push(ring);
        return ring;
      };
      this.fill = open(sizes.fill, 2, rings.FILL_RING_OFFSETS, rings.FILL_RING_PAGE_OFFSET);
      this.completion = open(
        sizes.completion,
        2,
        rings.COMPLETION_RING_OFFSETS,
        rings.COMPLETION_RING_PAGE_OFFSET,
      );
      this.receiveRing = open(sizes.receive, 4, rings.RECEIVE_RING_OFFSETS, rings.RECEIVE_RING_PAGE_OFFSET);
      this.transmitRing = open(
        sizes.transmit,
        4,
        rings.TRANSMIT_RING_OFFSETS,
        rings.TRANSMIT_RING_PAGE_OFFSET,
      );
      setup.bindXdpSocket(fd, {
        interfaceIndex: options.interfaceIndex,
        queue,
        mode: options.mode ?? 'auto',
        multiBuffer,
        sharedWith: sharedWith?.descriptor,
      });
      const granted = new DataView(new ArrayBuffer(4));
      setup.readXdpOption(fd, setup.XDP_OPTIONS, granted, 'asking for the mode');
      this.zeroCopy = (granted.getUint32(0, true) & 1) !== 0;
      setup.widenTransmit(fd, sizes.transmit);
    } catch (error) {
      for (const ring of opened) ring.close();
      closeDescriptor(fd);
      throw error;
    }
  }

  /**
   * Takes up to `capacity` received descriptors: offset, length and options ({@link XDP_PKT_CONTD}) of each. A frame of
   * several descriptors is not torn apart as long as `capacity` is at least 18 (MAX_SKB_FRAGS + 1).
   *
   * @returns how many.
   */
  receive(offsets: Int32Array, lengths: Int32Array, options: Int32Array, capacity: number): number {
    const ring = this.receiveRing;
    const words = ring.words;
    let count = (words[ring.producerAt]! - ring.consumer) | 0;
    if (count === 0) return 0;
    if (count > capacity) count = capacity;
    const { mask, firstEntryAt } = ring;
    let index = ring.consumer;
    // The kernel publishes whole frames, so only our capacity can cut one.
    if (this.multiBuffer && count === capacity) {
      while (
        count > 0 &&
        (words[firstEntryAt + (((index + count - 1) & mask) << 2) + 3]! & XDP_PKT_CONTD) !== 0
      ) {
        count--;
      }
    }
    for (let i = 0; i < count; i++) {
      const at = firstEntryAt + ((index & mask) << 2);
      offsets[i] = words[at]!;
      lengths[i] = words[at + 2]!;
      options[i] = words[at + 3]!;
      index = (index + 1) | 0;
    }
    ring.consumer = index;
    words[ring.consumerAt] = index;
    return count;
  }

  /** Writes one descriptor; the caller has seen room in `transmitRing.free`. Sent by the next publish and {@link kick}. */
  transmit(offset: number, length: number, options: number): void {
    const ring = this.transmitRing;
    const words = ring.words;
    const at = ring.firstEntryAt + ((ring.producer & ring.mask) << 2);
    words[at] = offset;
    words[at + 1] = 0;
    words[at + 2] = length;
    words[at + 3] = options;
    ring.producer = (ring.producer + 1) | 0;
  }

  /** Gives the kernel one chunk to receive into; the caller has seen room in `fill.free`, and publishes. */
  supply(offset: number): void {
    const ring = this.fill;
    const words = ring.words;
    const at = ring.firstEntryAt + ((ring.producer & ring.mask) << 1);
    words[at] = offset;
    words[at + 1] = 0;
    ring.producer = (ring.producer + 1) | 0;
  }

  /** Takes the addresses of up to `capacity` transmitted descriptors back. Returns how many. */
  completed(offsets: Int32Array, capacity: number): number {
    const ring = this.completion;
    const words = ring.words;
    let count = (words[ring.producerAt]! - ring.consumer) | 0;
    if (count === 0) return 0;
    if (count > capacity) count = capacity;
    const { mask, firstEntryAt } = ring;
    let index = ring.consumer;
    for (let i = 0; i < count; i++) {
      offsets[i] = words[firstEntryAt + ((index & mask) << 1)]!;
      index = (index + 1) | 0;
    }
    ring.consumer = index;
    words[ring.consumerAt] = index;
    return count;
  }

  /**
   * Makes the kernel send what has been published, again and again while it takes some: in copy mode one call sends a
   * batch of 32 unless the kernel lets it be raised.
   *
   * @returns 0 when all is taken, -EAGAIN when the rest has to wait for completions, or another negative errno.
   */
  kick(): number {
    const ring = this.transmitRing;
    for (;;) {
      const before = ring.words[ring.consumerAt]!;
      const result = this.c.sendto(this.descriptor, 0, 0, MSG_DONTWAIT, 0, 0);
      if (ring.pending() === 0) return 0;
      const refusal = result < 0 ? errno() : EAGAIN;
      if (refusal !== EAGAIN && refusal !== EBUSY && refusal !== ENOBUFS) return -refusal;
      if (ring.consumer === before) return -EAGAIN;
    }
  }

  /** Wakes a driver that sleeps for want of chunks (its fill ring's need-wakeup flag). Returns 0 or a negative errno. */
  wakeReceive(): number {
    if (this.c.recvfrom(this.descriptor, 0, 0, MSG_DONTWAIT, 0, 0) >= 0) return 0;
    const refusal = errno();
    return refusal === EAGAIN ? 0 : -refusal;
  }

  /** The kernel's counters; a system call. */
  statistics(): AfXdpStatistics {
    const raw = new DataView(new ArrayBuffer(48));
    setup.readXdpOption(this.descriptor, setup.XDP_STATISTICS, raw, 'reading statistics');
    const at = (index: number): number => Number(raw.getBigUint64(index * 8, true));
    return {
      receiveDropped: at(0),
      receiveInvalidDescriptors: at(1),
      transmitInvalidDescriptors: at(2),
      receiveRingFull: at(3),
      fillRingEmpty: at(4),
      transmitRingEmpty: at(5),
    };
  }

  get isClosed(): boolean {
    return this.closed;
  }

  /** Closes the socket; the kernel lets go of the queue and of the memory. Idempotent. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    closeDescriptor(this.descriptor);
    this.fill.close();
    this.completion.close();
    this.receiveRing.close();
    this.transmitRing.close();
  }
}
