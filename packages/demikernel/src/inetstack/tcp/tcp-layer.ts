// The TCP layer of one stack: what its connections share, and the doors through which the stack drives it.

import type { SlotPool } from '@demikernel/memory';
import type { Clock } from '../../runtime/clock.ts';
import { ECANCELED } from '../../runtime/errno.ts';
import type { PacketDevice } from '../../runtime/packet-device.ts';
import type { Queue } from '../../runtime/queue.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import type { TimerWheel } from '../../runtime/timer-wheel.ts';
import type { FrameBuilder } from '../frame-builder.ts';
import type { Ipv4Output } from '../ipv4/output.ts';
import type { Route } from '../ipv4/route.ts';
import type { PortReservation } from '../port-reservation.ts';
import { RateLimit } from '../rate-limit.ts';
import { receiveFloor } from '../receive-floor.ts';
import { type CongestionControl, congestionControl } from './congestion/congestion-control.ts';
import type { TcpConnection } from './connection.ts';
import { ConnectionList } from './connection-list.ts';
import { ConnectionTable } from './connection-table.ts';
import { TCP_COUNTERS } from './counters.ts';
import { DelayedAcks } from './delayed-acks.ts';
import { Demultiplexer } from './demultiplexer.ts';
import { receiveIcmpError } from './icmp-error.ts';
import { InitialSequence } from './isn.ts';
import { abort } from './lifecycle.ts';
import type { TcpListener } from './listener.ts';
import { Holdings } from './migration/holdings.ts';
import type { StrangerSink } from './migration/stranger.ts';
import { Ports } from './ports.ts';
import { receiveSegment } from './receive.ts';
import { SackBlocks } from './sack.ts';
import { Segment } from './segment.ts';
import { SynCookies } from './syn-cookies.ts';
import { type TcpConfiguration, type TcpOptions, tcpConfiguration } from './tcp-configuration.ts';
import { TcpQueue } from './tcp-queue.ts';
import { connectionTimer, routeLost } from './timers.ts';
import { flushReady, markReady } from './transmit.ts';

export interface TcpLayerOptions {
  output: Ipv4Output;
  tcp?: TcpOptions;
  /** The host's kernel has the same address: segments for ports that are not ours draw no answer. */
  sharedAddress?: boolean;
  /** Reserves ports of a shared address. */
  ports?: PortReservation;
}

/** All of TCP over one {@link Ipv4Output}. */
export class TcpLayer {
  readonly output: Ipv4Output;
  readonly runtime: Runtime;
  readonly clock: Clock;
  readonly timers: TimerWheel;
  readonly device: PacketDevice;
  readonly pool: SlotPool;
  readonly view: DataView;
  readonly builder: FrameBuilder;
  readonly configuration: TcpConfiguration;
  readonly congestion: CongestionControl;
  readonly counters: Float64Array;
  readonly segment: Segment;
  readonly sackBlocks: SackBlocks;
  readonly demultiplexer: Demultiplexer;
  readonly sequences: InitialSequence;
  readonly cookies: SynCookies;
  readonly ports: Ports;
  readonly table: ConnectionTable;
  readonly delayedAcks: DelayedAcks;
  readonly timeWait: ConnectionList;
  readonly resetLimit: RateLimit;
  readonly sharedAddress: boolean;
  readonly transmitChecksum: boolean;
  /** Under this many free slots windows do not open. */
  readonly lowSlots: number;
  /** Under this many free slots payload is dropped. */
  readonly floorSlots: number;
  /** Milliseconds and seconds of the clock, cut to int32; taken again when the clock has moved. */
  nowMs: number;
  nowSeconds: number;
  /** Connections that live on after their queue was closed, TIME-WAIT not counted. */
  orphanCount: number;
  /** Connections that have something to send, in turn. */
  readyHead: TcpConnection | undefined;
  readyTail: TcpConnection | undefined;
  readyCount: number;
  /** Whether the connection after the present one has a route; read only so that it is in the cache. */
  nextRouteReady: boolean;
  /** Four-tuples whose connections are on their way. */
  readonly holdings: Holdings;
  /** Hears of segments for a virtual address that belong to no connection here; they draw no answer. */
  onStranger: StrangerSink | undefined;
  private clockMicros: number;
  private readonly listeners: Map<number, TcpListener[]>;

  constructor(options: TcpLayerOptions) {
    const { output, sharedAddress = false } = options;
    const { runtime } = output;
    this.output = output;
    this.runtime = runtime;
    this.clock = runtime.clock;
    this.timers = runtime.timers;
    this.device = output.device;
    this.pool = output.pool;
    this.view = output.pool.region.view;
    this.builder = output.builder;
    this.configuration = tcpConfiguration(options.tcp);
    this.congestion = congestionControl(this.configuration.congestionControl);
    this.counters = runtime.metrics.counters('tcp', TCP_COUNTERS);
    this.segment = new Segment();
    this.sackBlocks = new SackBlocks();
    this.demultiplexer = new Demultiplexer(runtime.random);
    this.sequences = new InitialSequence(runtime.random, runtime.clock);
    this.cookies = new SynCookies(runtime.random, runtime.clock);
    const { ephemeralFirst, ephemeralLast, tableRows, resetsPerSecond } = this.configuration;
    this.ports = new Ports(runtime.random, ephemeralFirst, ephemeralLast, options.ports);
    this.table = new ConnectionTable(runtime, tableRows);
    this.delayedAcks = new DelayedAcks(this);
    this.timeWait = new ConnectionList();
    this.resetLimit = new RateLimit(runtime.clock, resetsPerSecond, Math.max(16, resetsPerSecond >> 3));
    this.sharedAddress = sharedAddress;
    this.transmitChecksum = output.device.transmitChecksum;
    this.floorSlots = receiveFloor(output.pool);
    this.lowSlots = Math.min(output.pool.reserveSlots * 2, output.pool.slotCount >> 2) + 8;
    this.nowMs = 0;
    this.nowSeconds = 0;
    this.orphanCount = 0;
    this.readyHead = undefined;
    this.readyTail = undefined;
    this.readyCount = 0;
    this.nextRouteReady = false;
    this.holdings = new Holdings(this);
    this.onStranger = undefined;
    this.clockMicros = ~runtime.clock.micros32;
    this.listeners = new Map();
    this.readClock();
  }

