// sendmsg(2) and recvmsg(2) over a message header, vectors and an address that were allocated once.
// The caller owns the memory the vectors point at, and keeps it during the call only: these calls do not wait.

import { DemiError } from '@demikernel/memory';
import type { Address, LibC } from './library.ts';
import { errno, libc } from './library.ts';
import type { MemoryMap } from './memory-map.ts';
import { mapAnonymous } from './memory-map.ts';
import { SOCKET_ADDRESS_BLOCK_BYTES, SOCKET_ADDRESS_BYTES, SocketAddress } from './socket-address.ts';

// include/linux/socket.h
export const MSG_OOB = 0x1;
export const MSG_PEEK = 0x2;
export const MSG_CTRUNC = 0x8;
export const MSG_TRUNC = 0x20;
export const MSG_DONTWAIT = 0x40;
export const MSG_EOR = 0x80;
export const MSG_ERRQUEUE = 0x2000;
export const MSG_NOSIGNAL = 0x4000;
export const MSG_MORE = 0x8000;
export const MSG_ZEROCOPY = 0x4000000;

/** UIO_MAXIOV: most vectors the kernel takes in one call. */
export const MAX_VECTORS = 1024;

// struct msghdr, 56 bytes: name@0 namelen@8 iov@16 iovlen@24 control@32 controllen@40 flags@48, as 32-bit words.
const HEADER_BYTES = 56;
const NAME_WORD = 0;
const NAME_LENGTH_WORD = 2;
const VECTORS_WORD = 4;
const COUNT_WORD = 6;
const CONTROL_WORD = 8;
const CONTROL_LENGTH_WORD = 10;
const FLAGS_WORD = 12;
// Vectors follow: struct iovec { void *iov_base; size_t iov_len; }.
const VECTOR_WORD: number = (HEADER_BYTES + 8) >> 2;
const WORDS_PER_VECTOR = 4;
const VECTOR_BYTES = 16;
const TWO_TO_32 = 2 ** 32;

export interface MessageOptions {
  /** Most vectors in one call, 1 to {@link MAX_VECTORS}; default 16. */
  vectors?: number;
  /** Room for control messages (cmsg(3)); default 0. */
  controlBytes?: number;
}

/**
 * A reusable message.
 *
 * ```
 * const base = Number(region.address); // once
 * message.setVector(0, base, offset, length);
 * message.setCount(1);
 * const sent = message.send(fd, MSG_NOSIGNAL); // bytes, or a negative errno
 * ```
 */
export class Message {
  /** Where {@link sendTo} sends and who {@link receiveFrom} received from. */
  readonly name: SocketAddress;
  /** The memory of control messages: to be filled before a send, read after a receive. */
  readonly control: DataView;
  readonly capacity: number;
  readonly #map: MemoryMap;
  readonly #libc: LibC;
  readonly #words: Int32Array;
  readonly #address: Address;
  readonly #controlBytes: number;

