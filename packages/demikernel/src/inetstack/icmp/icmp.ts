// The control messages (RFC 792): echo answered, errors sent and errors understood. Who is told of them: UDP and TCP.

import { foldChecksum, sumBytes, sumFrame } from '../checksum.ts';
import { type Ipv4Output, LINK_HEADERS_BYTES } from '../ipv4/output.ts';
import type { PartialDatagram } from '../ipv4/reassembly.ts';
import type { Route, RouteListener } from '../ipv4/route.ts';
import type { Routing } from '../ipv4/routing.ts';
import {
  ICMP_ECHO_REPLY,
  ICMP_ECHO_REQUEST,
  ICMP_PARAMETER_PROBLEM,
  ICMP_TIME_EXCEEDED,
  ICMP_UNREACHABLE,
  PROTOCOL_ICMP,
  PROTOCOL_TCP,
  PROTOCOL_UDP,
  UNREACHABLE_FRAGMENTATION_NEEDED,
} from '../protocol.ts';
import { RateLimit } from '../rate-limit.ts';
import type { TcpLayer } from '../tcp/tcp-layer.ts';
import type { UdpLayer } from '../udp/udp-layer.ts';
import { piecesFit, piecesValid, replyInPieces } from './fragmented-echo.ts';

export const ICMP_COUNTERS = [
  'received',
  'truncated',
  'badChecksum',
  'unknownType',
  'echoRequests',
  'echoReplies',
  'echoLimited',
  'echoToBroadcast',
  'errorsReceived',
  'badEmbedded',
  'errorsSent',
  'errorsLimited',
  'errorsSuppressed',
  'notSent',
  'mtuLowered',
] as const;
const RECEIVED = 0;
const TRUNCATED = 1;
const BAD_CHECKSUM = 2;
const UNKNOWN_TYPE = 3;
const ECHO_REQUESTS = 4;
const ECHO_REPLIES = 5;
const ECHO_LIMITED = 6;
const ECHO_TO_BROADCAST = 7;
const ERRORS_RECEIVED = 8;
const BAD_EMBEDDED = 9;
const ERRORS_SENT = 10;
const ERRORS_LIMITED = 11;
const ERRORS_SUPPRESSED = 12;
const NOT_SENT = 13;
const MTU_LOWERED = 14;

export interface IcmpOptions {
  /** Echo replies per second. Default 20,000. */
  echoPerSecond?: number;
  /** Errors sent per second (RFC 1812 section 4.3.2.8 asks for a limit). Default 1000. */
  errorsPerSecond?: number;
}

const HEADER_BYTES = 8;
/** An error stays within 576 bytes, its headers included (RFC 1812 section 4.3.2.3). */
const LARGEST_QUOTE_BYTES = 576 - 20 - HEADER_BYTES;

/** Nobody waits: the neighbour is asked for, so that the next answer finds its way. */
const NOBODY: RouteListener = {
  routeReady(): void {},
  routeFailed(): void {},
};

/** Who is told of errors. */
export interface IcmpReceivers {
  udp: UdpLayer;
  tcp: TcpLayer;
}

export class Icmp {
  readonly counters: Float64Array;
  private readonly output: Ipv4Output;
  private readonly routing: Routing;
  private readonly view: DataView;
  private readonly sharedAddress: boolean;
  private readonly echoLimit: RateLimit;
  private readonly errorLimit: RateLimit;
  private receivers: IcmpReceivers | undefined;

  constructor(output: Ipv4Output, routing: Routing, sharedAddress: boolean, options: IcmpOptions = {}) {
    const { echoPerSecond = 20_000, errorsPerSecond = 1000 } = options;
    const { clock, metrics } = output.runtime;
    this.counters = metrics.counters('icmp', ICMP_COUNTERS);
    this.output = output;
    this.routing = routing;
    this.view = output.pool.region.view;
    this.sharedAddress = sharedAddress;
    this.echoLimit = new RateLimit(clock, echoPerSecond, Math.ceil(echoPerSecond / 10));
    this.errorLimit = new RateLimit(clock, errorsPerSecond, Math.ceil(errorsPerSecond / 10));
    this.receivers = undefined;
  }

  /** Says who is told of errors; they are made after this, because they send errors themselves. */
  connect(receivers: IcmpReceivers): void {
    this.receivers = receivers;
  }

  /** Takes a message and its slot's reference. */
  receive(_ipOffset: number, offset: number, lengthBytes: number, source: number, destination: number): void {
    const { pool } = this.output;
    const slot = offset >> pool.slotShift;
    const kept = this.handle(slot, offset, lengthBytes, source, destination);
    if (!kept) pool.release(slot);
  }

