// Socket addresses (sockaddr_in, sockaddr_in6, sockaddr_un) in preallocated native memory, so that a call that
// takes or fills one allocates nothing.

import { DemiError } from '@demikernel/memory';
import { formatIpAddress, parseIpAddress } from './ip-address.ts';
import type { Address } from './library.ts';
import type { MemoryMap } from './memory-map.ts';
import { mapAnonymous } from './memory-map.ts';

// include/linux/socket.h
export const AF_UNSPEC = 0;
export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_INET6 = 10;

/** sizeof(struct sockaddr_storage): every address fits. */
export const SOCKET_ADDRESS_BYTES = 128;
/** The memory of one {@link SocketAddress}: the address, then its length as the kernel's socklen_t. */
export const SOCKET_ADDRESS_BLOCK_BYTES: number = SOCKET_ADDRESS_BYTES + 8;

const IPV4_BYTES = 16;
const IPV6_BYTES = 28;
const UNIX_PATH_OFFSET = 2;
const UNIX_PATH_MAX = 108;

/**
 * One socket address in native memory.
 *
 * Layouts of include/uapi/linux/in.h, in6.h and un.h: family u16@0 in host order; port u16@2 in network order;
 * IPv4 address@4; IPv6 flow@4 address@8 scope@24; UNIX path@2.
 */
export class SocketAddress {
  /** Native address of the sockaddr; its length as a socklen_t lies at {@link lengthAddress}. */
  readonly address: Address;
  readonly lengthAddress: Address;
  readonly #view: DataView;
  readonly #map: MemoryMap | undefined;

  /** @param inside memory to lie in, with {@link SOCKET_ADDRESS_BLOCK_BYTES} free at the offset; its own by default */
  constructor(inside?: { map: MemoryMap; offsetBytes: number }) {
    this.#map = inside === undefined ? mapAnonymous({ lengthBytes: SOCKET_ADDRESS_BLOCK_BYTES }) : undefined;
    const map = inside?.map ?? this.#map!;
    const offset = inside?.offsetBytes ?? 0;
    this.address = map.addressNumber + offset;
    this.lengthAddress = this.address + SOCKET_ADDRESS_BYTES;
    this.#view = map.view(offset, SOCKET_ADDRESS_BLOCK_BYTES);
    this.clear();
  }

  /** Makes room for the kernel to write any address. */
  clear(): void {
    this.#view.setUint16(0, AF_UNSPEC, true);
    this.lengthBytes = SOCKET_ADDRESS_BYTES;
  }

  get lengthBytes(): number {
    return this.#view.getInt32(SOCKET_ADDRESS_BYTES, true);
  }

  set lengthBytes(lengthBytes: number) {
    this.#view.setInt32(SOCKET_ADDRESS_BYTES, lengthBytes, true);
  }

  get family(): number {
    return this.#view.getUint16(0, true);
  }

  /** The port of an IPv4 or IPv6 address. */
  get port(): number {
    return this.#view.getUint16(2, false);
  }

  /** The IPv4 address as an int32: 10.0.0.1 is 0x0a000001, and 128.0.0.0 and above are negative. */
  get ipv4(): number {
    return this.#view.getInt32(4, false);
  }

  /** Sets an IPv4 address, an int32 as in {@link ipv4}, and a port. Allocates nothing. */
  setIpv4(address: number, port: number): void {
    const view = this.#view;
    view.setUint16(0, AF_INET, true);
    view.setUint16(2, port, false);
    view.setInt32(4, address, false);
    view.setInt32(8, 0, true);
    view.setInt32(12, 0, true);
    this.lengthBytes = IPV4_BYTES;
  }

  /** Sets an IPv6 address of sixteen bytes, a port, and the interface index that a link-local one needs. */
  setIpv6(address: Uint8Array, port: number, scope = 0): void {
    const view = this.#view;
    view.setUint16(0, AF_INET6, true);
    view.setUint16(2, port, false);
    view.setInt32(4, 0, true);
    for (let i = 0; i < 16; i++) view.setUint8(8 + i, address[i]!);
    view.setUint32(24, scope, true);
    this.lengthBytes = IPV6_BYTES;
  }

  /** Sets an IP address given as text. @throws DemiError `ERR_DEMI_ADDRESS` */
  setIp(text: string, port: number): void {
    const bytes = parseIpAddress(text);
    if (bytes.length === 16) this.setIpv6(bytes, port);
    else this.setIpv4((bytes[0]! << 24) | (bytes[1]! << 16) | (bytes[2]! << 8) | bytes[3]!, port);
  }

  /**
   * Sets a UNIX path; one that starts with NUL is in the abstract namespace (unix(7)).
   *
   * @throws DemiError `ERR_DEMI_ADDRESS` when it is longer than 107 bytes
   */
  setUnix(path: string): void {
    const bytes = Buffer.from(path);
    const abstract = bytes[0] === 0;
    const lengthBytes = bytes.length + (abstract ? 0 : 1);
    if (lengthBytes > UNIX_PATH_MAX) throw new DemiError('ERR_DEMI_ADDRESS', `UNIX path too long: ${path}`);
    this.#view.setUint16(0, AF_UNIX, true);
    for (let i = 0; i < bytes.length; i++) this.#view.setUint8(UNIX_PATH_OFFSET + i, bytes[i]!);
    if (!abstract) this.#view.setUint8(UNIX_PATH_OFFSET + bytes.length, 0);
    this.lengthBytes = UNIX_PATH_OFFSET + lengthBytes;
  }

  /** Forgets the peer when passed to connect(2) on a datagram socket. */
  setUnspecified(): void {
    this.#view.setUint16(0, AF_UNSPEC, true);
    this.lengthBytes = IPV4_BYTES;
  }

  /** Sets the address from bytes the kernel wrote elsewhere; what exceeds an address is left out. */
  setBytes(source: Uint8Array, offset: number, lengthBytes: number): void {
    const length = Math.max(0, Math.min(lengthBytes, SOCKET_ADDRESS_BYTES));
    this.#view.setUint16(0, AF_UNSPEC, true);
    for (let i = 0; i < length; i++) this.#view.setUint8(i, source[offset + i]!);
    this.lengthBytes = length;
  }

  /** Copies another address into this one. Allocates nothing. */
  copyFrom(other: SocketAddress): void {
    const source = other.#view;
    for (let i = 0; i < SOCKET_ADDRESS_BLOCK_BYTES; i += 4)
      this.#view.setInt32(i, source.getInt32(i, true), true);
  }

  /** The IP address as text, the UNIX path, or the empty string. For set-up, logs and tests. */
  text(): string {
    const view = this.#view;
    const bytes = (offset: number, length: number): Uint8Array =>
      new Uint8Array(view.buffer, view.byteOffset + offset, length);
    if (this.family === AF_INET) return formatIpAddress(bytes(4, 4)) ?? '';
    if (this.family === AF_INET6) return formatIpAddress(bytes(8, 16)) ?? '';
    if (this.family !== AF_UNIX) return '';
    const length = Math.min(Math.max(this.lengthBytes - UNIX_PATH_OFFSET, 0), UNIX_PATH_MAX);
    const path = Buffer.from(bytes(UNIX_PATH_OFFSET, length)).toString();
    const end = path.indexOf('\0', 1);
    return end === -1 ? path : path.slice(0, end);
  }

  /** Gives the memory back, if it is its own. */
  close(): void {
    this.#map?.release();
  }
}
