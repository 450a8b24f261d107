// The kernel's neighbour (ARP) table by rtnetlink (RTM_*NEIGH). It matters because ARP replies on a shared interface
// reach the kernel, not us.

import { DemiError } from '@demikernel/memory';
import { ENOENT } from '../errno.ts';
import { formatIpAddress, formatMacAddress, parseIpAddress, parseMacAddress } from '../ip-address.ts';
import type { NetlinkMessage } from './encoding.ts';
import {
  Attributes,
  MessageWriter,
  NLM_F_ACK,
  NLM_F_CREATE,
  NLM_F_DUMP,
  NLM_F_REPLACE,
  NLM_F_REQUEST,
} from './encoding.ts';
import type { NetlinkSocket } from './netlink-socket.ts';

// include/uapi/linux/rtnetlink.h
export const RTM_NEWNEIGH = 28;
export const RTM_DELNEIGH = 29;
const RTM_GETNEIGH = 30;

// include/uapi/linux/neighbour.h
const NDA_DST = 1;
const NDA_LLADDR = 2;
const NDA_IFINDEX = 8;
export const NUD_INCOMPLETE = 0x01;
export const NUD_REACHABLE = 0x02;
export const NUD_STALE = 0x04;
export const NUD_DELAY = 0x08;
export const NUD_PROBE = 0x10;
export const NUD_FAILED = 0x20;
export const NUD_NOARP = 0x40;
export const NUD_PERMANENT = 0x80;
/** States in which the MAC address may be used. */
export const NUD_VALID: number =
  NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_PROBE | NUD_STALE | NUD_DELAY;
const NTF_USE = 0x01;

/** struct ndmsg { u8 family; u8 pad; u16 pad; s32 index; u16 state; u8 flags; u8 type; } */
const NDMSG_BYTES = 12;

const AF_INET = 2;
const AF_INET6 = 10;

export interface Neighbour {
  address: string;
  /** Empty while it is not known. */
  macAddress: string;
  linkIndex: number;
  /** One NUD_… bit. */
  state: number;
}

/** Decodes RTM_NEWNEIGH or RTM_DELNEIGH; `undefined` when it is neither, too short, or about no IP address. */
export function decodeNeighbour(message: NetlinkMessage): Neighbour | undefined {
  const { payload, type } = message;
  if ((type !== RTM_NEWNEIGH && type !== RTM_DELNEIGH) || payload.length < NDMSG_BYTES) return undefined;
  const attributes = new Attributes(payload, NDMSG_BYTES);
  const address = formatIpAddress(attributes.get(NDA_DST) ?? new Uint8Array(0));
  if (address === undefined) return undefined;
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  return {
    address,
    macAddress: formatMacAddress(attributes.get(NDA_LLADDR) ?? new Uint8Array(0)),
    linkIndex: view.getInt32(4, true),
    state: view.getUint16(8, true),
  };
}

/** The neighbours on one interface, or on all (`index` 0), of a family (default IPv4). */
export function listNeighbours(netlink: NetlinkSocket, index = 0, family: number = AF_INET): Neighbour[] {
  const writer = header(RTM_GETNEIGH, NLM_F_DUMP, family, 0, 0, 0);
  if (index !== 0) writer.u32Attribute(NDA_IFINDEX, index);
  const found = netlink.request(writer, 'listing neighbours').map(decodeNeighbour);
  return found.filter(each => each !== undefined && (index === 0 || each.linkIndex === index)) as Neighbour[];
}

/** What the kernel knows about one neighbour; `undefined` when it knows nothing. */
export function getNeighbour(netlink: NetlinkSocket, index: number, address: string): Neighbour | undefined {
  const bytes = parseIpAddress(address);
  const writer = header(RTM_GETNEIGH, 0, familyOf(bytes), index, 0, 0).attribute(NDA_DST, bytes);
  try {
    return netlink.request(writer, `looking up neighbour ${address}`).map(decodeNeighbour)[0];
  } catch (error) {
    if (error instanceof DemiError && error.errno === ENOENT) return undefined;
    throw error;
  }
}

/** Sets a neighbour for good; it never ages. @throws DemiError `ERR_DEMI_PERMISSION` without CAP_NET_ADMIN */
export function addNeighbour(
  netlink: NetlinkSocket,
  index: number,
  address: string,
  macAddress: string,
): void {
  const bytes = parseIpAddress(address);
  const writer = header(
    RTM_NEWNEIGH,
    NLM_F_CREATE | NLM_F_REPLACE | NLM_F_ACK,
    familyOf(bytes),
    index,
    NUD_PERMANENT,
    0,
  );
  writer.attribute(NDA_DST, bytes).attribute(NDA_LLADDR, parseMacAddress(macAddress));
  netlink.request(writer, `adding neighbour ${address}`);
}

/**
 * Has the kernel resolve a neighbour now, as if it had a packet for it (NTF_USE). The answer comes as an event or is
 * found by {@link getNeighbour}. @throws DemiError `ERR_DEMI_PERMISSION` without CAP_NET_ADMIN
 */
export function resolveNeighbour(netlink: NetlinkSocket, index: number, address: string): void {
  const bytes = parseIpAddress(address);
  const writer = header(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_ACK, familyOf(bytes), index, 0, NTF_USE);
  netlink.request(writer.attribute(NDA_DST, bytes), `resolving neighbour ${address}`);
}

/** @throws DemiError ENOENT */
export function deleteNeighbour(netlink: NetlinkSocket, index: number, address: string): void {
  const bytes = parseIpAddress(address);
  const writer = header(RTM_DELNEIGH, NLM_F_ACK, familyOf(bytes), index, 0, 0).attribute(NDA_DST, bytes);
  netlink.request(writer, `deleting neighbour ${address}`);
}

function familyOf(bytes: Uint8Array): number {
  return bytes.length === 4 ? AF_INET : AF_INET6;
}

function header(
  type: number,
  flags: number,
  family: number,
  index: number,
  state: number,
  neighbourFlags: number,
): MessageWriter {
  const writer = new MessageWriter(type, flags | NLM_F_REQUEST);
  return writer.u8(family).u8(0).u16(0).u32(index).u16(state).u8(neighbourFlags).u8(0);
}
