// The way up: IPv4 headers of received packets checked (RFC 791, RFC 1122 section 3.2.1), the payload handed to its protocol.

import type { SlotPool } from '@demikernel/memory';
import { RX_CHECKSUM_VALID } from '../../runtime/packet-device.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { foldChecksum, sumBytes } from '../checksum.ts';
import { ETHERNET_HEADER_BYTES } from '../ethernet.ts';
import { copyBytes } from '../frame-builder.ts';
import type { Icmp } from '../icmp/icmp.ts';
import { RX_LOOPBACK } from '../loopback.ts';
import {
  ICMP_TIME_EXCEEDED,
  ICMP_UNREACHABLE,
  PROTOCOL_ICMP,
  PROTOCOL_TCP,
  PROTOCOL_UDP,
  REASSEMBLY_TIME_EXCEEDED,
  UNREACHABLE_PROTOCOL,
} from '../protocol.ts';
import type { TcpLayer } from '../tcp/tcp-layer.ts';
import type { UdpLayer } from '../udp/udp-layer.ts';
import { type PartialDatagram, Reassembly, type ReassemblyOptions } from './reassembly.ts';
import { LIMITED_BROADCAST, type Routing } from './routing.ts';

export const IPV4_COUNTERS = [
  'received',
  'truncated',
  'badVersion',
  'badHeaderLength',
  'badTotalLength',
  'badChecksum',
  'badSource',
  'notForUs',
  'unknownProtocol',
  'tooLargeToJoin',
  'noSlot',
] as const;
const RECEIVED = 0;
const TRUNCATED = 1;
const BAD_VERSION = 2;
const BAD_HEADER_LENGTH = 3;
const BAD_TOTAL_LENGTH = 4;
const BAD_CHECKSUM = 5;
const BAD_SOURCE = 6;
const NOT_FOR_US = 7;
const UNKNOWN_PROTOCOL = 8;
const TOO_LARGE_TO_JOIN = 9;
const NO_SLOT = 10;

const HEADER_BYTES = 20;

/** The protocols above. */
export interface Ipv4Protocols {
  icmp: Icmp;
  udp: UdpLayer;
  tcp: TcpLayer;
}

/** Takes IPv4 packets, and with each the one reference to its slot. */
export class Ipv4Input {
  readonly counters: Float64Array;
  readonly reassembly: Reassembly;
  private readonly pool: SlotPool;
  private readonly view: DataView;
  private readonly routing: Routing;
  private readonly address: number;
  private readonly sharedAddress: boolean;
  private readonly icmp: Icmp;
  private readonly udp: UdpLayer;
  private readonly tcp: TcpLayer;

  constructor(
    pool: SlotPool,
    runtime: Runtime,
    routing: Routing,
    protocols: Ipv4Protocols,
    sharedAddress: boolean,
    reassembly: ReassemblyOptions | undefined,
  ) {
    this.counters = runtime.metrics.counters('ipv4', IPV4_COUNTERS);
    this.pool = pool;
    this.view = pool.region.view;
    this.routing = routing;
    this.address = routing.address;
    this.sharedAddress = sharedAddress;
    this.icmp = protocols.icmp;
    this.udp = protocols.udp;
    this.tcp = protocols.tcp;
    const expired = (ipOffset: number): void => {
      if (!this.sharedAddress) this.icmp.sendError(ICMP_TIME_EXCEEDED, REASSEMBLY_TIME_EXCEEDED, ipOffset);
    };
    this.reassembly = new Reassembly(pool, runtime, expired, reassembly);
  }

  /** @param offset where the header begins @param lengthBytes what the frame holds from there on, padding included */
  receive(offset: number, lengthBytes: number, flags: number): void {
    const view = this.view;
    if (lengthBytes < HEADER_BYTES) {
      this.drop(offset, TRUNCATED);
      return;
    }
    const first = view.getInt32(offset);
    if (first >>> 28 !== 4) {
      this.drop(offset, BAD_VERSION);
      return;
    }
    const headerBytes = (first >>> 22) & 0x3c;
    if (headerBytes < HEADER_BYTES || headerBytes > lengthBytes) {
      this.drop(offset, BAD_HEADER_LENGTH);
      return;
    }
    const totalBytes = first & 0xffff;
    if (totalBytes < headerBytes || totalBytes > lengthBytes) {
      this.drop(offset, BAD_TOTAL_LENGTH);
      return;
    }
    // The words are at hand: summing them here is cheaper than reading them again.
    const second = view.getInt32(offset + 4);
    const third = view.getInt32(offset + 8);
    const source = view.getInt32(offset + 12);
    const destination = view.getInt32(offset + 16);
    let sum =
      (first >>> 16) +
      totalBytes +
      (second >>> 16) +
      (second & 0xffff) +
      (third >>> 16) +
      (third & 0xffff) +
      (source >>> 16) +
      (source & 0xffff) +
      (destination >>> 16) +
      (destination & 0xffff);
    if (headerBytes > HEADER_BYTES)
      sum = sumBytes(view, offset + HEADER_BYTES, headerBytes - HEADER_BYTES, sum);
    if (foldChecksum(sum) !== 0) {
      this.drop(offset, BAD_CHECKSUM);
      return;
    }
    if (!this.isPlausible(source, flags)) {
      this.drop(offset, BAD_SOURCE);
      return;
    }
    if (destination !== this.address && !this.isForUs(destination, flags)) {
      this.drop(offset, NOT_FOR_US);
      return;
    }
    this.counters[RECEIVED]!++;
    const payloadBytes = totalBytes - headerBytes;
    const protocol = (third >>> 16) & 0xff;
    if ((second & 0x3fff) !== 0) {
      this.fragment(offset, headerBytes, payloadBytes, protocol, source, destination);
      return;
    }
    this.dispatch(offset, offset + headerBytes, payloadBytes, protocol, source, destination, flags);
  }

