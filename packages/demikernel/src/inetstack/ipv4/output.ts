// The way down: routes, resolution, and the link and network headers of every packet that leaves. Payload: frame-builder.ts.

import type { SlotPool } from '@demikernel/memory';
import type { PacketDevice } from '../../runtime/packet-device.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import type { Arp } from '../arp/arp.ts';
import { macHighOf, macLowOf } from '../ethernet.ts';
import { FrameBuilder } from '../frame-builder.ts';
import { type Route, type RouteListener, TIME_TO_LIVE } from './route.ts';
import type { Routing } from './routing.ts';

/** Ethernet 14 + IPv4 20. */
export const LINK_HEADERS_BYTES = 34;

const DONT_FRAGMENT = 0x4000;
const ETHERTYPE_IPV4_AND_VERSION = 0x0800_4500;

/** What transports send through. */
export class Ipv4Output {
  readonly device: PacketDevice;
  readonly pool: SlotPool;
  readonly runtime: Runtime;
  readonly builder: FrameBuilder;
  /** Our own address; int32. */
  readonly address: number;
  private readonly arp: Arp;
  private readonly routing: Routing;
  private readonly view: DataView;
  private readonly ownHigh: number;
  private readonly ownLow: number;

  constructor(device: PacketDevice, runtime: Runtime, arp: Arp, routing: Routing) {
    this.device = device;
    this.pool = device.pool;
    this.runtime = runtime;
    this.builder = new FrameBuilder(device);
    this.address = routing.address;
    this.arp = arp;
    this.routing = routing;
    this.view = device.pool.region.view;
    this.ownHigh = macHighOf(device.macAddress);
    this.ownLow = macLowOf(device.macAddress);
  }

  /**
   * The route to a destination.
   *
   * @param source the address to send from; 0 leaves the choice here
   * @returns `undefined` when there is no way, or not from that source
   */
  route(destination: number, source: number): Route | undefined {
    const virtual = source !== 0 && source !== this.address && this.routing.isVirtual(source);
    const route = this.routing.find(destination | 0, virtual ? source : 0);
    if (route === undefined || (source !== 0 && route.source !== source)) return undefined;
    return route;
  }

  /**
   * The way back to the sender of a packet, for one answer at once: no neighbour is asked for, nothing is remembered.
   *
   * @param to the packet's source @param from its destination, an address of ours
   * @param ipOffset where the packet's header begins, the frame's in front of it; -1 when it is gone
   * @returns a route that is ready, and good until the next call; `undefined` when there is no way
   */
  back(to: number, from: number, ipOffset: number): Route | undefined {
    const { view } = this;
    if (ipOffset < 0) return this.routing.back(to, from, 0, 0);
    return this.routing.back(to, from, view.getInt32(ipOffset - 8), view.getUint16(ipOffset - 4));
  }

  /** Whether packets to a host could leave now, without asking for a neighbour. */
  reaches(destination: number): boolean {
    return this.routing.reaches(destination);
  }

  /** Whether strangers have to be answered by {@link Ipv4Output.back}, because too many neighbours are asked for already. */
  get crowded(): boolean {
    return this.arp.crowded;
  }

  /** Calls the listener once, later, when the route is ready or nobody answers. */
  resolve(route: Route, listener: RouteListener): void {
    this.arp.resolve(route, listener);
  }

  cancelResolve(route: Route, listener: RouteListener): void {
    this.arp.cancelResolve(route, listener);
  }

  /** Lowers the path MTU of a route after an ICMP error that has been validated (RFC 1191); it rises again later. */
  lowerMtu(route: Route, mtuBytes: number): void {
    const { source } = route;
    this.routing.lowerMtu(route.destination, mtuBytes, this.routing.isVirtual(source) ? source : 0);
    if (mtuBytes < route.mtuBytes) route.mtuBytes = mtuBytes; // a route that the cache has replaced
  }

  /** Whether an address is ours: the stack's own, a virtual one, or 127.0.0.0/8. */
  isLocal(address: number): boolean {
    return address === this.address || address >>> 24 === 127 || this.routing.isVirtual(address);
  }

  /** Whether an address is ours and other hosts' too, so that silence about what we do not know is the rule. */
  isVirtual(address: number): boolean {
    return this.routing.isVirtual(address);
  }

  /** Writes the {@link LINK_HEADERS_BYTES} bytes in front of a transport's header, "don't fragment" set (RFC 1191). */
  writeHeaders(offset: number, route: Route, protocol: number, ipPayloadBytes: number): void {
    // An identification means nothing in a packet that is never cut (RFC 6864 section 4.1).
    this.writeHeadersOf(offset, route, protocol, ipPayloadBytes, 0, DONT_FRAGMENT);
  }

  /**
   * As `writeHeaders`, for one fragment.
   *
   * @param fragmentWord flags and offset as they stand in the header (RFC 791 section 3.1)
   */
  writeHeadersOf(
    offset: number,
    route: Route,
    protocol: number,
    ipPayloadBytes: number,
    identification: number,
    fragmentWord: number,
  ): void {
    const { view, ownHigh } = this;
    const { neighbour, source, destination } = route;
    neighbour.used = true;
    const totalBytes = ipPayloadBytes + 20;
    const sum = route.headerSum + protocol + totalBytes + identification + fragmentWord;
    const once = (sum & 0xffff) + (sum >>> 16);
    const checksum = ~(once + (once >>> 16)) & 0xffff;
    view.setInt32(offset, neighbour.macHigh);
    view.setInt32(offset + 4, (neighbour.macLow << 16) | (ownHigh >>> 16));
    view.setInt32(offset + 8, (ownHigh << 16) | this.ownLow);
    view.setInt32(offset + 12, ETHERTYPE_IPV4_AND_VERSION);
    view.setInt32(offset + 16, (totalBytes << 16) | identification);
    view.setInt32(offset + 20, (fragmentWord << 16) | (TIME_TO_LIVE << 8) | protocol);
    view.setInt32(offset + 24, (checksum << 16) | (source >>> 16));
    view.setInt32(offset + 28, (source << 16) | (destination >>> 16));
    view.setInt16(offset + 32, destination & 0xffff);
  }
}
