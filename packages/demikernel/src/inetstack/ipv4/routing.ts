// Which way a packet goes: the link, a gateway, a broadcast, or ourselves; and what is known of the path's MTU.

import type { PacketDevice } from '../../runtime/packet-device.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { Timer, type TimerOwner } from '../../runtime/timer-wheel.ts';
import type { Arp } from '../arp/arp.ts';
import { NEIGHBOUR_PERMANENT, Neighbour } from '../arp/neighbour.ts';
import { GROUP_BIT, macHighOf, macLowOf } from '../ethernet.ts';
import { FlowTable } from '../flow-table.ts';
import { largestPacketBytes } from '../frame-builder.ts';
import { Route } from './route.ts';

/** 255.255.255.255. */
export const LIMITED_BROADCAST = -1;
/** A smaller path MTU is not believed: Linux's default floor, above which IPv4 paths of today lie (RFC 1191 allows 68). */
export const MINIMUM_PATH_MTU = 552;
/** Routes remembered at most; a transport that holds one keeps it beyond. */
const CACHED_ROUTES = 4096;
/** A lowered path MTU is tried anew after this long (RFC 1191 section 6.3). */
const MTU_RETRY_US = 600_000_000;

/** A prefix behind a gateway. */
export interface StaticRoute {
  destination: number;
  prefixLength: number;
  gateway: number;
}

export interface RoutingOptions {
  address: number;
  prefixLength: number;
  gateway?: number;
  /** Routes beside the link and the default gateway; the longest prefix wins. */
  routes?: readonly StaticRoute[];
  /** Addresses of ours that other hosts have as well, int32: nobody asks for them and we answer for none of them (no ARP). */
  virtualAddresses?: readonly number[];
}

/** The netmask of a prefix length, as an int32. */
export function netmask(prefixLength: number): number {
  return prefixLength === 0 ? 0 : -1 << (32 - prefixLength);
}

/** Chooses routes and remembers them by destination. */
export class Routing implements TimerOwner {
  readonly address: number;
  /** The link's directed broadcast address; 0 when the prefix has none (RFC 3021). */
  readonly directedBroadcast: number;
  private readonly network: number;
  private readonly mask: number;
  private readonly mtuBytes: number;
  private readonly statics: StaticRoute[];
  private readonly virtualAddresses: Int32Array;
  private readonly arp: Arp;
  private readonly runtime: Runtime;
  private readonly everybody: Neighbour;
  private readonly ourselves: Neighbour;
  private readonly cache: FlowTable<Route>;
  /** The one route of {@link Routing.back}, and its neighbour: the sender of a frame. */
  private readonly backRoute: Route;
  private readonly sender: Neighbour;
  private readonly lowered: Set<Route>;
  private readonly mtuTimer: Timer;

  constructor(device: PacketDevice, runtime: Runtime, arp: Arp, options: RoutingOptions) {
    const { address, prefixLength, gateway = 0, routes = [] } = options;
    this.address = address | 0;
    this.mask = netmask(prefixLength);
    this.network = address & this.mask;
    this.directedBroadcast = prefixLength < 31 ? this.network | ~this.mask : 0;
    this.mtuBytes = Math.min(device.mtuBytes, largestPacketBytes(device.pool));
    this.statics = [...routes].sort((a, b) => b.prefixLength - a.prefixLength);
    this.virtualAddresses = Int32Array.from(options.virtualAddresses ?? []);
    if (gateway !== 0) this.statics.push({ destination: 0, prefixLength: 0, gateway });
    this.arp = arp;
    this.runtime = runtime;
    this.everybody = new Neighbour(LIMITED_BROADCAST, arp);
    this.everybody.learn(-1, 0xffff, NEIGHBOUR_PERMANENT);
    this.ourselves = new Neighbour(this.address, arp);
    this.ourselves.learn(macHighOf(device.macAddress), macLowOf(device.macAddress), NEIGHBOUR_PERMANENT);
    this.cache = new FlowTable<Route>(runtime.random.int32());
    this.sender = new Neighbour(0, arp);
    this.backRoute = new Route(0, this.address, this.mtuBytes, this.sender, false);
    this.lowered = new Set();
    this.mtuTimer = new Timer(this, 0);
  }

  /** Routes on which a smaller packet size has been reported: they are forgotten by a timer of their own. */
  get loweredCount(): number {
    return this.lowered.size;
  }

  /** Whether an address is a broadcast address of our link. */
  isBroadcast(address: number): boolean {
    return address === LIMITED_BROADCAST || (address === this.directedBroadcast && address !== 0);
  }

  /** Whether an address is one of ours that other hosts have as well. */
  isVirtual(address: number): boolean {
    const { virtualAddresses } = this;
    for (let i = 0; i < virtualAddresses.length; i++) if (virtualAddresses[i] === address) return true;
    return false;
  }

  /**
   * The route to a destination; `undefined` when there is none.
   *
   * @param virtualSource the virtual address to send from; 0 for our own
   */
  find(destination: number, virtualSource = 0): Route | undefined {
    const known = this.cache.get(destination, virtualSource);
    return known === undefined ? this.make(destination, virtualSource) : known;
  }

