// AF_XDP sockets: raw frames between a network device's queue and our memory, through four shared rings.
// The program that redirects frames to a socket, and who owns which piece of memory, are not here.
// Sources: linux/if_xdp.h, Documentation/networking/af_xdp.rst, Documentation/networking/xsk-tx-metadata.rst.

import type { Region } from '@demikernel/memory';
import { DemiError } from '@demikernel/memory';
import * as rings from './af-xdp-ring.ts';
import { XdpRing } from './af-xdp-ring.ts';
import { closeDescriptor } from './descriptor.ts';
import { EAGAIN, EBUSY, EINVAL, ENETDOWN, ENOBUFS, EOPNOTSUPP, EPERM, systemError } from './errno.ts';
import type { LibC } from './library.ts';
import { errno, libc } from './library.ts';

const AF_XDP = 44;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_SNDBUFFORCE = 32;
const SOL_XDP = 283;
const MSG_DONTWAIT = 0x40;

// linux/if_xdp.h: socket options
const XDP_MMAP_OFFSETS = 1;
const XDP_RX_RING = 2;
const XDP_TX_RING = 3;
const XDP_UMEM_REG = 4;
const XDP_UMEM_FILL_RING = 5;
const XDP_UMEM_COMPLETION_RING = 6;
const XDP_STATISTICS = 7;
const XDP_OPTIONS = 8;
const XDP_MAX_TX_SKB_BUDGET = 9;

// sxdp_flags
const XDP_SHARED_UMEM = 1;
const XDP_COPY = 2;
const XDP_ZEROCOPY = 4;
const XDP_USE_NEED_WAKEUP = 8;
const XDP_USE_SG = 16;

// xdp_umem_reg.flags
const XDP_UMEM_TX_SW_CSUM = 2;
const XDP_UMEM_TX_METADATA_LEN = 4;

/** Descriptor option: the frame goes on in the next descriptor. */
export const XDP_PKT_CONTD = 1;
/** Descriptor option: transmit metadata lies in the {@link XDP_TX_METADATA_BYTES} bytes in front of the frame. */
export const XDP_TX_METADATA = 2;
/** `struct xsk_tx_metadata` up to what the kernel asks for: flags u64, then a union of 16 bytes. */
export const XDP_TX_METADATA_BYTES = 24;
/** `xsk_tx_metadata.flags`: compute the checksum that csum_start and csum_offset (u16 at 8 and 10) describe. */
export const XDP_TXMD_FLAGS_CHECKSUM = 2;
/** What the kernel keeps free in front of every received frame (XDP_PACKET_HEADROOM). */
export const XDP_PACKET_HEADROOM_BYTES = 256;

