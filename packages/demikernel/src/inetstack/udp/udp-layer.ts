// UDP (RFC 768): datagrams checked and given to the queue of their port; ports. What a queue holds is udp-queue.ts.

import { EADDRINUSE, ECONNREFUSED, EHOSTUNREACH, ENETUNREACH } from '../../runtime/errno.ts';
import type { OperationTable } from '../../runtime/operation.ts';
import { RX_CHECKSUM_VALID } from '../../runtime/packet-device.ts';
import { foldSum, pseudoHeaderSum, sumBytes } from '../checksum.ts';
import { FlowTable } from '../flow-table.ts';
import type { Icmp } from '../icmp/icmp.ts';
import type { Ipv4Output } from '../ipv4/output.ts';
import type { PartialDatagram } from '../ipv4/reassembly.ts';
import type { PortReservation } from '../port-reservation.ts';
import {
  ICMP_UNREACHABLE,
  PROTOCOL_UDP,
  UNREACHABLE_FRAGMENTATION_NEEDED,
  UNREACHABLE_NET,
  UNREACHABLE_PORT,
} from '../protocol.ts';
import { receiveFloor } from '../receive-floor.ts';
import {
  BAD_CHECKSUM,
  BAD_LENGTH,
  DELIVERED,
  ICMP_ERRORS,
  ICMP_UNKNOWN,
  NO_PORT,
  RECEIVE_MEMORY_FULL,
  RECEIVE_QUEUE_FULL,
  RECEIVED,
  TRUNCATED,
  UDP_COUNTERS,
} from './counters.ts';
import { UDP_HEADER_BYTES, UdpTransmit, type UdpTransmitOptions } from './transmit.ts';
import { UdpQueue } from './udp-queue.ts';

/** Ephemeral ports (RFC 6335 section 6). */
const FIRST_EPHEMERAL = 49152;
const EPHEMERAL_COUNT = 16384;

export interface UdpOptions extends UdpTransmitOptions {
  /** Bytes of payload a queue holds until popped. Default 256 KiB. */
  receiveBufferBytes?: number;
  /** Bytes of payload a queue holds until sent. Default 256 KiB. */
  sendBufferBytes?: number;
  /** Slots a queue's datagrams may pin. Default 512. */
  receiveSlots?: number;
  /** Slots that the datagrams of all queues may pin. Default a quarter of the pool. */
  totalReceiveSlots?: number;
}

export interface UdpLayerOptions {
  output: Ipv4Output;
  icmp: Icmp;
  udp?: UdpOptions;
  sharedAddress?: boolean;
  ports?: PortReservation;
}

/** How many queues have a port, and whether all of them agreed to share it. */
interface PortUse {
  queues: number;
  shared: boolean;
}

export class UdpLayer {
  readonly output: Ipv4Output;
  readonly operations: OperationTable;
  readonly counters: Float64Array;
  readonly transmit: UdpTransmit;
  readonly receiveBufferBytes: number;
  readonly sendBufferBytes: number;
  readonly receiveSlots: number;
  /** Slots that waiting datagrams pin now. */
  heldSlots: number;
  private readonly totalReceiveSlots: number;
  private readonly floorSlots: number;
  private readonly icmp: Icmp;
  private readonly view: DataView;
  private readonly partialChecksums: boolean;
  private readonly sharedAddress: boolean;
  private readonly reservation: PortReservation | undefined;
  /** Unconnected queues under (0, local port), connected ones under (peer, ports). */
  private readonly flows: FlowTable<UdpQueue>;
  private readonly portUses: FlowTable<PortUse>;
  private connectedCount: number;
  /** Queues with pushes that wait for room. */
  private readonly stalled: UdpQueue[];
  private readonly queues: Set<UdpQueue>;