  /** @throws DemiError `ERR_DEMI_RANGE` for a number of vectors out of bounds, `ERR_DEMI_PLATFORM` */
  constructor(options: MessageOptions = {}) {
    const capacity = options.vectors ?? 16;
    if (!Number.isInteger(capacity) || capacity < 1 || capacity > MAX_VECTORS) {
      throw new DemiError('ERR_DEMI_RANGE', `A message of ${capacity} vectors: want 1 to ${MAX_VECTORS}`);
    }
    const nameOffset = VECTOR_WORD * 4 + capacity * VECTOR_BYTES;
    const controlOffset = nameOffset + SOCKET_ADDRESS_BLOCK_BYTES;
    this.capacity = capacity;
    this.#controlBytes = options.controlBytes ?? 0;
    this.#map = mapAnonymous({ lengthBytes: controlOffset + this.#controlBytes });
    this.#libc = libc();
    this.#words = new Int32Array(this.#map.buffer);
    this.#address = this.#map.addressNumber;
    this.name = new SocketAddress({ map: this.#map, offsetBytes: nameOffset });
    this.control = this.#map.view(controlOffset, this.#controlBytes);
    this.#setPointer(VECTORS_WORD, this.#address + VECTOR_WORD * 4);
    if (this.#controlBytes > 0) this.#setPointer(CONTROL_WORD, this.#address + controlOffset);
  }

  /**
   * Points vector `index` at `lengthBytes` bytes, `offset` bytes into memory at `base`. Base and offset come apart so
   * that no sum has to travel as an argument: above 2^31 it would be a number on the heap.
   */
  setVector(index: number, base: Address, offset: number, lengthBytes: number): void {
    const words = this.#words;
    const at = VECTOR_WORD + index * WORDS_PER_VECTOR;
    const address = base + offset;
    words[at] = address;
    words[at + 1] = address / TWO_TO_32;
    words[at + 2] = lengthBytes;
  }

  /** How many vectors, from the first, take part in the next call. */
  setCount(count: number): void {
    this.#words[COUNT_WORD] = count;
  }

  /** Flags of the last receive: MSG_TRUNC when a datagram did not fit, MSG_CTRUNC. */
  get flags(): number {
    return this.#words[FLAGS_WORD]!;
  }

  /** Length of the control messages of the last receive. */
  get controlLengthBytes(): number {
    return this.#words[CONTROL_LENGTH_WORD]!;
  }

  /** sendmsg(2) on a connected socket. Bytes accepted, or a negative errno. Give MSG_NOSIGNAL, or EPIPE is a SIGPIPE. */
  send(fd: number, flags: number): number {
    this.#words[NAME_WORD] = 0;
    this.#words[NAME_WORD + 1] = 0;
    this.#words[NAME_LENGTH_WORD] = 0;
    return this.#send(fd, flags, 0);
  }

  /** sendmsg(2) to {@link name}. Bytes accepted, or a negative errno. */
  sendTo(fd: number, flags: number): number {
    this.#setPointer(NAME_WORD, this.name.address);
    this.#words[NAME_LENGTH_WORD] = this.name.lengthBytes;
    return this.#send(fd, flags, 0);
  }

  /** sendmsg(2) with the first `controlBytes` bytes of {@link control}, for example SCM_RIGHTS. */
  sendWithControl(fd: number, flags: number, controlBytes: number): number {
    this.#words[NAME_WORD] = 0;
    this.#words[NAME_WORD + 1] = 0;
    this.#words[NAME_LENGTH_WORD] = 0;
    return this.#send(fd, flags, controlBytes);
  }

  /** recvmsg(2). Bytes, 0 at the end of a stream, or a negative errno: -EAGAIN when there is nothing yet. */
  receive(fd: number, flags: number): number {
    this.#words[NAME_WORD] = 0;
    this.#words[NAME_WORD + 1] = 0;
    this.#words[NAME_LENGTH_WORD] = 0;
    return this.#receive(fd, flags);
  }

  /** recvmsg(2), the sender written to {@link name}. Results as {@link receive}. */
  receiveFrom(fd: number, flags: number): number {
    this.#setPointer(NAME_WORD, this.name.address);
    this.#words[NAME_LENGTH_WORD] = SOCKET_ADDRESS_BYTES;
    const result = this.#receive(fd, flags);
    this.name.lengthBytes = this.#words[NAME_LENGTH_WORD]!;
    return result;
  }

  /** Gives the memory back. */
  close(): void {
    this.#map.release();
  }

  #send(fd: number, flags: number, controlBytes: number): number {
    this.#words[CONTROL_LENGTH_WORD] = controlBytes;
    const result = this.#libc.sendmsg(fd, this.#address, flags);
    return result === -1 ? -errno() : result;
  }

  #receive(fd: number, flags: number): number {
    this.#words[CONTROL_LENGTH_WORD] = this.#controlBytes;
    const result = this.#libc.recvmsg(fd, this.#address, flags);
    return result === -1 ? -errno() : result;
  }

  #setPointer(word: number, address: Address): void {
    this.#words[word] = address;
    this.#words[word + 1] = address / TWO_TO_32;
  }
}