  /** Whether a message in fragments is an echo request too long for one packet: answered as it came. */
  isLongEcho(whole: PartialDatagram): boolean {
    if (whole.totalBytes + 20 <= this.output.device.mtuBytes || whole.length[0]! < HEADER_BYTES) return false;
    return this.view.getUint8(whole.offset[0]!) === ICMP_ECHO_REQUEST;
  }

  /** Answers an echo request in fragments. The fragments stay the caller's. */
  echoPieces(whole: PartialDatagram, source: number, destination: number): void {
    const { output } = this;
    this.counters[RECEIVED]!++;
    if (!piecesValid(this.view, whole)) {
      this.count(BAD_CHECKSUM);
      return;
    }
    this.counters[ECHO_REQUESTS]!++;
    if (this.sharedAddress) return;
    if (!output.isLocal(destination)) this.count(ECHO_TO_BROADCAST);
    else if (!this.echoLimit.take()) this.count(ECHO_LIMITED);
    else {
      const route = this.sendableTo(source, 0);
      const sent =
        route !== undefined && piecesFit(output, route, whole) && replyInPieces(output, route, whole);
      this.counters[sent ? ECHO_REPLIES : NOT_SENT]!++;
    }
  }

  /** True when the slot's reference has been taken over. */
  private handle(
    slot: number,
    offset: number,
    lengthBytes: number,
    source: number,
    destination: number,
  ): boolean {
    this.counters[RECEIVED]!++;
    if (lengthBytes < HEADER_BYTES) return this.count(TRUNCATED);
    if (foldChecksum(sumBytes(this.view, offset, lengthBytes, 0)) !== 0) return this.count(BAD_CHECKSUM);
    const type = this.view.getUint8(offset);
    if (type === ICMP_ECHO_REQUEST) return this.echo(slot, offset, lengthBytes, source, destination);
    if (type === ICMP_UNREACHABLE || type === ICMP_TIME_EXCEEDED || type === ICMP_PARAMETER_PROBLEM) {
      this.error(type, offset, lengthBytes);
      return false;
    }
    return this.count(UNKNOWN_TYPE);
  }

  private count(counter: number): false {
    this.counters[counter]!++;
    return false;
  }

  private echo(
    slot: number,
    offset: number,
    lengthBytes: number,
    source: number,
    destination: number,
  ): boolean {
    const { output, view } = this;
    this.counters[ECHO_REQUESTS]!++;
    // The owner of a shared address answers; a broadcast nobody need answer (RFC 1122 section 3.2.2.6).
    if (this.sharedAddress) return false;
    if (!output.isLocal(destination)) return this.count(ECHO_TO_BROADCAST);
    if (!this.echoLimit.take()) return this.count(ECHO_LIMITED);
    const route = this.sendableTo(source, lengthBytes);
    if (route === undefined) return this.count(NOT_SENT);
    // The request's bytes become the reply's: nobody else holds them, so that the frame is made around them.
    view.setUint16(offset, ICMP_ECHO_REPLY << 8);
    view.setUint16(offset + 2, 0);
    view.setUint16(offset + 2, foldChecksum(sumBytes(view, offset, lengthBytes, 0)));
    const message = output.pool.slice(slot, offset, lengthBytes);
    output.builder.open(LINK_HEADERS_BYTES, lengthBytes, true);
    output.builder.add(message, 0, lengthBytes);
    const start = output.builder.close();
    if (start < 0) this.count(NOT_SENT);
    else {
      this.counters[ECHO_REPLIES]!++;
      output.writeHeaders(start, route, PROTOCOL_ICMP, lengthBytes);
      output.device.transmit(output.builder.frame);
    }
    message.release();
    return true;
  }

