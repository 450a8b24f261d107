// The address resolution protocol (RFC 826): requests, replies, ageing, announcements. The cache it fills, and who has to leave
// it: neighbour-table.ts.

import { EHOSTUNREACH, ENOBUFS } from '../../runtime/errno.ts';
import type { PacketDevice } from '../../runtime/packet-device.ts';
import { Frame } from '../../runtime/packet-device.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { Timer, type TimerOwner } from '../../runtime/timer-wheel.ts';
import { ETHERNET_HEADER_BYTES, ETHERTYPE_ARP, macHighOf, macLowOf } from '../ethernet.ts';
import type { Route, RouteListener } from '../ipv4/route.ts';
import {
  ARP_COUNTERS,
  CONFLICTS,
  FAILURES,
  MALFORMED,
  NO_SLOT,
  REPLIES_RECEIVED,
  REPLIES_SENT,
  REQUESTS_RECEIVED,
  REQUESTS_SENT,
  UNSOLICITED_IGNORED,
} from './counters.ts';
import {
  NEIGHBOUR_FAILED,
  NEIGHBOUR_INCOMPLETE,
  NEIGHBOUR_PERMANENT,
  NEIGHBOUR_REACHABLE,
  NEIGHBOUR_REFRESHING,
  NEIGHBOUR_UNKNOWN,
  type Neighbour,
  type NeighbourOwner,
  type NeighbourWaiter,
} from './neighbour.ts';
import { NeighbourTable } from './neighbour-table.ts';
import { ARP_REPLY, ARP_REQUEST, isArpForIpv4, PACKET_BYTES, writeArp } from './packet.ts';

/** Where neighbours come from when somebody else speaks ARP for this address: the kernel's table. */
export interface NeighbourSource {
  /** Asks for an address; the answer comes through the sink, in this call or later, or never. */
  resolve(address: number, sink: NeighbourSink): void;
}

export interface NeighbourSink {
  /** @param mac six bytes, copied */
  neighbourKnown(address: number, mac: Uint8Array): void;
  neighbourFailed(address: number): void;
}

export interface ArpOptions {
  /** Neighbours kept at most. Default 1024. */
  neighbours?: number;
  /** First wait for a reply; doubles with every attempt. Default 100 ms. */
  retryUs?: number;
  /** Requests before a neighbour is given up. Default 5. */
  attempts?: number;
  /** How long an answer counts as fresh. Default 60 s; RFC 1122 section 2.3.2.1 asks for the order of a minute. */
  reachableUs?: number;
  /** After a failure nobody is asked for this long. Default 1 s, which also keeps to one request per second (RFC 1122). */
  holdDownUs?: number;
}

const DEFERRED = 1;
/** Neighbours by address, and the protocol that finds them. */
export class Arp implements NeighbourOwner, NeighbourSink, TimerOwner {
  readonly counters: Float64Array;
  private readonly device: PacketDevice;
  private readonly runtime: Runtime;
  private readonly address: number;
  private readonly source: NeighbourSource | undefined;
  private readonly table: NeighbourTable;
  private readonly retryUs: number;
  private readonly attempts: number;
  private readonly reachableUs: number;
  private readonly holdDownUs: number;
  private readonly frame: Frame;
  private readonly ownHigh: number;
  private readonly ownLow: number;
  /** Listeners of routes that were ready when they asked, or for which the table had no room. */
  private deferred: NeighbourWaiter[];
  private readonly deferredTimer: Timer;

  constructor(
    device: PacketDevice,
    runtime: Runtime,
    address: number,
    source: NeighbourSource | undefined,
    options: ArpOptions = {},
  ) {
    this.device = device;
    this.runtime = runtime;
    this.address = address;
    this.source = source;
    this.counters = runtime.metrics.counters('arp', ARP_COUNTERS);
    this.table = new NeighbourTable(runtime, this, this.counters, options.neighbours ?? 1024);
    this.retryUs = options.retryUs ?? 100_000;
    this.attempts = options.attempts ?? 5;
    this.reachableUs = options.reachableUs ?? 60_000_000;
    this.holdDownUs = options.holdDownUs ?? 1_000_000;
    this.frame = new Frame();
    this.ownHigh = macHighOf(device.macAddress);
    this.ownLow = macLowOf(device.macAddress);
    this.deferred = [];
    this.deferredTimer = new Timer(this, DEFERRED);
  }

  /** Neighbours in the table. */
  get count(): number {
    return this.table.count;
  }

  /** Whether strangers have made us ask for as many neighbours as they may. */
  get crowded(): boolean {
    return this.table.crowded;
  }

  /** The neighbour of an address of the link if the table has it; nothing is made, nobody is asked. */
  known(address: number): Neighbour | undefined {
    return this.table.get(address);
  }