  close(): void {
    this.reassembly.close();
  }

  private dispatch(
    ipOffset: number,
    offset: number,
    lengthBytes: number,
    protocol: number,
    source: number,
    destination: number,
    flags: number,
  ): void {
    const valid = flags & RX_CHECKSUM_VALID;
    if (protocol === PROTOCOL_TCP) {
      // No connection is with a group of hosts (RFC 1122 section 4.2.3.10).
      if (this.routing.isBroadcast(destination)) this.drop(ipOffset, NOT_FOR_US);
      else this.tcp.receive(ipOffset, offset, lengthBytes, source, destination, valid);
    } else if (protocol === PROTOCOL_UDP) {
      this.udp.receive(ipOffset, offset, lengthBytes, source, destination, valid);
    } else if (protocol === PROTOCOL_ICMP) {
      this.icmp.receive(ipOffset, offset, lengthBytes, source, destination);
    } else {
      if (!this.sharedAddress) this.icmp.sendError(ICMP_UNREACHABLE, UNREACHABLE_PROTOCOL, ipOffset);
      this.drop(ipOffset, UNKNOWN_PROTOCOL);
    }
  }

  /** RFC 1122 section 3.2.1.3: what no sender may have as its address, and what only we ourselves may. */
  private isPlausible(source: number, flags: number): boolean {
    const first = source >>> 24;
    if (source === this.address || first === 127 || this.routing.isVirtual(source)) {
      return (flags & RX_LOOPBACK) !== 0;
    }
    return first !== 0 && first < 224 && !this.routing.isBroadcast(source);
  }

  private isForUs(destination: number, flags: number): boolean {
    if (destination >>> 24 === 127) return (flags & RX_LOOPBACK) !== 0;
    return this.routing.isVirtual(destination) || this.routing.isBroadcast(destination);
  }

  private fragment(
    ipOffset: number,
    headerBytes: number,
    lengthBytes: number,
    protocol: number,
    source: number,
    destination: number,
  ): void {
    // Identification and protocol, and which of our addresses: the rest of RFC 791's key is the source.
    const target =
      destination === this.address
        ? 0
        : destination === LIMITED_BROADCAST
          ? 1
          : this.routing.isVirtual(destination)
            ? 3
            : 2;
    const key = this.view.getUint16(ipOffset + 4) | (protocol << 16) | (target << 24);
    const whole = this.reassembly.receive(ipOffset, headerBytes, lengthBytes, source, key);
    if (whole === undefined) return;
    if (protocol === PROTOCOL_UDP) this.udp.receivePieces(whole, source, destination);
    else if (protocol === PROTOCOL_ICMP && this.icmp.isLongEcho(whole)) {
      this.icmp.echoPieces(whole, source, destination);
      for (let i = 0; i < whole.count; i++) this.pool.release(whole.offset[i]! >> this.pool.slotShift);
    } else this.joinAndDispatch(whole, protocol, source, destination);
    this.reassembly.release(whole);
  }

  /** Copies a datagram into one slot, behind the header of its first fragment, for protocols that want it in one piece. */
  private joinAndDispatch(
    whole: PartialDatagram,
    protocol: number,
    source: number,
    destination: number,
  ): void {
    const { pool } = this;
    const headerBytes = whole.offset[0]! - whole.ipOffset;
    const bytes = pool.region.bytes;
    const start = Math.max(pool.headroomBytes, ETHERNET_HEADER_BYTES);
    const fits = start + headerBytes + whole.totalBytes <= pool.slotSizeBytes;
    const slot = fits ? pool.allocSlot() : -1;
    if (slot < 0) this.counters[fits ? NO_SLOT : TOO_LARGE_TO_JOIN]!++;
    const ipOffset = pool.slotOffset(Math.max(slot, 0)) + start;
    // The frame's header goes along: TCP may answer to the station that it names.
    if (slot >= 0) {
      copyBytes(
        bytes,
        ipOffset - ETHERNET_HEADER_BYTES,
        whole.ipOffset - ETHERNET_HEADER_BYTES,
        headerBytes + ETHERNET_HEADER_BYTES,
      );
    }
    for (let i = 0; i < whole.count; i++) {
      const offset = whole.offset[i]!;
      if (slot >= 0) copyBytes(bytes, ipOffset + headerBytes + whole.place[i]!, offset, whole.length[i]!);
      pool.release(offset >> pool.slotShift);
    }
    if (slot < 0) return;
    this.dispatch(ipOffset, ipOffset + headerBytes, whole.totalBytes, protocol, source, destination, 0);
  }

  private drop(offset: number, counter: number): void {
    this.counters[counter]!++;
    this.pool.release(offset >> this.pool.slotShift);
  }
}