  /**
   * Tells the sender of the packet at `ipOffset` that it went wrong, within the limits of RFC 1122 section 3.2.2: never
   * about errors, broadcasts or later fragments. The packet stays the caller's.
   */
  sendError(type: number, code: number, ipOffset: number): void {
    const { output, view } = this;
    const { pool, builder } = output;
    if (!this.deservesError(ipOffset)) {
      this.counters[ERRORS_SUPPRESSED]!++;
      return;
    }
    if (!this.errorLimit.take()) {
      this.counters[ERRORS_LIMITED]!++;
      return;
    }
    const slot = ipOffset >> pool.slotShift;
    // Of a joined datagram, or of one cut short, only what lies in this slot can be quoted.
    const present = pool.slotOffset(slot + 1) - ipOffset;
    const quoted = Math.min(view.getUint16(ipOffset + 2), LARGEST_QUOTE_BYTES, present);
    const route = this.sendableTo(view.getInt32(ipOffset + 12), HEADER_BYTES + quoted);
    builder.open(LINK_HEADERS_BYTES + HEADER_BYTES, quoted, false);
    pool.retain(slot);
    const packet = pool.slice(slot, ipOffset, quoted);
    builder.add(packet, 0, quoted);
    const start = route === undefined ? -1 : builder.close();
    if (start < 0) this.counters[NOT_SENT]!++;
    else {
      const at = start + LINK_HEADERS_BYTES;
      view.setInt32(at, (type << 24) | (code << 16));
      view.setInt32(at + 4, 0);
      view.setUint16(at + 2, foldChecksum(sumFrame(view, builder.frame, LINK_HEADERS_BYTES, 0)));
      output.writeHeaders(start, route!, PROTOCOL_ICMP, HEADER_BYTES + quoted);
      output.device.transmit(builder.frame);
      this.counters[ERRORS_SENT]!++;
    }
    packet.release();
  }

  private deservesError(ipOffset: number): boolean {
    const { view } = this;
    if (!this.output.isLocal(view.getInt32(ipOffset + 16))) return false;
    if ((view.getUint16(ipOffset + 6) & 0x1fff) !== 0) return false;
    if (view.getUint8(ipOffset + 9) !== PROTOCOL_ICMP) return true;
    const type = view.getUint8(ipOffset + ((view.getUint8(ipOffset) & 15) << 2));
    return type === ICMP_ECHO_REQUEST;
  }

  /** The route to a host if a message of this length can leave now; otherwise its neighbour is asked for. */
  private sendableTo(destination: number, lengthBytes: number): Route | undefined {
    const { output } = this;
    // Strangers make us ask for so many neighbours and no more.
    if (output.crowded && !output.reaches(destination)) return undefined;
    const route = output.route(destination, 0);
    if (route === undefined || route.broadcast || lengthBytes + 20 > route.mtuBytes) return undefined;
    if (!route.ready) {
      // One waiter is enough to keep the request going.
      if (route.neighbour.waiters.length === 0) output.resolve(route, NOBODY);
      return undefined;
    }
    return output.device.transmitRoom() > 0 ? route : undefined;
  }

  /** An error about a packet of ours, of which it quotes the header and at least eight bytes (RFC 792). */
  private error(type: number, offset: number, lengthBytes: number): void {
    const { view } = this;
    this.counters[ERRORS_RECEIVED]!++;
    const ip = offset + HEADER_BYTES;
    const left = lengthBytes - HEADER_BYTES;
    const headerBytes = left >= 20 ? (view.getUint8(ip) & 15) << 2 : 0;
    if (headerBytes < 20 || left < headerBytes + 8 || view.getUint8(ip) >>> 4 !== 4) {
      this.counters[BAD_EMBEDDED]!++;
      return;
    }
    const source = view.getInt32(ip + 12);
    const destination = view.getInt32(ip + 16);
    if (!this.output.isLocal(source) || (view.getUint16(ip + 6) & 0x1fff) !== 0) {
      this.counters[BAD_EMBEDDED]!++;
      return;
    }
    const code = view.getUint8(offset + 1);
    let mtuBytes = 0;
    if (type === ICMP_UNREACHABLE && code === UNREACHABLE_FRAGMENTATION_NEEDED) {
      mtuBytes = this.routing.plausibleMtu(destination, view.getUint16(ip + 2), view.getUint16(offset + 6));
      if (mtuBytes === 0) {
        this.counters[BAD_EMBEDDED]!++;
        return;
      }
    }
    this.deliver(type, code, view.getUint8(ip + 9), source, destination, ip + headerBytes, mtuBytes);
  }

  private deliver(
    type: number,
    code: number,
    protocol: number,
    source: number,
    destination: number,
    at: number,
    mtuBytes: number,
  ): void {
    const { view, receivers } = this;
    const localPort = view.getUint16(at);
    const remotePort = view.getUint16(at + 2);
    if (receivers === undefined) return;
    if (protocol === PROTOCOL_TCP) {
      const sequence = view.getInt32(at + 4);
      receivers.tcp.icmpError(type, code, source, localPort, destination, remotePort, sequence, mtuBytes);
    } else if (protocol === PROTOCOL_UDP) {
      const known = receivers.udp.icmpError(type, code, source, localPort, destination, remotePort);
      if (known && mtuBytes > 0) {
        this.routing.lowerMtu(destination, mtuBytes);
        this.counters[MTU_LOWERED]!++;
      }
    } else this.counters[BAD_EMBEDDED]!++;
  }
}