// A frame in copy mode is an skb until the other side has taken it: the default 208 KiB would hold 90 of them.
const SEND_BUFFER_BYTES = 16 * 1024 * 1024;

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
    const fd = this.c.socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
    if (fd === -1) {
      throw systemError('socket', { detail: 'opening an AF_XDP socket', capabilities: ['CAP_NET_RAW'] });
    }
    this.descriptor = fd;
    const opened: XdpRing[] = [];
    try {
      if (sharedWith === undefined) this.registerMemory(options);
      const sizes = {
        fill: options.fillEntries ?? 2048,
        completion: options.completionEntries ?? 2048,
        receive: options.receiveEntries ?? 2048,
        transmit: options.transmitEntries ?? 2048,
      };
      this.setNumber(XDP_UMEM_FILL_RING, sizes.fill, 'making the fill ring');
      this.setNumber(XDP_UMEM_COMPLETION_RING, sizes.completion, 'making the completion ring');
      this.setNumber(XDP_RX_RING, sizes.receive, 'making the receive ring');
      this.setNumber(XDP_TX_RING, sizes.transmit, 'making the transmit ring');
      const offsets = new DataView(new ArrayBuffer(4 * rings.RING_OFFSETS_BYTES));
      this.get(XDP_MMAP_OFFSETS, offsets, 'finding the rings');
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
      this.bind(options, sharedWith);
      const granted = new DataView(new ArrayBuffer(4));
      this.get(XDP_OPTIONS, granted, 'asking for the mode');
      this.zeroCopy = (granted.getUint32(0, true) & 1) !== 0;
      this.widenTransmit(sizes.transmit);
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
    this.get(XDP_STATISTICS, raw, 'reading statistics');
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

  private registerMemory(options: AfXdpOptions): void {
    const { region, transmitChecksum = 'none' } = options;
    const raw = new DataView(new ArrayBuffer(32));
    raw.setBigUint64(0, region.address, true);
    raw.setBigUint64(8, BigInt(region.lengthBytes), true);
    raw.setUint32(16, this.chunkBytes, true);
    raw.setUint32(20, options.headroomBytes ?? 0, true);
    if (transmitChecksum !== 'none') {
      const software = transmitChecksum === 'software' ? XDP_UMEM_TX_SW_CSUM : 0;
      raw.setUint32(24, XDP_UMEM_TX_METADATA_LEN | software, true);
      raw.setUint32(28, XDP_TX_METADATA_BYTES, true);
    }
    if (this.c.setsockopt(this.descriptor, SOL_XDP, XDP_UMEM_REG, raw, raw.byteLength) === 0) return;
    const number = errno();
    const detail =
      number === ENOBUFS
        ? `locking ${region.lengthBytes} bytes: raise the limit with ulimit -l, or grant CAP_IPC_LOCK`
        : `registering ${region.lengthBytes} bytes in chunks of ${this.chunkBytes}`;
    throw systemError('setsockopt', { errno: number, detail });
  }

  private bind(options: AfXdpOptions, sharedWith: AfXdpSocket | undefined): void {
    const { mode = 'auto' } = options;
    const address = new DataView(new ArrayBuffer(16));
    address.setUint16(0, AF_XDP, true);
    address.setUint32(4, this.interfaceIndex, true);
    address.setUint32(8, this.queue, true);
    if (sharedWith === undefined) {
      const copy = mode === 'copy' ? XDP_COPY : mode === 'zero-copy' ? XDP_ZEROCOPY : 0;
      address.setUint16(2, copy | XDP_USE_NEED_WAKEUP | (this.multiBuffer ? XDP_USE_SG : 0), true);
    } else {
      // The mode, wake-up and multi-buffer flags are those of the first socket.
      address.setUint16(2, XDP_SHARED_UMEM, true);
      address.setUint32(12, sharedWith.descriptor, true);
    }
    if (this.c.bindBuffer(this.descriptor, address, 16) !== 0) throw this.bindRefused(errno(), mode);
  }

  private bindRefused(number: number, mode: string): DemiError {
    const where = `queue ${this.queue} of interface ${this.interfaceIndex}`;
    const cause = systemError('bind', {
      errno: number,
      detail: `binding to ${where}`,
      capabilities: ['CAP_NET_RAW', 'CAP_NET_ADMIN'],
    });
    const because = (code: string, message: string): DemiError =>
      new DemiError(code, message, { errno: number, errnoName: cause.errnoName, syscall: 'bind', cause });
    if (number === EPERM) return cause;
    if (number === EBUSY)
      return because('ERR_DEMI_DEVICE_BUSY', `another AF_XDP socket has ${where}, see: ss -a --xdp`);
    if (number === ENETDOWN) {
      return because('ERR_DEMI_DEVICE_DOWN', `${where} is down, bring it up with: ip link set DEVICE up`);
    }
    if (number === EOPNOTSUPP || number === EINVAL) {
      const wants = `${mode === 'zero-copy' ? 'zero-copy ' : ''}${this.multiBuffer ? 'multi-buffer ' : ''}`;
      return because('ERR_DEMI_XDP_UNSUPPORTED', `${where} does not exist or takes no ${wants}AF_XDP socket`);
    }
    return cause;
  }

  /** More room under way in copy mode; both are best effort. */
  private widenTransmit(transmitEntries: number): void {
    const value = new Int32Array(1);
    value[0] = SEND_BUFFER_BYTES;
    this.c.setsockopt(this.descriptor, SOL_SOCKET, SO_SNDBUFFORCE, value, 4);
    // Linux 6.17: frames that one sendto may send.
    value[0] = transmitEntries;
    this.c.setsockopt(this.descriptor, SOL_XDP, XDP_MAX_TX_SKB_BUDGET, value, 4);
  }

  private setNumber(name: number, value: number, detail: string): void {
    const raw = Int32Array.of(value);
    if (this.c.setsockopt(this.descriptor, SOL_XDP, name, raw, 4) !== 0) {
      throw systemError('setsockopt', { detail: `${detail} of ${value} entries` });
    }
  }

  private get(name: number, into: DataView, detail: string): void {
    const length = Int32Array.of(into.byteLength);
    if (this.c.getsockopt(this.descriptor, SOL_XDP, name, into, length) !== 0) {
      throw systemError('getsockopt', { detail });
    }
  }
}