  constructor(options: UdpLayerOptions) {
    const { output, icmp, udp = {}, sharedAddress = false } = options;
    const { runtime, pool } = output;
    this.output = output;
    this.operations = runtime.operations;
    this.counters = runtime.metrics.counters('udp', UDP_COUNTERS);
    this.transmit = new UdpTransmit(output, this.counters, udp);
    this.receiveBufferBytes = udp.receiveBufferBytes ?? 262_144;
    this.sendBufferBytes = udp.sendBufferBytes ?? 262_144;
    this.receiveSlots = udp.receiveSlots ?? 512;
    this.heldSlots = 0;
    this.totalReceiveSlots = udp.totalReceiveSlots ?? Math.max(1, pool.slotCount >> 2);
    this.floorSlots = receiveFloor(pool);
    this.icmp = icmp;
    this.view = pool.region.view;
    this.partialChecksums = output.device.partialChecksums;
    this.sharedAddress = sharedAddress;
    this.reservation = options.ports;
    this.flows = new FlowTable<UdpQueue>(runtime.random.int32());
    this.portUses = new FlowTable<PortUse>(runtime.random.int32());
    this.connectedCount = 0;
    this.stalled = [];
    this.queues = new Set();
  }

  createQueue(): UdpQueue {
    const queue = new UdpQueue(this);
    this.queues.add(queue);
    return queue;
  }

  /** Takes a datagram that lies in one slot, and the slot's reference. */
  receive(
    ipOffset: number,
    offset: number,
    lengthBytes: number,
    source: number,
    destination: number,
    flags: number,
  ): void {
    const { view, counters } = this;
    counters[RECEIVED]!++;
    if (lengthBytes < UDP_HEADER_BYTES) {
      this.drop(offset, TRUNCATED);
      return;
    }
    const ports = view.getInt32(offset);
    const udpBytes = view.getUint16(offset + 4);
    if (udpBytes < UDP_HEADER_BYTES || udpBytes > lengthBytes) {
      this.drop(offset, BAD_LENGTH);
      return;
    }
    const field = view.getUint16(offset + 6);
    if (
      field !== 0 &&
      flags !== RX_CHECKSUM_VALID &&
      !this.isIntact(offset, udpBytes, source, destination, field)
    ) {
      this.drop(offset, BAD_CHECKSUM);
      return;
    }
    const queue = this.find(source, destination, ports);
    if (queue === undefined) {
      this.noPort(ipOffset, offset);
      return;
    }
    const { pool } = this.output;
    const payloadBytes = udpBytes - UDP_HEADER_BYTES;
    if (pool.freeSlots < this.floorSlots || (this.heldSlots >= this.totalReceiveSlots && !queue.awaited)) {
      this.drop(offset, RECEIVE_MEMORY_FULL);
      return;
    }
    const array = pool.array();
    array.append(pool.slice(offset >> pool.slotShift, offset + UDP_HEADER_BYTES, payloadBytes));
    if (queue.deliver(array, payloadBytes, source, ports >>> 16)) counters[DELIVERED]!++;
    else {
      counters[RECEIVE_QUEUE_FULL]!++;
      array.free();
    }
  }

