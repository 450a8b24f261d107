// Network interfaces by rtnetlink (rtnetlink(7), RTM_*LINK): list, make veth pairs and bridges, change, delete.

import { DemiError } from '@demikernel/memory';
import { formatMacAddress, parseMacAddress } from '../ip-address.ts';
import { libc } from '../library.ts';
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
export const RTM_NEWLINK = 16;
export const RTM_DELLINK = 17;
const RTM_GETLINK = 18;

// include/uapi/linux/if_link.h
const IFLA_ADDRESS = 1;
const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
const IFLA_LINK = 5;
const IFLA_MASTER = 10;
const IFLA_OPERSTATE = 16;
const IFLA_LINKINFO = 18;
const IFLA_NET_NS_FD = 28;
const IFLA_NUM_TX_QUEUES = 31;
const IFLA_NUM_RX_QUEUES = 32;
const IFLA_XDP = 43;
const IFLA_INFO_KIND = 1;
const IFLA_INFO_DATA = 2;
const IFLA_XDP_ATTACHED = 2;
const IFLA_XDP_PROG_ID = 4;
const VETH_INFO_PEER = 1;

// include/uapi/linux/if.h
export const IFF_UP = 0x1;
export const IFF_LOOPBACK = 0x8;
export const IFF_LOWER_UP = 0x10000;
const IF_OPER_UP = 6;

/** struct ifinfomsg { u8 family; u8 pad; u16 type; s32 index; u32 flags; u32 change; } */
const IFINFO_BYTES = 16;
const NAME_MAX = 15;

/** One interface. */
export interface Link {
  index: number;
  name: string;
  /** ARPHRD_…: 1 is Ethernet, 772 loopback. */
  hardwareType: number;
  /** Administratively up. */
  up: boolean;
  /** Up with a carrier: frames can pass. */
  running: boolean;
  /** IFF_… bits. */
  flags: number;
  mtuBytes: number;
  /** `aa:bb:cc:dd:ee:ff`; empty when it has none. */
  macAddress: string;
  /** `veth`, `bridge`, …; empty for physical devices. */
  kind: string;
  /** Index of the bridge or bond it belongs to, 0 for none. */
  masterIndex: number;
  /** Index of the veth peer or lower device, which may lie in another namespace; 0 for none. */
  linkIndex: number;
  rxQueues: number;
  txQueues: number;
  /** An XDP program is attached, and its id. */
  xdpAttached: boolean;
  xdpProgramId: number;
}

/** Decodes RTM_NEWLINK or RTM_DELLINK; `undefined` when it is neither or too short. */
export function decodeLink(message: NetlinkMessage): Link | undefined {
  const { payload, type } = message;
  if ((type !== RTM_NEWLINK && type !== RTM_DELLINK) || payload.length < IFINFO_BYTES) return undefined;
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const attributes = new Attributes(payload, IFINFO_BYTES);
  const xdp = attributes.nested(IFLA_XDP);
  const flags = view.getUint32(8, true);
  const operational = attributes.number(IFLA_OPERSTATE) === IF_OPER_UP || (flags & IFF_LOWER_UP) !== 0;
  return {
    index: view.getInt32(4, true),
    name: attributes.text(IFLA_IFNAME) ?? '',
    hardwareType: view.getUint16(2, true),
    up: (flags & IFF_UP) !== 0,
    running: (flags & IFF_UP) !== 0 && operational,
    flags,
    mtuBytes: attributes.number(IFLA_MTU) ?? 0,
    macAddress: formatMacAddress(attributes.get(IFLA_ADDRESS) ?? new Uint8Array(0)),
    kind: attributes.nested(IFLA_LINKINFO).text(IFLA_INFO_KIND) ?? '',
    masterIndex: attributes.number(IFLA_MASTER) ?? 0,
    linkIndex: attributes.number(IFLA_LINK) ?? 0,
    rxQueues: attributes.number(IFLA_NUM_RX_QUEUES) ?? 1,
    txQueues: attributes.number(IFLA_NUM_TX_QUEUES) ?? 1,
    xdpAttached: (xdp.number(IFLA_XDP_ATTACHED) ?? 0) !== 0,
    xdpProgramId: xdp.number(IFLA_XDP_PROG_ID) ?? 0,
  };
}

/** Every interface of the socket's namespace. */
export function listLinks(netlink: NetlinkSocket): Link[] {
  const writer = header(RTM_GETLINK, NLM_F_DUMP, 0);
  return decodeAll(netlink.request(writer, 'listing links'));
}

/** One interface by name or index. @throws DemiError ENODEV */
export function getLink(netlink: NetlinkSocket, which: string | number): Link {
  const writer = header(RTM_GETLINK, 0, typeof which === 'number' ? which : 0);
  if (typeof which === 'string') writer.textAttribute(IFLA_IFNAME, checkedName(which));
  const link = decodeAll(netlink.request(writer, `looking up link ${which}`))[0];
  if (link === undefined)
    throw new DemiError('ERR_DEMI_NETLINK', `The kernel’s answer about link ${which} is no link`);
  return link;
}

