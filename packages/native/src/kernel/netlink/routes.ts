// Routes by rtnetlink (RTM_*ROUTE): list, add, delete, and ask which one the kernel would take.

import { DemiError } from '@demikernel/memory';
import { ENOENT } from '../errno.ts';
import { formatIpAddress, parseIpAddress } from '../ip-address.ts';
import type { NetlinkMessage } from './encoding.ts';
import {
  Attributes,
  MessageWriter,
  NLM_F_ACK,
  NLM_F_CREATE,
  NLM_F_DUMP,
  NLM_F_EXCL,
  NLM_F_REQUEST,
} from './encoding.ts';
import type { NetlinkSocket } from './netlink-socket.ts';

// include/uapi/linux/rtnetlink.h
export const RTM_NEWROUTE = 24;
export const RTM_DELROUTE = 25;
const RTM_GETROUTE = 26;
const RTA_DST = 1;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RTA_PRIORITY = 6;
const RTA_PREFSRC = 7;
const RTA_METRICS = 8;
const RTA_MULTIPATH = 9;
const RTA_TABLE = 15;
const RTAX_MTU = 2;
export const RT_TABLE_MAIN = 254;
export const RT_TABLE_LOCAL = 255;
const RTPROT_STATIC = 4;
const RT_SCOPE_UNIVERSE = 0;
const RT_SCOPE_LINK = 253;
const RT_SCOPE_NOWHERE = 255;
export const RTN_UNICAST = 1;
export const RTN_LOCAL = 2;
export const RTN_BROADCAST = 3;
export const RTN_BLACKHOLE = 6;
export const RTN_UNREACHABLE = 7;

/** struct rtmsg { u8 family, dst_len, src_len, tos, table, protocol, scope, type; u32 flags; } */
const RTMSG_BYTES = 12;
/** struct rtnexthop { u16 len; u8 flags; u8 hops; s32 index; } */
const NEXT_HOP_BYTES = 8;

const AF_INET = 2;
const AF_INET6 = 10;

export interface Route {
  /** Network address; `0.0.0.0` or `::` with a prefix of 0 is the default route. */
  destination: string;
  prefixLength: number;
  /** Empty when the destination is on the link itself. */
  gateway: string;
  /** Index of the interface it leaves by; 0 for routes that lead nowhere. */
  linkIndex: number;
  /** The source address preferred with it, or empty. */
  source: string;
  /** Lower wins. */
  metric: number;
  table: number;
  /** RTN_… */
  type: number;
  /** Path MTU where one is set or learned, else 0. */
  mtuBytes: number;
}

/** Decodes RTM_NEWROUTE or RTM_DELROUTE; `undefined` when it is neither, too short, or of another family. */
export function decodeRoute(message: NetlinkMessage): Route | undefined {
  const { payload, type } = message;
  if ((type !== RTM_NEWROUTE && type !== RTM_DELROUTE) || payload.length < RTMSG_BYTES) return undefined;
  const family = payload[0];
  if (family !== AF_INET && family !== AF_INET6) return undefined;
  const attributes = new Attributes(payload, RTMSG_BYTES);
  let hop = attributes;
  let index = attributes.number(RTA_OIF) ?? 0;
  const paths = attributes.get(RTA_MULTIPATH);
  if (paths !== undefined && paths.length >= NEXT_HOP_BYTES) {
    // Of several paths the first one: this stack uses one.
    const view = new DataView(paths.buffer, paths.byteOffset, paths.byteLength);
    index = view.getInt32(4, true);
    hop = new Attributes(paths.subarray(0, view.getUint16(0, true)), NEXT_HOP_BYTES);
  }
  const text = (from: Attributes, attribute: number): string =>
    formatIpAddress(from.get(attribute) ?? new Uint8Array(0)) ?? '';
  return {
    destination: text(attributes, RTA_DST) || (family === AF_INET ? '0.0.0.0' : '::'),
    prefixLength: payload[1]!,
    gateway: text(hop, RTA_GATEWAY),
    linkIndex: index,
    source: text(attributes, RTA_PREFSRC),
    metric: attributes.number(RTA_PRIORITY) ?? 0,
    table: attributes.number(RTA_TABLE) ?? payload[4]!,
    type: payload[7]!,
    mtuBytes: attributes.nested(RTA_METRICS).number(RTAX_MTU) ?? 0,
  };
}