  /** Takes the slots of a datagram that came in fragments. */
  receivePieces(whole: PartialDatagram, source: number, destination: number): void {
    const { view, counters } = this;
    const { pool } = this.output;
    counters[RECEIVED]!++;
    const first = whole.offset[0]!;
    const array = pool.array();
    for (let i = 0; i < whole.count; i++) {
      array.append(pool.slice(whole.offset[i]! >> pool.slotShift, whole.offset[i]!, whole.length[i]!));
    }
    const drop = (counter: number): void => {
      counters[counter]!++;
      array.free();
    };
    if (whole.length[0]! < UDP_HEADER_BYTES) {
      drop(TRUNCATED);
      return;
    }
    if (view.getUint16(first + 4) !== whole.totalBytes) {
      drop(BAD_LENGTH);
      return;
    }
    if (view.getUint16(first + 6) !== 0) {
      let sum = pseudoHeaderSum(source, destination, PROTOCOL_UDP, whole.totalBytes);
      // Every fragment but the last is a multiple of eight bytes long.
      for (let i = 0; i < whole.count; i++) sum = sumBytes(view, whole.offset[i]!, whole.length[i]!, sum);
      if (foldSum(sum) !== 0xffff) {
        drop(BAD_CHECKSUM);
        return;
      }
    }
    const ports = view.getInt32(first);
    const queue = this.find(source, destination, ports);
    if (queue === undefined) {
      if (!this.sharedAddress) this.icmp.sendError(ICMP_UNREACHABLE, UNREACHABLE_PORT, whole.ipOffset);
      drop(NO_PORT);
      return;
    }
    const head = array.segments[0]!;
    head.offset += UDP_HEADER_BYTES;
    head.length -= UDP_HEADER_BYTES;
    const crowded = this.heldSlots + array.count > this.totalReceiveSlots && !queue.awaited;
    if (crowded || array.pool.freeSlots < this.floorSlots) {
      drop(RECEIVE_MEMORY_FULL);
      return;
    }
    if (!queue.deliver(array, whole.totalBytes - UDP_HEADER_BYTES, source, ports >>> 16)) {
      drop(RECEIVE_QUEUE_FULL);
      return;
    }
    counters[DELIVERED]!++;
  }

  /**
   * An ICMP error about a datagram of ours.
   *
   * @returns whether a queue has such a flow
   */
  icmpError(
    kind: number,
    code: number,
    source: number,
    localPort: number,
    destination: number,
    remotePort: number,
  ): boolean {
    const queue = this.find(destination, source, (remotePort << 16) | localPort);
    this.counters[queue === undefined ? ICMP_UNKNOWN : ICMP_ERRORS]!++;
    if (queue === undefined) return false;
    if (kind === ICMP_UNREACHABLE && code !== UNREACHABLE_FRAGMENTATION_NEEDED) {
      queue.failedTo(destination, remotePort, errnoOf(code));
    }
    return true;
  }

  /** Sends while the device has room; returns the frames sent. */
  flush(): number {
    const frames = this.transmit.flush();
    return this.stalled.length === 0 ? frames : frames + this.resume();
  }

  /** Datagrams that wait for the device. */
  get queued(): number {
    return this.transmit.queued;
  }

  /** A queue has pushes that found no room; they are tried again at every flush. */
  stall(queue: UdpQueue): void {
    if (queue.stalled) return;
    queue.stalled = true;
    this.stalled.push(queue);
  }

  private resume(): number {
    const { stalled } = this;
    const count = stalled.length;
    let kept = 0;
    for (let i = 0; i < count; i++) {
      const queue = stalled[i]!;
      queue.stalled = queue.resumePushes();
      if (queue.stalled) stalled[kept++] = queue;
    }
    // What completed may have pushed again from its sink, and stands behind.
    for (let i = count; i < stalled.length; i++) stalled[kept++] = stalled[i]!;
    stalled.length = kept;
    return this.transmit.flush();
  }

  mayBind(address: number): boolean {
    return this.output.isLocal(address);
  }

  /** Gives a queue its local address; port 0 is any free one. Returns an errno. */
  bind(queue: UdpQueue, address: number, port: number): number {
    const use = port === 0 ? undefined : this.portUses.get(port, 0);
    if (use !== undefined && !(use.shared && queue.reuseAddress)) return EADDRINUSE;
    const chosen = use === undefined ? this.reserve(port) : port;
    if (chosen < 0) return -chosen;
    if (use === undefined) this.portUses.set(chosen, 0, { queues: 1, shared: queue.reuseAddress });
    else use.queues++;
    queue.localAddress.setIpv4(address, chosen);
    // Of several that share a port the first hears from strangers; the others once they are connected.
    if (this.flows.get(0, chosen) === undefined) this.flows.set(0, chosen, queue);
    return 0;
  }