/** One end of a new pair. */
export interface LinkEnd {
  name: string;
  macAddress?: string;
  mtuBytes?: number;
  /** Descriptor of the namespace to put it in (`openNamespace`); the socket's own by default. */
  namespaceFd?: number;
  rxQueues?: number;
  txQueues?: number;
}

/**
 * Makes a veth pair (veth(4)); both ends start down.
 *
 * @throws DemiError EEXIST, `ERR_DEMI_PERMISSION` without CAP_NET_ADMIN, `ERR_DEMI_NAME`
 */
export function createVethPair(netlink: NetlinkSocket, end: LinkEnd, peer: LinkEnd): void {
  const writer = header(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, 0);
  writeEnd(writer, end);
  writer.nested(IFLA_LINKINFO, info => {
    info.textAttribute(IFLA_INFO_KIND, 'veth').nested(IFLA_INFO_DATA, data => {
      data.nested(VETH_INFO_PEER, inner => writeEnd(inner.bytes(new Uint8Array(IFINFO_BYTES)), peer));
    });
  });
  netlink.request(writer, `making veth pair ${end.name} and ${peer.name}`);
}

/** Makes a bridge. Errors as {@link createVethPair}. */
export function createBridge(netlink: NetlinkSocket, end: LinkEnd): void {
  const writer = header(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, 0);
  writeEnd(writer, end);
  writer.nested(IFLA_LINKINFO, info => info.textAttribute(IFLA_INFO_KIND, 'bridge'));
  netlink.request(writer, `making bridge ${end.name}`);
}

/** What {@link changeLink} changes; what is left out stays. */
export interface LinkChange {
  up?: boolean;
  mtuBytes?: number;
  macAddress?: string;
  /** Index of the bridge to join; 0 leaves it. */
  masterIndex?: number;
  /** Descriptor of the namespace to move to. The link arrives down and without addresses. */
  namespaceFd?: number;
}

/** Changes an interface, by name or index. @throws DemiError ENODEV, EINVAL, `ERR_DEMI_PERMISSION` */
export function changeLink(netlink: NetlinkSocket, which: string | number, change: LinkChange): void {
  const flags = change.up === true ? IFF_UP : 0;
  const mask = change.up === undefined ? 0 : IFF_UP;
  const writer = header(RTM_NEWLINK, NLM_F_ACK, typeof which === 'number' ? which : 0, flags, mask);
  if (typeof which === 'string') writer.textAttribute(IFLA_IFNAME, checkedName(which));
  if (change.mtuBytes !== undefined) writer.u32Attribute(IFLA_MTU, change.mtuBytes);
  if (change.macAddress !== undefined) writer.attribute(IFLA_ADDRESS, parseMacAddress(change.macAddress));
  if (change.masterIndex !== undefined) writer.u32Attribute(IFLA_MASTER, change.masterIndex);
  if (change.namespaceFd !== undefined) writer.u32Attribute(IFLA_NET_NS_FD, change.namespaceFd);
  netlink.request(writer, `changing link ${which}`);
}

/** Deletes an interface; a veth takes its peer with it. @throws DemiError ENODEV, EOPNOTSUPP for physical ones */
export function deleteLink(netlink: NetlinkSocket, which: string | number): void {
  const writer = header(RTM_DELLINK, NLM_F_ACK, typeof which === 'number' ? which : 0);
  if (typeof which === 'string') writer.textAttribute(IFLA_IFNAME, checkedName(which));
  netlink.request(writer, `deleting link ${which}`);
}

/** The index of an interface in the calling thread's namespace, if_nametoindex(3); 0 when there is none. */
export function linkIndex(name: string): number {
  return libc().if_nametoindex(name);
}

function header(type: number, flags: number, index: number, linkFlags = 0, change = 0): MessageWriter {
  return new MessageWriter(type, flags | NLM_F_REQUEST).u32(0).u32(index).u32(linkFlags).u32(change);
}

function writeEnd(writer: MessageWriter, end: LinkEnd): void {
  writer.textAttribute(IFLA_IFNAME, checkedName(end.name));
  if (end.macAddress !== undefined) writer.attribute(IFLA_ADDRESS, parseMacAddress(end.macAddress));
  if (end.mtuBytes !== undefined) writer.u32Attribute(IFLA_MTU, end.mtuBytes);
  if (end.rxQueues !== undefined) writer.u32Attribute(IFLA_NUM_RX_QUEUES, end.rxQueues);
  if (end.txQueues !== undefined) writer.u32Attribute(IFLA_NUM_TX_QUEUES, end.txQueues);
  if (end.namespaceFd !== undefined) writer.u32Attribute(IFLA_NET_NS_FD, end.namespaceFd);
}

function checkedName(name: string): string {
  const bytes = Buffer.byteLength(name);
  if (bytes >= 1 && bytes <= NAME_MAX && !/[/\s:\0]/.test(name) && name !== '.' && name !== '..') return name;
  throw new DemiError(
    'ERR_DEMI_NAME',
    `Not an interface name of 1 to ${NAME_MAX} bytes: ${JSON.stringify(name)}`,
  );
}

function decodeAll(messages: readonly NetlinkMessage[]): Link[] {
  return messages.map(decodeLink).filter(link => link !== undefined);
}