/** The routes of one table (default the main one), of a family (default IPv4). */
export function listRoutes(
  netlink: NetlinkSocket,
  table: number = RT_TABLE_MAIN,
  family: number = AF_INET,
): Route[] {
  const writer = header(RTM_GETROUTE, NLM_F_DUMP, family, 0, 0, 0, 0, 0).u32Attribute(RTA_TABLE, table);
  const found = dumpRoutes(netlink, writer).map(decodeRoute);
  return found.filter(each => each !== undefined && each.table === table) as Route[];
}

/** A namespace in which no route was ever made has no table at all, and the kernel says ENOENT. */
function dumpRoutes(netlink: NetlinkSocket, writer: MessageWriter): NetlinkMessage[] {
  try {
    return netlink.request(writer, 'listing routes');
  } catch (error) {
    if (error instanceof DemiError && error.errno === ENOENT) return [];
    throw error;
  }
}

/**
 * The route the kernel would take to `destination`, with gateway, interface and source filled in.
 *
 * @throws DemiError ENETUNREACH, EHOSTUNREACH
 */
export function lookupRoute(netlink: NetlinkSocket, destination: string): Route {
  const bytes = parseIpAddress(destination);
  const writer = header(RTM_GETROUTE, 0, familyOf(bytes), bytes.length * 8, 0, 0, 0, 0).attribute(
    RTA_DST,
    bytes,
  );
  const route = netlink.request(writer, `looking up the route to ${destination}`).map(decodeRoute)[0];
  if (route === undefined)
    throw new DemiError('ERR_DEMI_NETLINK', `The kernel’s answer about ${destination} is no route`);
  return route;
}

/** A route to add or delete. Without a gateway the destination is on the link (connected). */
export interface RouteChange {
  /** Network address; `0.0.0.0` with a prefix of 0 is the default route. Host bits must be 0. */
  destination: string;
  prefixLength: number;
  gateway?: string;
  linkIndex?: number;
  source?: string;
  metric?: number;
  table?: number;
}

/** @throws DemiError EEXIST, ENETUNREACH for a gateway out of reach, EINVAL, `ERR_DEMI_PERMISSION` */
export function addRoute(netlink: NetlinkSocket, route: RouteChange): void {
  const scope = route.gateway === undefined ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
  change(
    netlink,
    RTM_NEWROUTE,
    NLM_F_CREATE | NLM_F_EXCL,
    route,
    scope,
    RTPROT_STATIC,
    RTN_UNICAST,
    'adding',
  );
}

/** Deletes the first route that matches what is given. @throws DemiError ESRCH */
export function deleteRoute(netlink: NetlinkSocket, route: RouteChange): void {
  change(netlink, RTM_DELROUTE, 0, route, RT_SCOPE_NOWHERE, 0, 0, 'deleting');
}

function change(
  netlink: NetlinkSocket,
  message: number,
  flags: number,
  route: RouteChange,
  scope: number,
  protocol: number,
  type: number,
  verb: string,
): void {
  const destination = parseIpAddress(route.destination);
  const table = route.table ?? RT_TABLE_MAIN;
  const family = familyOf(destination);
  const writer = header(
    message,
    flags | NLM_F_ACK,
    family,
    route.prefixLength,
    table & 255,
    protocol,
    scope,
    type,
  );
  if (route.prefixLength > 0) writer.attribute(RTA_DST, destination);
  if (route.gateway !== undefined) writer.attribute(RTA_GATEWAY, parseIpAddress(route.gateway));
  if (route.linkIndex !== undefined) writer.u32Attribute(RTA_OIF, route.linkIndex);
  if (route.source !== undefined) writer.attribute(RTA_PREFSRC, parseIpAddress(route.source));
  if (route.metric !== undefined) writer.u32Attribute(RTA_PRIORITY, route.metric);
  writer.u32Attribute(RTA_TABLE, table);
  netlink.request(writer, `${verb} route ${route.destination}/${route.prefixLength}`);
}

function familyOf(bytes: Uint8Array): number {
  return bytes.length === 4 ? AF_INET : AF_INET6;
}

function header(
  message: number,
  flags: number,
  family: number,
  prefixLength: number,
  table: number,
  protocol: number,
  scope: number,
  type: number,
): MessageWriter {
  const writer = new MessageWriter(message, flags | NLM_F_REQUEST);
  return writer.u8(family).u8(prefixLength).u8(0).u8(0).u8(table).u8(protocol).u8(scope).u8(type).u32(0);
}
