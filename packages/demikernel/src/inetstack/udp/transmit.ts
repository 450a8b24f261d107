// Sending datagrams: the stack's one send queue for UDP, the wait for neighbours, the cut into fragments (RFC 791 section 3.2).

import type { ScatterGatherArray } from '@demikernel/memory';
import { foldChecksum, foldSum, pseudoHeaderSum, sumBytes, sumFrame, swapSum } from '../checksum.ts';
import { type Ipv4Output, LINK_HEADERS_BYTES } from '../ipv4/output.ts';
import type { Route, RouteListener } from '../ipv4/route.ts';
import { PROTOCOL_UDP } from '../protocol.ts';
import { FRAGMENTS_SENT, NO_SLOT, SENT, UNREACHABLE_DROPPED, UNRESOLVED_DROPPED } from './counters.ts';
import { OutgoingDatagram, OutgoingList } from './outgoing.ts';
import type { UdpQueue } from './udp-queue.ts';

export const UDP_HEADER_BYTES = 8;
const HEADERS_BYTES = LINK_HEADERS_BYTES + UDP_HEADER_BYTES;
const IP_AND_UDP_BYTES = 28;
const MORE_FRAGMENTS = 0x2000;

export interface UdpTransmitOptions {
  /** Datagrams accepted and not yet sent, over all queues. Default 1024. */
  sendEntries?: number;
  /** Datagrams that wait for one neighbour's address. Default 64. */
  unresolvedPerNeighbour?: number;
  /** The same over all neighbours. Default 256. */
  unresolvedTotal?: number;
}

/** Accepts datagrams and sends them in order while the device has room. */
export class UdpTransmit implements RouteListener {
  private readonly output: Ipv4Output;
  private readonly view: DataView;
  private readonly counters: Float64Array;
  private readonly sending: OutgoingList;
  private readonly idle: OutgoingList;
  /** Datagrams that wait, by the neighbour's address. */
  private readonly waiting: Map<number, OutgoingList>;
  private readonly entries: number;
  private readonly unresolvedPerNeighbour: number;
  private readonly unresolvedTotal: number;
  private unresolved: number;
  private used: number;

  constructor(output: Ipv4Output, counters: Float64Array, options: UdpTransmitOptions) {
    this.output = output;
    this.view = output.pool.region.view;
    this.counters = counters;
    this.sending = new OutgoingList();
    this.idle = new OutgoingList();
    this.waiting = new Map();
    this.entries = options.sendEntries ?? 1024;
    this.unresolvedPerNeighbour = options.unresolvedPerNeighbour ?? 64;
    this.unresolvedTotal = options.unresolvedTotal ?? 256;
    this.unresolved = 0;
    this.used = 0;
  }

  /** Datagrams that leave with the next flush, room permitting. */
  get queued(): number {
    return this.sending.count;
  }

  get full(): boolean {
    return this.used >= this.entries;
  }

  /** Takes a datagram over, array and all. The caller has checked `full`. */
  accept(
    queue: UdpQueue,
    route: Route,
    array: ScatterGatherArray,
    lengthBytes: number,
    sourcePort: number,
    destinationPort: number,
  ): void {
    const datagram = this.idle.shift() ?? new OutgoingDatagram();
    this.used++;
    datagram.queue = queue;
    datagram.route = route;
    datagram.array = array;
    datagram.lengthBytes = lengthBytes;
    datagram.sourcePort = sourcePort;
    datagram.destinationPort = destinationPort;
    datagram.sentBytes = 0;
    if (route.ready) this.sending.push(datagram);
    else this.park(datagram, route);
  }

  /** Sends while the device has room; returns the frames sent. */
  flush(): number {
    const { device } = this.output;
    let frames = 0;
    let room = device.transmitRoom();
    while (room > 0) {
      const datagram = this.sending.head;
      if (datagram === undefined) break;
      const whole =
        datagram.lengthBytes + IP_AND_UDP_BYTES <= datagram.route!.mtuBytes && datagram.sentBytes === 0;
      if (!(whole ? this.sendWhole(datagram) : this.sendFragment(datagram))) {
        // No slot for headers: the rest waits for the next turn, when the device has given some back.
        this.counters[NO_SLOT]!++;
        break;
      }
      frames++;
      room--;
      if (datagram.sentBytes < datagram.lengthBytes + UDP_HEADER_BYTES) continue;
      this.sending.shift();
      this.counters[SENT]!++;
      this.finish(datagram);
    }
    return frames;
  }

  routeReady(route: Route): void {
    const list = this.waiting.get(route.neighbour.address);
    if (list === undefined) return;
    this.waiting.delete(route.neighbour.address);
    this.unresolved -= list.count;
    for (let datagram = list.shift(); datagram !== undefined; datagram = list.shift())
      this.sending.push(datagram);
  }

  routeFailed(route: Route, errno: number): void {
    const list = this.waiting.get(route.neighbour.address);
    if (list === undefined) return;
    this.waiting.delete(route.neighbour.address);
    this.unresolved -= list.count;
    for (let datagram = list.shift(); datagram !== undefined; datagram = list.shift()) {
      this.counters[UNREACHABLE_DROPPED]!++;
      datagram.queue!.failedTo(datagram.route!.destination, datagram.destinationPort, errno);
      this.finish(datagram);
    }
  }

  close(): void {
    for (const [address, list] of this.waiting) {
      const route = list.head?.route;
      if (route !== undefined) this.output.cancelResolve(route, this);
      for (let datagram = list.shift(); datagram !== undefined; datagram = list.shift())
        this.finish(datagram);
      this.waiting.delete(address);
    }
    for (let datagram = this.sending.shift(); datagram !== undefined; datagram = this.sending.shift()) {
      this.finish(datagram);
    }
  }

