// Addresses of interfaces by rtnetlink (RTM_*ADDR). IPv4 and IPv6 alike.

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
export const RTM_NEWADDR = 20;
export const RTM_DELADDR = 21;
const RTM_GETADDR = 22;

// include/uapi/linux/if_addr.h
const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const IFA_LABEL = 3;
const IFA_BROADCAST = 4;
const IFA_FLAGS = 8;
/** include/uapi/linux/if_addr.h */
const IFA_F_NODAD = 0x02;

/** struct ifaddrmsg { u8 family; u8 prefixlen; u8 flags; u8 scope; u32 index; } */
const IFADDR_BYTES = 8;

const AF_INET = 2;
const AF_INET6 = 10;

export interface InterfaceAddress {
  /** The host's own address. */
  address: string;
  prefixLength: number;
  /** Index of the interface. */
  linkIndex: number;
  /** Directed broadcast address, or empty. */
  broadcast: string;
  /** Its alias name, or empty. */
  label: string;
  /** 0 global, 253 link, 254 host. */
  scope: number;
}

/** Decodes RTM_NEWADDR or RTM_DELADDR; `undefined` when it is neither, too short, or of another family. */
export function decodeAddress(message: NetlinkMessage): InterfaceAddress | undefined {
  const { payload, type } = message;
  if ((type !== RTM_NEWADDR && type !== RTM_DELADDR) || payload.length < IFADDR_BYTES) return undefined;
  const attributes = new Attributes(payload, IFADDR_BYTES);
  // On a point-to-point link IFA_ADDRESS is the peer; IFA_LOCAL, where given, is always our own.
  const own = attributes.get(IFA_LOCAL) ?? attributes.get(IFA_ADDRESS);
  const address = own === undefined ? undefined : formatIpAddress(own);
  if (address === undefined) return undefined;
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  return {
    address,
    prefixLength: payload[1]!,
    linkIndex: view.getUint32(4, true),
    broadcast: formatIpAddress(attributes.get(IFA_BROADCAST) ?? new Uint8Array(0)) ?? '',
    label: attributes.text(IFA_LABEL) ?? '',
    scope: payload[3]!,
  };
}

/** The addresses of one interface, or of all (`index` 0), of one family or of both (default IPv4). */
export function listAddresses(
  netlink: NetlinkSocket,
  index = 0,
  family: number = AF_INET,
): InterfaceAddress[] {
  const writer = new MessageWriter(RTM_GETADDR, NLM_F_REQUEST | NLM_F_DUMP)
    .u8(family)
    .u8(0)
    .u8(0)
    .u8(0)
    .u32(index);
  const found = netlink.request(writer, 'listing addresses').map(decodeAddress);
  // Kernels without strict checking answer with every interface.
  return found.filter(
    each => each !== undefined && (index === 0 || each.linkIndex === index),
  ) as InterfaceAddress[];
}

/**
 * Gives an interface an address, with the broadcast address of its prefix. An IPv6 address is usable at once: whether somebody
 * else has it (RFC 4862 section 5.4) is the caller's to know.
 *
 * @throws DemiError EEXIST, ENODEV
 */
export function addAddress(
  netlink: NetlinkSocket,
  index: number,
  address: string,
  prefixLength: number,
): void {
  const bytes = parseIpAddress(address);
  const writer = change(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, index, bytes, prefixLength);
  // A /31 and a /32 have no broadcast address (RFC 3021).
  if (bytes.length === 4 && prefixLength < 31)
    writer.attribute(IFA_BROADCAST, broadcastOf(bytes, prefixLength));
  if (bytes.length === 16) writer.u32Attribute(IFA_FLAGS, IFA_F_NODAD);
  netlink.request(writer, `adding address ${address}/${prefixLength}`);
}

/** Takes an address away. @throws DemiError EADDRNOTAVAIL */
export function deleteAddress(
  netlink: NetlinkSocket,
  index: number,
  address: string,
  prefixLength: number,
): void {
  const writer = change(RTM_DELADDR, 0, index, parseIpAddress(address), prefixLength);
  netlink.request(writer, `deleting address ${address}/${prefixLength}`);
}

function change(
  type: number,
  flags: number,
  index: number,
  bytes: Uint8Array,
  prefixLength: number,
): MessageWriter {
  const family = bytes.length === 4 ? AF_INET : AF_INET6;
  const writer = new MessageWriter(type, flags | NLM_F_REQUEST | NLM_F_ACK);
  writer.u8(family).u8(prefixLength).u8(0).u8(0).u32(index);
  return writer.attribute(IFA_LOCAL, bytes).attribute(IFA_ADDRESS, bytes);
}

function broadcastOf(address: Uint8Array, prefixLength: number): Uint8Array {
  return address.map((byte, index) => byte | (0xff >> Math.min(Math.max(prefixLength - index * 8, 0), 8)));
}