  /** The neighbour of an address of the link, made when it is not there; `undefined` when there is no room for it. */
  neighbour(address: number): Neighbour | undefined {
    return this.table.wanted(address);
  }

  /** Enters a neighbour that never ages. */
  addPermanent(address: number, mac: Uint8Array): Neighbour | undefined {
    const neighbour = this.neighbour(address);
    if (neighbour === undefined) return undefined;
    this.runtime.timers.cancel(neighbour.timer);
    this.table.learn(neighbour, macHighOf(mac), macLowOf(mac), NEIGHBOUR_PERMANENT);
    this.wake(neighbour, 0);
    return neighbour;
  }

  /** Calls the listener once the route's neighbour is known or given up; never within this call. */
  resolve(route: Route, listener: RouteListener): void {
    const neighbour = this.current(route);
    if (neighbour === undefined || neighbour.ready) {
      this.deferred.push({ route, listener });
      this.runtime.timers.arm(this.deferredTimer, 0);
      return;
    }
    neighbour.waiters.push({ route, listener });
    if (neighbour.state === NEIGHBOUR_UNKNOWN) {
      neighbour.state = NEIGHBOUR_INCOMPLETE;
      neighbour.attempts = 0;
      this.ask(neighbour);
    }
  }

  /** The neighbour of a route as the table has it: a route outlives the entry it was made with. */
  private current(route: Route): Neighbour | undefined {
    if (route.neighbour.state === NEIGHBOUR_PERMANENT) return route.neighbour;
    const neighbour = this.neighbour(route.neighbour.address);
    if (neighbour !== undefined) route.neighbour = neighbour;
    return neighbour;
  }

  cancelResolve(route: Route, listener: RouteListener): void {
    removeWaiter(route.neighbour.waiters, route, listener);
    removeWaiter(this.deferred, route, listener);
  }

  /** Tells the link our address (RFC 5227 section 2.3: an announcement is a request for oneself). */
  announce(): void {
    if (this.source !== undefined) return;
    this.send(ARP_REQUEST, -1, 0xffff, 0, 0, this.address);
  }

  /** Takes an ARP frame and its slot's reference. @param offset where the ARP packet begins */
  receive(offset: number, lengthBytes: number): void {
    const pool = this.device.pool;
    this.handle(pool.region.view, offset, lengthBytes);
    pool.release(offset >> pool.slotShift);
  }

  private handle(view: DataView, offset: number, lengthBytes: number): void {
    if (!isArpForIpv4(view, offset, lengthBytes)) {
      this.counters[MALFORMED]!++;
      return;
    }
    const opcode = view.getUint16(offset + 6);
    const senderHigh = view.getInt32(offset + 8);
    const senderLow = view.getUint16(offset + 12);
    const sender = view.getInt32(offset + 14);
    const target = view.getInt32(offset + 24);
    // A group address cannot be a sender's (RFC 826 assumes one station; a spoofed one would make us flood).
    if ((opcode !== ARP_REQUEST && opcode !== ARP_REPLY) || (senderHigh & 0x01000000) !== 0) {
      this.counters[MALFORMED]!++;
      return;
    }
    this.counters[opcode === ARP_REQUEST ? REQUESTS_RECEIVED : REPLIES_RECEIVED]!++;
    if (this.source !== undefined) return;
    if (sender === this.address) {
      // Somebody else uses our address (RFC 5227 section 2.4); our own frames do not come back from a device.
      if (senderHigh !== this.ownHigh || senderLow !== this.ownLow) this.counters[CONFLICTS]!++;
      return;
    }
    const forUs = opcode === ARP_REQUEST && target === this.address;
    if (sender !== 0) this.update(sender, senderHigh, senderLow, forUs);
    if (forUs) this.send(ARP_REPLY, senderHigh, senderLow, senderHigh, senderLow, sender);
  }

  /** RFC 826's merge: existing entries are updated by anything, new ones made only for who asks for us. */
  private update(address: number, macHigh: number, macLow: number, create: boolean): void {
    const neighbour = this.table.get(address) ?? (create ? this.table.announced(address) : undefined);
    if (neighbour === undefined) {
      this.counters[UNSOLICITED_IGNORED]!++;
      return;
    }
    if (neighbour.state !== NEIGHBOUR_PERMANENT) this.confirm(neighbour, macHigh, macLow);
  }

  private confirm(neighbour: Neighbour, macHigh: number, macLow: number): void {
    this.table.learn(neighbour, macHigh, macLow, NEIGHBOUR_REACHABLE);
    neighbour.used = neighbour.waiters.length > 0;
    this.runtime.timers.arm(neighbour.timer, this.reachableUs);
    this.wake(neighbour, 0);
  }

