// AF_PACKET sockets with mapped rings (packet(7), Documentation/networking/packet_mmap.rst): raw frames where AF_XDP is refused.
// TPACKET_V2: version 3 hands frames over by the block, when it is full or after at least a millisecond.

import { closeDescriptor } from './descriptor.ts';
import { EAGAIN, ENOBUFS, systemError } from './errno.ts';
import type { LibC, NativeBuffer } from './library.ts';
import { addressOf, errno, libc } from './library.ts';
import type { MemoryMap } from './memory-map.ts';
import { PAGE_BYTES, roundUpToPages } from './memory-map.ts';

const AF_PACKET = 17;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const MSG_DONTWAIT = 0x40;
const SOL_SOCKET = 1;
const SO_ATTACH_FILTER = 26;
const SO_RCVBUFFORCE = 33;
const SOL_PACKET = 263;
// include/uapi/asm-generic/mman-common.h, mman.h
const PROT_READ_WRITE = 3;
const MAP_SHARED_FIXED = 0x11;
// linux/if_ether.h, in network order
const ETH_P_ALL = 0x0300;

// linux/if_packet.h
const PACKET_RX_RING = 5;
const PACKET_STATISTICS = 6;
const PACKET_COPY_THRESH = 7;
const PACKET_VERSION = 10;
const PACKET_TX_RING = 13;
const PACKET_LOSS = 14;
const PACKET_VNET_HDR = 15;
const PACKET_FANOUT = 18;
const PACKET_QDISC_BYPASS = 20;
const PACKET_IGNORE_OUTGOING = 23;
const PACKET_ADD_MEMBERSHIP = 1;
const PACKET_MR_PROMISC = 1;
const TPACKET_V2 = 1;
const FANOUT_HASH = 0;

const TP_STATUS_KERNEL = 0;
const TP_STATUS_USER = 1;
const TP_STATUS_COPY = 2;
const TP_STATUS_AVAILABLE = 0;
const TP_STATUS_SEND_REQUEST = 1;
const TP_STATUS_SENDING = 2;
const TP_STATUS_WRONG_FORMAT = 4;

/** Receive status: the checksum is left to a device that this frame never met; its bytes are right. */
export const TP_STATUS_CSUMNOTREADY = 8;
/** Receive status: the device has checked the checksum. */
export const TP_STATUS_CSUM_VALID = 128;

/** `struct virtio_net_hdr` in front of every frame, both ways (linux/virtio_net.h). */
export const VIRTIO_HEADER_BYTES = 10;
export const VIRTIO_NEEDS_CHECKSUM = 1;
export const VIRTIO_GSO_TCPV4 = 1;

// struct tpacket2_hdr: status, len, snaplen, mac u16 … 32 bytes; a frame to send begins right behind it.
const SEND_OFFSET = 32;
const HEADER_LENGTH_WORD = 1;
const HEADER_SNAPLEN_WORD = 2;
const HEADER_MAC_WORD = 3;

/** Longest frame that segmentation offload on the sender's side leaves whole: 64 KiB and the headers. */
const LARGEST_FRAME_BYTES: number = 17 * PAGE_BYTES;
const BLOCK_BYTES: number = 64 * 1024;
const DEFAULT_FRAMES = 1024;
const DEFAULT_LINK_FRAME_BYTES = 1514;
const LARGE_QUEUE_BYTES = 16 * 1024 * 1024;

/** Sizes of the rings. */
export interface PacketRingSizes {
  /** Frames in each ring; a power of two, at least 64. Default 1024. */
  frames?: number;
  /** Longest frame of the link, Ethernet header included. Default 1514. */
  linkFrameBytes?: number;
}