  /** Takes the coarse times from the clock; cheap while it has not moved. */
  readClock(): void {
    const micros32 = this.clock.micros32;
    if (micros32 !== this.clockMicros) this.takeTime(micros32);
  }

  private takeTime(micros32: number): void {
    this.clockMicros = micros32;
    const micros = this.clock.micros[0]!;
    this.nowMs = Math.floor(micros / 1000) | 0;
    this.nowSeconds = Math.floor(micros / 1_000_000) | 0;
  }

  /**
   * Takes one segment, and the one reference to the slot it lies in.
   *
   * @param ipOffset offset of the IPv4 header in the region, the frame's in front of it
   * @param tcpOffset offset of the TCP header
   * @param lengthBytes header and payload
   * @param source sender's address, int32
   * @param destination our address, int32
   * @param flags `RX_CHECKSUM_VALID`
   */
  receive(
    ipOffset: number,
    tcpOffset: number,
    lengthBytes: number,
    source: number,
    destination: number,
    flags: number,
  ): void {
    this.readClock();
    receiveSegment(this, tcpOffset, lengthBytes, source, destination, flags, ipOffset);
  }

  /**
   * An ICMP error whose embedded header is TCP's.
   *
   * @param kind ICMP type
   * @param source embedded source: our address @param destination the peer's
   * @param sequence embedded sequence number
   * @param mtu next-hop MTU of "fragmentation needed", else 0
   */
  icmpError(
    kind: number,
    code: number,
    source: number,
    localPort: number,
    destination: number,
    remotePort: number,
    sequence: number,
    mtu: number,
  ): void {
    this.readClock();
    const c = this.demultiplexer.find(destination, source, (localPort << 16) | remotePort);
    receiveIcmpError(this, c, kind, code, sequence, mtu);
  }

  /** Sends what is ready, as far as the device has room; returns the frames sent. */
  flush(): number {
    this.readClock();
    const sent = flushReady(this);
    this.table.sweep(this.demultiplexer, this.nowMs);
    return sent;
  }

  /** A new unbound queue. */
  createQueue(): Queue {
    return new TcpQueue(this);
  }

  onTimer(c: TcpConnection, kind: number): void {
    this.readClock();
    connectionTimer(this, c, kind);
  }

  onRouteReady(c: TcpConnection): void {
    c.resolving = 0;
    markReady(this, c);
  }

  onRouteFailed(c: TcpConnection, errno: number): void {
    c.resolving = 0;
    routeLost(this, c, errno);
  }

  /** The MSS to announce (RFC 9293 section 3.7.1). */
  advertisedMss(route: Route): number {
    const limit = this.configuration.maximumSegmentBytes;
    const path = Math.min(route.mtuBytes, this.device.mtuBytes) - 40;
    return limit > 0 && limit < path ? limit : path;
  }

  /** Puts a connection on the table, with a use of its port. */
  enter(c: TcpConnection): void {
    this.ports.retain(c.localPort);
    this.enterRetained(c);
  }

  /** As `enter`, when the use of the port has been taken already. */
  enterRetained(c: TcpConnection): void {
    c.inTable = 1;
    this.demultiplexer.add(c);
    this.table.assign(c);
  }

  addListener(listener: TcpListener): void {
    const list = this.listeners.get(listener.localPort);
    if (list === undefined) this.listeners.set(listener.localPort, [listener]);
    // A specific address before the wildcard.
    else if (listener.localAddress === 0) list.push(listener);
    else list.unshift(listener);
  }

  removeListener(listener: TcpListener): void {
    const list = this.listeners.get(listener.localPort);
    if (list === undefined) return;
    const rest = list.filter(other => other !== listener);
    if (rest.length === 0) this.listeners.delete(listener.localPort);
    else this.listeners.set(listener.localPort, rest);
  }

  findListener(address: number, port: number): TcpListener | undefined {
    const list = this.listeners.get(port);
    if (list === undefined) return undefined;
    for (let i = 0; i < list.length; i++) {
      const listener = list[i]!;
      if (listener.localAddress === 0 || listener.localAddress === address) return listener;
    }
    return undefined;
  }

  /** Connections in the table, in every state. */
  get connectionCount(): number {
    return this.demultiplexer.count;
  }

  /** Resets every connection and gives everything back. */
  close(): void {
    this.readClock();
    this.holdings.close();
    for (const list of [...this.listeners.values()]) for (const listener of [...list]) listener.close();
    this.listeners.clear();
    for (const c of this.demultiplexer.all()) {
      abort(this, c, ECANCELED);
      c.receiveQueue.clear();
    }
    this.delayedAcks.close();
  }
}