  /** Gives a bound queue its peer. Returns an errno. */
  connect(queue: UdpQueue, peer: number, peerPort: number, source: number): number {
    const ports = (peerPort << 16) | queue.localAddress.port;
    const other = this.flows.get(peer, ports);
    if (other !== undefined && other !== queue) return EADDRINUSE;
    this.unlink(queue);
    queue.localAddress.setIpv4(source, queue.localAddress.port);
    queue.remoteAddress.setIpv4(peer, peerPort);
    queue.connected = true;
    this.flows.set(peer, ports, queue);
    this.connectedCount++;
    return 0;
  }

  /** Takes a queue out of every table. */
  remove(queue: UdpQueue): void {
    const { port } = queue.localAddress;
    this.queues.delete(queue);
    if (port === 0) return;
    this.unlink(queue);
    const use = this.portUses.get(port, 0)!;
    use.queues--;
    if (use.queues > 0) return;
    this.portUses.delete(port, 0);
    if (this.reservation !== undefined) this.reservation.release(PROTOCOL_UDP, port);
  }

  close(): void {
    for (const queue of [...this.queues]) queue.close();
    this.transmit.close();
  }

  private unlink(queue: UdpQueue): void {
    const { port } = queue.localAddress;
    if (queue.connected) {
      this.flows.delete(queue.remoteAddress.ipv4, (queue.remoteAddress.port << 16) | port);
      this.connectedCount--;
      queue.connected = false;
    } else if (this.flows.get(0, port) === queue) this.flows.delete(0, port);
  }

  /** A port that nobody has; a negative errno when there is none. */
  private reserve(port: number): number {
    if (this.reservation !== undefined) return this.reservation.reserve(PROTOCOL_UDP, port);
    return port === 0 ? this.ephemeralPort() : port;
  }

  /** A random free port (RFC 6056 section 3.3.1), or -EADDRINUSE when all are in use. */
  private ephemeralPort(): number {
    const start = this.output.runtime.random.below(EPHEMERAL_COUNT);
    for (let i = 0; i < EPHEMERAL_COUNT; i++) {
      const port = FIRST_EPHEMERAL + ((start + i) & (EPHEMERAL_COUNT - 1));
      if (this.portUses.get(port, 0) === undefined) return port;
    }
    return -EADDRINUSE;
  }

  /** @param ports the header's first word: source port high, destination port low */
  private find(source: number, destination: number, ports: number): UdpQueue | undefined {
    if (this.connectedCount > 0) {
      const connected = this.flows.get(source, ports);
      if (connected !== undefined && connected.localAddress.ipv4 === destination) return connected;
    }
    const queue = this.flows.get(0, ports & 0xffff);
    if (queue === undefined) return undefined;
    const bound = queue.localAddress.ipv4;
    return bound === 0 || bound === destination ? queue : undefined;
  }

  private isIntact(
    offset: number,
    bytes: number,
    source: number,
    destination: number,
    field: number,
  ): boolean {
    const pseudo = pseudoHeaderSum(source, destination, PROTOCOL_UDP, bytes);
    if (this.partialChecksums && field === foldSum(pseudo)) return true;
    return foldSum(sumBytes(this.view, offset, bytes, pseudo)) === 0xffff;
  }

  private noPort(ipOffset: number, offset: number): void {
    if (!this.sharedAddress) this.icmp.sendError(ICMP_UNREACHABLE, UNREACHABLE_PORT, ipOffset);
    this.drop(offset, NO_PORT);
  }

  private drop(offset: number, counter: number): void {
    this.counters[counter]!++;
    const { pool } = this.output;
    pool.release(offset >> pool.slotShift);
  }
}

/** What a destination-unreachable code means to a socket (as Linux maps them, net/ipv4/icmp.c). */
function errnoOf(code: number): number {
  if (code === UNREACHABLE_PORT) return ECONNREFUSED;
  return code === UNREACHABLE_NET ? ENETUNREACH : EHOSTUNREACH;
}