export interface AfPacketOptions extends PacketRingSizes {
  interfaceIndex: number;
  /**
   * Memory of which {@link packetRingBytes} bytes from `memoryOffset`, a whole page, are replaced by the rings. Frames then
   * go between rings and the rest of that memory by `copyWithin`: nothing crosses from one ArrayBuffer to another.
   */
  memory: MemoryMap;
  memoryOffset: number;
  /** Members with the same number share the interface's frames by flow; 1 to 65535. Default none. */
  fanoutGroup?: number;
  /** A classic BPF program: `struct sock_filter` records of 8 bytes (linux/filter.h). Default everything. */
  filter?: Uint8Array;
  /** Hear what the host sends, too, and frames for other stations: for captures. Default false. */
  monitor?: boolean;
}

/** Bytes that the rings and the place for long frames take of the socket's memory; whole pages. */
export function packetRingBytes(sizes: PacketRingSizes): number {
  const { frames = DEFAULT_FRAMES, linkFrameBytes = DEFAULT_LINK_FRAME_BYTES } = sizes;
  return roundUpToPages(2 * frames * ringFrameBytes(linkFrameBytes) + LARGEST_FRAME_BYTES);
}

/** Room for the header (TPACKET2_HDRLEN 52), the virtio header and the alignment of the IP header. */
function ringFrameBytes(linkFrameBytes: number): number {
  let bytes = 1024;
  while (bytes < linkFrameBytes + 128) bytes *= 2;
  return bytes;
}

/**
 * A raw socket on one interface. It hears what arrives, not what the host sends, and sends past the queueing discipline.
 *
 * Frames longer than a ring frame (a local sender's segmentation offload) come by `receiveLarge`.
 */
export class AfPacketSocket {
  readonly descriptor: number;
  /** Where in the memory `receiveLarge` puts a frame, behind its virtio header. */
  readonly largeOffset: number;
  readonly frames: number;
  readonly frameBytes: number;
  /** Longest frame that `transmit` can take. */
  readonly transmitBytes: number;
  /** The rings: receive frames first, transmit frames behind them. */
  private readonly words: Int32Array;
  private readonly ringOffset: number;
  private readonly largeAddress: number;
  private readonly frameWords: number;
  private readonly transmitBase: number;
  private readonly c: LibC;
  private receiveIndex: number;
  private transmitIndex: number;
  private closed: boolean;
  private readonly dropped: Float64Array;

  /** @throws DemiError `ERR_DEMI_PERMISSION` (CAP_NET_RAW), `ERR_DEMI_SYSCALL` */
  constructor(options: AfPacketOptions) {
    const { frames = DEFAULT_FRAMES, linkFrameBytes = DEFAULT_LINK_FRAME_BYTES, memory } = options;
    this.c = libc();
    this.frames = frames;
    const frameBytes = ringFrameBytes(linkFrameBytes);
    this.frameBytes = frameBytes;
    this.ringOffset = options.memoryOffset;
    this.largeOffset = options.memoryOffset + 2 * frames * frameBytes;
    this.largeAddress = memory.addressNumber + this.largeOffset;
    this.words = memory.signedWords(options.memoryOffset, (2 * frames * frameBytes) >> 2);
    this.frameWords = frameBytes >> 2;
    this.transmitBytes = frameBytes - SEND_OFFSET - VIRTIO_HEADER_BYTES - 32;
    this.transmitBase = frames * this.frameWords;
    this.receiveIndex = 0;
    this.transmitIndex = 0;
    this.closed = false;
    this.dropped = new Float64Array(1);
    // Protocol 0: nothing is heard until the bind, so no frame of another interface gets in.
    const fd = this.c.socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    if (fd === -1) {
      throw systemError('socket', { detail: 'opening a packet socket', capabilities: ['CAP_NET_RAW'] });
    }
    this.descriptor = fd;
    try {
      this.setNumber(PACKET_VERSION, TPACKET_V2, 'choosing ring version 2');
      this.setNumber(PACKET_VNET_HDR, 1, 'asking for virtio headers');
      this.setNumber(PACKET_COPY_THRESH, 1, 'asking for long frames');
      this.setNumber(PACKET_LOSS, 1, 'letting bad frames go');
      if (options.monitor === true) this.joinPromiscuous(options.interfaceIndex);
      else this.setNumber(PACKET_IGNORE_OUTGOING, 1, 'ignoring outgoing frames');
      this.setNumber(PACKET_QDISC_BYPASS, 1, 'going past the queueing discipline');
      this.set(SOL_SOCKET, SO_RCVBUFFORCE, Int32Array.of(LARGE_QUEUE_BYTES), undefined);
      if (options.filter !== undefined) this.attachFilter(options.filter);
      // struct tpacket_req: block size, block count, frame size, frame count
      const block = Math.max(BLOCK_BYTES, frameBytes);
      const request = Int32Array.of(block, Math.ceil((frames * frameBytes) / block), frameBytes, frames);
      this.set(SOL_PACKET, PACKET_RX_RING, request, 'making the receive ring');
      this.set(SOL_PACKET, PACKET_TX_RING, request, 'making the transmit ring');
      const at = memory.addressNumber + options.memoryOffset;
      if (this.c.mmap(at, 2 * frames * frameBytes, PROT_READ_WRITE, MAP_SHARED_FIXED, fd, 0) === -1) {
        throw systemError('mmap', { detail: 'mapping the rings' });
      }
      this.bind(options.interfaceIndex);
      if (options.fanoutGroup !== undefined) {
        this.setNumber(PACKET_FANOUT, options.fanoutGroup | (FANOUT_HASH << 16), 'joining the fanout group');
      }
    } catch (error) {
      closeDescriptor(fd);
      throw error;
    }
  }

