// Macros for programs that look into packets: where fields stand, how bounds are proven to the verifier, how paths are
// counted. Each emits a few instructions and says which registers it uses; none hides the machine.

import type { Assembler, MapReference } from '../assembler/assembler.ts';
import { R0, R1, R2, R10, type Register } from '../assembler/register.ts';
import { HELPER_MAP_LOOKUP_ELEM, XDP_MD_DATA, XDP_MD_DATA_END } from '../constants.ts';

// Ethernet II.
export const ETHERNET_DESTINATION = 0;
export const ETHERNET_SOURCE = 6;
export const ETHERNET_TYPE = 12;
export const ETHERNET_BYTES = 14;
export const ETHERTYPE_IPV4 = 0x0800;
export const ETHERTYPE_ARP = 0x0806;
/** 802.1Q and 802.1ad tags. */
export const ETHERTYPE_VLAN = 0x8100;
export const ETHERTYPE_SERVICE_VLAN = 0x88a8;

// ARP for Ethernet and IPv4 (RFC 826), from the ARP header's start.
export const ARP_HARDWARE_TYPE = 0;
export const ARP_ADDRESS_LENGTHS = 4;
export const ARP_OPERATION = 6;
export const ARP_TARGET_ADDRESS = 24;
export const ARP_BYTES = 28;

// IPv4 (RFC 791), from its header's start.
export const IPV4_VERSION_IHL = 0;
export const IPV4_TOTAL_LENGTH = 2;
export const IPV4_FRAGMENT = 6;
export const IPV4_TTL = 8;
export const IPV4_PROTOCOL = 9;
export const IPV4_CHECKSUM = 10;
export const IPV4_SOURCE = 12;
export const IPV4_DESTINATION = 16;
/** Without options. */
export const IPV4_BYTES = 20;
export const IPV4_MORE_FRAGMENTS = 0x2000;
export const IPV4_FRAGMENT_OFFSET_MASK = 0x1fff;
export const PROTOCOL_ICMP = 1;
export const PROTOCOL_TCP = 6;
export const PROTOCOL_UDP = 17;

// TCP and UDP have their ports in the same place.
export const PORT_SOURCE = 0;
export const PORT_DESTINATION = 2;
export const PORTS_BYTES = 4;
export const UDP_LENGTH = 4;
export const UDP_CHECKSUM = 6;
export const UDP_BYTES = 8;
export const TCP_SEQUENCE = 4;
export const TCP_ACKNOWLEDGMENT = 8;
export const TCP_FLAGS = 13;
export const TCP_CHECKSUM = 16;
export const TCP_BYTES = 20;
export const ICMP_TYPE = 0;
export const ICMP_BYTES = 8;

/** A 16-bit constant as `load16` sees it in a packet: compare without swapping. The host is little-endian. */
export function networkOrder16(value: number): number {
  return ((value & 0xff) << 8) | ((value >> 8) & 0xff);
}

/** A 32-bit constant as `load32` sees it in a packet, as int32: for the 32-bit jumps and moves. */
export function networkOrder32(value: number): number {
  return (
    ((value & 0xff) << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | ((value >>> 24) & 0xff)
  );
}

/** `start` and `end` become the packet's bounds, from the context in `context`. */
export function loadPacketBounds(a: Assembler, context: Register, start: Register, end: Register): void {
  a.load32(start, context, XDP_MD_DATA).load32(end, context, XDP_MD_DATA_END);
}

/**
 * Goes to `orElse` unless `bytes` bytes from `pointer` lie within the packet. After it the verifier lets the program
 * read and write them. `scratch` is overwritten.
 */
export function needBytes(
  a: Assembler,
  pointer: Register,
  bytes: number,
  end: Register,
  scratch: Register,
  orElse: string,
): void {
  a.mov(scratch, pointer).add(scratch, bytes).jgt(scratch, end, orElse);
}

/**
 * `length` becomes the IPv4 header's length in bytes, 20 to 60, read at `ip`; goes to `orElse` when the version is not
 * 4 or the length below 20. The header's first byte must be proven. `scratch` is overwritten.
 */
export function ipv4HeaderLength(
  a: Assembler,
  ip: Register,
  offset: number,
  length: Register,
  scratch: Register,
  orElse: string,
): void {
  a.load8(length, ip, offset + IPV4_VERSION_IHL)
    .mov(scratch, length)
    .rsh(scratch, 4)
    .jne(scratch, 4, orElse)
    .and(length, 0x0f)
    .jlt(length, 5, orElse)
    .lsh(length, 2);
}

/**
 * Adds one to the u64 at index `index` of a per-CPU array. Uses the stack's last 4 bytes and overwrites R0 to R5.
 *
 * A plain add: the value belongs to this CPU, and an XDP program is not interrupted by another.
 */
export function countPath(a: Assembler, counters: MapReference, index: Register): void {
  const done = a.uniqueLabel('counted');
  a.store32(R10, -4, index)
    .mov(R2, R10)
    .add(R2, -4)
    .mapFd(R1, counters)
    .call(HELPER_MAP_LOOKUP_ELEM)
    .jeq(R0, 0, done)
    .load64(R1, R0, 0)
    .add(R1, 1)
    .store64(R0, 0, R1)
    .label(done);
}