  neighbourKnown(address: number, mac: Uint8Array): void {
    const neighbour = this.table.get(address);
    if (neighbour === undefined || neighbour.state === NEIGHBOUR_PERMANENT) return;
    this.confirm(neighbour, macHighOf(mac), macLowOf(mac));
  }

  neighbourFailed(address: number): void {
    const neighbour = this.table.get(address);
    if (neighbour === undefined || neighbour.state === NEIGHBOUR_PERMANENT) return;
    this.fail(neighbour);
  }

  neighbourTimer(neighbour: Neighbour): void {
    switch (neighbour.state) {
      case NEIGHBOUR_REACHABLE:
        if (!neighbour.used) {
          this.table.forget(neighbour);
          return;
        }
        neighbour.state = NEIGHBOUR_REFRESHING;
        neighbour.attempts = 0;
        this.ask(neighbour);
        return;
      case NEIGHBOUR_INCOMPLETE:
      case NEIGHBOUR_REFRESHING:
        if (neighbour.attempts >= this.attempts) this.fail(neighbour);
        else this.ask(neighbour);
        return;
      case NEIGHBOUR_FAILED:
        if (neighbour.waiters.length === 0) {
          this.table.forget(neighbour);
          return;
        }
        neighbour.state = NEIGHBOUR_INCOMPLETE;
        neighbour.attempts = 0;
        this.ask(neighbour);
    }
  }

  onTimer(): void {
    const due = this.deferred;
    this.deferred = [];
    for (const { route, listener } of due) {
      if (route.ready) listener.routeReady(route);
      else listener.routeFailed(route, ENOBUFS);
    }
  }

  /** Stops every timer. */
  close(): void {
    this.table.close();
    this.runtime.timers.cancel(this.deferredTimer);
    this.deferred = [];
  }

  /** Sends a request: to everybody at first, to the known address when an entry is refreshed (RFC 1122 section 2.3.2.1). */
  private ask(neighbour: Neighbour): void {
    const delayUs = this.retryUs * 2 ** neighbour.attempts;
    neighbour.attempts++;
    this.runtime.timers.arm(neighbour.timer, delayUs);
    if (this.source !== undefined) {
      this.source.resolve(neighbour.address, this);
      return;
    }
    const unicast = neighbour.state === NEIGHBOUR_REFRESHING && neighbour.attempts === 1;
    const high = unicast ? neighbour.macHigh : -1;
    this.send(ARP_REQUEST, high, unicast ? neighbour.macLow : 0xffff, 0, 0, neighbour.address);
  }

  private fail(neighbour: Neighbour): void {
    this.counters[FAILURES]!++;
    this.table.lose(neighbour, NEIGHBOUR_FAILED);
    this.runtime.timers.arm(neighbour.timer, this.holdDownUs);
    this.wake(neighbour, EHOSTUNREACH);
  }

  private wake(neighbour: Neighbour, errno: number): void {
    if (neighbour.waiters.length === 0) return;
    // Who is called may ask again, so the list is emptied first.
    for (const { route, listener } of neighbour.waiters.splice(0)) {
      if (errno === 0) listener.routeReady(route);
      else listener.routeFailed(route, errno);
    }
  }

  private send(
    opcode: number,
    toHigh: number,
    toLow: number,
    targetHigh: number,
    targetLow: number,
    target: number,
  ): void {
    const { device, frame } = this;
    const slot = device.transmitRoom() > 0 ? device.pool.allocReserved() : -1;
    if (slot < 0) {
      this.counters[NO_SLOT]!++;
      return;
    }
    const offset = device.pool.slotOffset(slot) + 64;
    const view = device.pool.region.view;
    view.setInt32(offset, toHigh);
    view.setUint16(offset + 4, toLow);
    view.setInt32(offset + 6, this.ownHigh);
    view.setUint16(offset + 10, this.ownLow);
    view.setUint16(offset + 12, ETHERTYPE_ARP);
    const { address, ownHigh, ownLow } = this;
    writeArp(
      view,
      offset + ETHERNET_HEADER_BYTES,
      opcode,
      ownHigh,
      ownLow,
      address,
      targetHigh,
      targetLow,
      target,
    );
    frame.clear();
    frame.append(offset, ETHERNET_HEADER_BYTES + PACKET_BYTES);
    device.transmit(frame);
    this.counters[opcode === ARP_REQUEST ? REQUESTS_SENT : REPLIES_SENT]!++;
  }
}

function removeWaiter(waiters: NeighbourWaiter[], route: Route, listener: RouteListener): void {
  const index = waiters.findIndex(waiter => waiter.route === route && waiter.listener === listener);
  if (index >= 0) waiters.splice(index, 1);
}