  /** Whether a received frame is there. */
  get readable(): boolean {
    return (this.words[this.receiveIndex * this.frameWords]! & TP_STATUS_USER) !== 0;
  }

  /** Status word of the frame at hand: TP_STATUS_… bits. */
  get status(): number {
    return this.words[this.receiveIndex * this.frameWords]!;
  }

  /** Whether the frame at hand is longer than the ring holds and waits in `receiveLarge`. */
  get isLarge(): boolean {
    return (this.status & TP_STATUS_COPY) !== 0;
  }

  /** Whether the frame at hand was cut, and no whole copy was kept. */
  get isCut(): boolean {
    const at = this.receiveIndex * this.frameWords;
    return this.words[at + HEADER_LENGTH_WORD] !== this.words[at + HEADER_SNAPLEN_WORD];
  }

  /** Bytes of the frame at hand. */
  get frameLength(): number {
    return this.words[this.receiveIndex * this.frameWords + HEADER_SNAPLEN_WORD]!;
  }

  /** Where in the memory the frame at hand lies; its virtio header is in front of it. */
  get frameOffset(): number {
    const at = this.receiveIndex * this.frameWords;
    return this.ringOffset + (at << 2) + (this.words[at + HEADER_MAC_WORD]! & 0xffff);
  }

  /** Gives the frame at hand back to the kernel and goes on to the next one. */
  next(): void {
    this.words[this.receiveIndex * this.frameWords] = TP_STATUS_KERNEL;
    this.receiveIndex = this.receiveIndex + 1 === this.frames ? 0 : this.receiveIndex + 1;
  }

  /** Reads the whole of a long frame, virtio header first, to `largeOffset`. Returns its bytes, or a negative errno. */
  receiveLarge(): number {
    const result = this.c.recv(this.descriptor, this.largeAddress, LARGEST_FRAME_BYTES, MSG_DONTWAIT);
    return result < 0 ? -errno() : result;
  }

  /** Frames that can be written before the kernel has sent some; stops counting at `most`. */
  transmitRoom(most: number): number {
    const { words, frameWords, frames } = this;
    let index = this.transmitIndex;
    let room = 0;
    while (room < most) {
      const status = words[this.transmitBase + index * frameWords]!;
      if (status !== TP_STATUS_AVAILABLE && status !== TP_STATUS_WRONG_FORMAT) break;
      room++;
      index = index + 1 === frames ? 0 : index + 1;
    }
    return room;
  }

  /** Where in the memory the next frame's virtio header goes; the frame itself follows it. */
  get transmitOffset(): number {
    return this.ringOffset + ((this.transmitBase + this.transmitIndex * this.frameWords) << 2) + SEND_OFFSET;
  }