  /**
   * The way back to whoever has sent a packet, for one answer: nothing is made for it, nobody is asked, and it is good until
   * the next call. Where the neighbour is not known it is the station that the frame came from.
   *
   * @param senderHigh source of the frame, first four bytes; 0 and 0 when there is no frame
   * @param senderLow the last two
   * @returns `undefined` when the address has no place here, or no neighbour is known
   */
  back(to: number, from: number, senderHigh: number, senderLow: number): Route | undefined {
    const known = this.cache.get(to, 0);
    if (known?.ready && known.source === from) return known;
    const hop = this.nextHop(to);
    if (hop === 0) return undefined;
    const neighbour = hop === this.address ? this.ourselves : this.arp.known(hop);
    const route = this.backRoute;
    if (neighbour?.ready) route.neighbour = neighbour;
    else {
      // A group address is no station's: an answer there would go to all of them.
      if ((senderHigh & GROUP_BIT) !== 0 || (senderHigh | senderLow) === 0) return undefined;
      this.sender.learn(senderHigh, senderLow, NEIGHBOUR_PERMANENT);
      route.neighbour = this.sender;
    }
    route.turn(to, from);
    return route;
  }

  /** Whether the neighbour that packets to a host are handed to is known now; nobody is asked. */
  reaches(destination: number): boolean {
    const hop = this.nextHop(destination);
    return hop === this.address || (hop !== 0 && this.arp.known(hop)?.ready === true);
  }

  /** The address of the link that packets to a host are handed to; 0 when there is none. */
  private nextHop(destination: number): number {
    const first = destination >>> 24;
    if (destination === this.address || first === 127 || this.isVirtual(destination)) return this.address;
    // "This network", multicast and the reserved class have no route here (RFC 1122 section 3.2.1.3).
    if (first === 0 || first >= 224 || this.isBroadcast(destination)) return 0;
    if ((destination & this.mask) === this.network) return destination;
    const { statics } = this;
    for (let i = 0; i < statics.length; i++) {
      const route = statics[i]!;
      if (((destination ^ route.destination) & netmask(route.prefixLength)) === 0) return route.gateway;
    }
    return 0;
  }

  private make(destination: number, virtualSource: number): Route | undefined {
    const neighbour = this.choose(destination);
    if (neighbour === undefined) return undefined;
    if (this.cache.count >= CACHED_ROUTES) this.evict();
    const own = destination >>> 24 === 127 ? destination : this.address;
    const source = virtualSource !== 0 ? virtualSource : own;
    const route = new Route(destination, source, this.mtuBytes, neighbour, neighbour === this.everybody);
    route.identification = this.runtime.random.int32() & 0xffff;
    this.cache.set(destination, virtualSource, route);
    return route;
  }

  private choose(destination: number): Neighbour | undefined {
    if (destination !== this.address && this.isBroadcast(destination)) return this.everybody;
    const hop = this.nextHop(destination);
    if (hop === 0) return undefined;
    return hop === this.address ? this.ourselves : this.arp.neighbour(hop);
  }

  private evict(): void {
    // Any will do: what is in use is held by its transport, and is found again at the cost of a lookup.
    const victim = this.cache.findFrom(this.runtime.random.int32(), Number.POSITIVE_INFINITY, () => true);
    if (victim === undefined) return;
    this.cache.delete(victim.destination, this.isVirtual(victim.source) ? victim.source : 0);
  }

  /**
   * What to make of a router's word that a packet was too long (RFC 1191).
   *
   * @param packetBytes length of that packet, from the embedded header
   * @param offeredBytes the router's MTU; 0 from routers older than RFC 1191
   * @returns the path MTU to go down to, or 0 when the message is not plausible: we do not send such packets, or the
   *   offer would not be smaller
   */
  plausibleMtu(destination: number, packetBytes: number, offeredBytes: number): number {
    const route = this.held(destination);
    if (route === undefined || route.neighbour === this.ourselves || route.broadcast) return 0;
    if (packetBytes > route.mtuBytes || (offeredBytes !== 0 && offeredBytes >= packetBytes)) return 0;
    const offered = offeredBytes === 0 ? nextPlateau(packetBytes) : offeredBytes;
    const mtuBytes = Math.max(offered, MINIMUM_PATH_MTU);
    return mtuBytes < route.mtuBytes ? mtuBytes : 0;
  }

  /** A route to a destination, from whichever of our addresses. */
  private held(destination: number): Route | undefined {
    let route = this.cache.get(destination, 0);
    for (let i = 0; route === undefined && i < this.virtualAddresses.length; i++) {
      route = this.cache.get(destination, this.virtualAddresses[i]!);
    }
    return route;
  }

  /** Lowers the MTU of a path, for ten minutes. */
  lowerMtu(destination: number, mtuBytes: number, virtualSource = 0): void {
    const route = this.cache.get(destination, virtualSource);
    if (route === undefined || mtuBytes >= route.mtuBytes) return;
    route.mtuBytes = mtuBytes;
    this.lowered.add(route);
    this.runtime.timers.arm(this.mtuTimer, MTU_RETRY_US);
  }

  onTimer(): void {
    for (const route of this.lowered) route.mtuBytes = this.mtuBytes;
    this.lowered.clear();
  }

  close(): void {
    this.runtime.timers.cancel(this.mtuTimer);
  }
}

/** RFC 1191 section 7.1, table of common MTUs, for routers that do not say theirs. */
const PLATEAUS = [32000, 17914, 8166, 4352, 2002, 1492, 1006, MINIMUM_PATH_MTU];

function nextPlateau(packetBytes: number): number {
  for (const plateau of PLATEAUS) if (plateau < packetBytes) return plateau;
  return MINIMUM_PATH_MTU;
}