  private park(datagram: OutgoingDatagram, route: Route): void {
    let list = this.waiting.get(route.neighbour.address);
    const here = list === undefined ? 0 : list.count;
    if (here >= this.unresolvedPerNeighbour || this.unresolved >= this.unresolvedTotal) {
      this.counters[UNRESOLVED_DROPPED]!++;
      this.finish(datagram);
      return;
    }
    if (list === undefined) {
      list = new OutgoingList();
      this.waiting.set(route.neighbour.address, list);
      this.output.resolve(route, this);
    }
    list.push(datagram);
    this.unresolved++;
  }

  /** Gives an entry back and lets its queue go on. */
  private finish(datagram: OutgoingDatagram): void {
    const queue = datagram.queue!;
    datagram.array!.free();
    datagram.array = undefined;
    datagram.queue = undefined;
    datagram.route = undefined;
    this.idle.push(datagram);
    this.used--;
    queue.sent(datagram.lengthBytes);
  }

  private sendWhole(datagram: OutgoingDatagram): boolean {
    const { output, view } = this;
    const { builder, device } = output;
    const { lengthBytes } = datagram;
    const route = datagram.route!;
    const array = datagram.array!;
    builder.open(HEADERS_BYTES, lengthBytes, true);
    for (let i = 0; i < array.count; i++) builder.add(array.segments[i]!, 0, array.segments[i]!.length);
    const start = builder.close();
    if (start < 0) return false;
    const udpBytes = lengthBytes + UDP_HEADER_BYTES;
    const at = start + LINK_HEADERS_BYTES;
    view.setInt32(at, (datagram.sourcePort << 16) | datagram.destinationPort);
    view.setInt32(at + 4, udpBytes << 16);
    const pseudo = pseudoHeaderSum(route.source, route.destination, PROTOCOL_UDP, udpBytes);
    if (device.transmitChecksum) {
      view.setUint16(at + 6, foldSum(pseudo));
      builder.frame.checksumStart = LINK_HEADERS_BYTES;
      builder.frame.checksumOffset = 6;
    } else {
      const checksum = foldChecksum(sumFrame(view, builder.frame, LINK_HEADERS_BYTES, pseudo));
      view.setUint16(at + 6, checksum === 0 ? 0xffff : checksum);
    }
    output.writeHeaders(start, route, PROTOCOL_UDP, udpBytes);
    device.transmit(builder.frame);
    datagram.sentBytes = udpBytes;
    return true;
  }

  /** Sends the next fragment; the UDP header travels in the first. */
  private sendFragment(datagram: OutgoingDatagram): boolean {
    const { output, view } = this;
    const { builder } = output;
    const route = datagram.route!;
    const udpBytes = datagram.lengthBytes + UDP_HEADER_BYTES;
    const place = datagram.sentBytes;
    if (place === 0) this.beginFragments(datagram, route);
    const left = udpBytes - place;
    const room = (route.mtuBytes - 20) & ~7;
    const bytes = left <= route.mtuBytes - 20 ? left : room;
    const headerBytes = place === 0 ? UDP_HEADER_BYTES : 0;
    builder.open(LINK_HEADERS_BYTES + headerBytes, bytes - headerBytes, false);
    addRange(this.output, datagram.array!, place + headerBytes - UDP_HEADER_BYTES, bytes - headerBytes);
    const start = builder.close();
    if (start < 0) return false;
    if (place === 0) {
      const at = start + LINK_HEADERS_BYTES;
      view.setInt32(at, (datagram.sourcePort << 16) | datagram.destinationPort);
      view.setInt32(at + 4, (udpBytes << 16) | datagram.checksum);
    }
    const word = (place >> 3) | (bytes < left ? MORE_FRAGMENTS : 0);
    output.writeHeadersOf(start, route, PROTOCOL_UDP, bytes, datagram.identification, word);
    output.device.transmit(builder.frame);
    this.counters[FRAGMENTS_SENT]!++;
    datagram.sentBytes = place + bytes;
    return true;
  }

  private beginFragments(datagram: OutgoingDatagram, route: Route): void {
    datagram.identification = route.identification;
    route.identification = (route.identification + 1) & 0xffff;
    const udpBytes = datagram.lengthBytes + UDP_HEADER_BYTES;
    const pseudo = pseudoHeaderSum(route.source, route.destination, PROTOCOL_UDP, udpBytes);
    const header = datagram.sourcePort + datagram.destinationPort + udpBytes;
    const checksum = foldChecksum(sumArray(this.view, datagram.array!, foldSum(pseudo + header)));
    datagram.checksum = checksum === 0 ? 0xffff : checksum;
  }
}

/** Adds `length` bytes of an array, from `skip` on, to the frame being built. */
function addRange(output: Ipv4Output, array: ScatterGatherArray, skip: number, length: number): void {
  let from = skip;
  let left = length;
  for (let i = 0; i < array.count && left > 0; i++) {
    const slice = array.segments[i]!;
    if (from >= slice.length) {
      from -= slice.length;
      continue;
    }
    const piece = Math.min(slice.length - from, left);
    output.builder.add(slice, from, piece);
    left -= piece;
    from = 0;
  }
}

/** Partial sum over the bytes of an array. */
export function sumArray(view: DataView, array: ScatterGatherArray, sum: number): number {
  let total = sum;
  let odd = 0;
  for (let i = 0; i < array.count; i++) {
    const slice = array.segments[i]!;
    const part = sumBytes(view, slice.offset, slice.length, 0);
    total = foldSum(total + (odd === 0 ? part : swapSum(part)));
    odd ^= slice.length & 1;
  }
  return total;
}