  /** Marks the frame at `transmitOffset`, virtio header included in `lengthBytes`, as ready; `kick` sends it. */
  transmit(lengthBytes: number): void {
    const at = this.transmitBase + this.transmitIndex * this.frameWords;
    this.words[at + HEADER_LENGTH_WORD] = lengthBytes;
    // x86-64 keeps stores in order: the kernel sees the frame when it sees the status.
    this.words[at] = TP_STATUS_SEND_REQUEST;
    this.transmitIndex = this.transmitIndex + 1 === this.frames ? 0 : this.transmitIndex + 1;
  }

  /** Has the kernel send what is marked. Returns 0, or a negative errno with the rest left for another kick. */
  kick(): number {
    if (this.c.send(this.descriptor, 0, 0, MSG_DONTWAIT) >= 0) return 0;
    const refusal = errno();
    return refusal === ENOBUFS ? -EAGAIN : -refusal;
  }

  /** Frames that `kick` has not sent. */
  pendingTransmit(): boolean {
    const last = this.transmitIndex === 0 ? this.frames - 1 : this.transmitIndex - 1;
    const status = this.words[this.transmitBase + last * this.frameWords]!;
    return status === TP_STATUS_SEND_REQUEST || status === TP_STATUS_SENDING;
  }

  /** Frames that found the receive ring full, since the socket was opened; a system call. */
  receiveDropped(): number {
    if (!this.closed) {
      // Reading resets the kernel's counts: struct tpacket_stats { packets, drops }.
      const raw = new Uint32Array(2);
      const length = Int32Array.of(8);
      if (this.c.getsockopt(this.descriptor, SOL_PACKET, PACKET_STATISTICS, raw, length) === 0) {
        this.dropped[0] = this.dropped[0]! + raw[1]!;
      }
    }
    return this.dropped[0]!;
  }

  /** Closes the socket; the rings stay mapped until their memory is released. Idempotent. */
  close(): void {
    if (this.closed) return;
    this.receiveDropped();
    this.closed = true;
    closeDescriptor(this.descriptor);
  }

  private bind(interfaceIndex: number): void {
    // struct sockaddr_ll: family, protocol, index …
    const address = new DataView(new ArrayBuffer(20));
    address.setUint16(0, AF_PACKET, true);
    address.setUint16(2, ETH_P_ALL, true);
    address.setInt32(4, interfaceIndex, true);
    if (this.c.bindBuffer(this.descriptor, address, 20) !== 0) {
      throw systemError('bind', { detail: `binding to interface ${interfaceIndex}` });
    }
  }

  private attachFilter(filter: Uint8Array): void {
    // struct sock_fprog: u16 length, pointer at 8
    const program = new DataView(new ArrayBuffer(16));
    program.setUint16(0, filter.length / 8, true);
    program.setBigUint64(8, BigInt(addressOf(filter)), true);
    this.set(SOL_SOCKET, SO_ATTACH_FILTER, program, 'attaching the filter');
  }

  /** Ends with the socket, so that a crash leaves the interface as it was. */
  private joinPromiscuous(interfaceIndex: number): void {
    // struct packet_mreq: interface index, type u16, address length u16, address 8 bytes (linux/if_packet.h)
    const request = Int32Array.of(interfaceIndex, PACKET_MR_PROMISC, 0, 0);
    this.set(SOL_PACKET, PACKET_ADD_MEMBERSHIP, request, 'hearing every station');
  }

  private setNumber(name: number, value: number, detail: string): void {
    this.set(SOL_PACKET, name, Int32Array.of(value), detail);
  }

  /** Without `detail` the option is best effort. */
  private set(level: number, name: number, value: NativeBuffer, detail: string | undefined): void {
    const result = this.c.setsockopt(this.descriptor, level, name, value, value.byteLength);
    if (result !== 0 && detail !== undefined) throw systemError('setsockopt', { detail });
  }
}
