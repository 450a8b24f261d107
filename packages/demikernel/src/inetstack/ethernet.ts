// Ethernet II frames (IEEE 802.3): the header, addresses as integers, and what the stack counts at this level.
//
//   0  destination (6)   6  source (6)   12  type   14  payload

export const ETHERNET_HEADER_BYTES = 14;
export const ETHERTYPE_IPV4 = 0x0800;
export const ETHERTYPE_ARP = 0x0806;
/** First four and last two bytes of ff:ff:ff:ff:ff:ff. */
export const BROADCAST_HIGH = -1;
export const BROADCAST_LOW = 0xffff;
/** The group bit of an address, as it lies in its first four bytes. */
export const GROUP_BIT = 0x01000000;

export const ETHERNET_COUNTERS = [
  'received',
  'truncated',
  'otherStation',
  'multicast',
  'unknownType',
  'multiBuffer',
  'unicastInBroadcast',
  'loopbackFull',
] as const;
export const RECEIVED = 0;
export const TRUNCATED = 1;
export const OTHER_STATION = 2;
export const MULTICAST = 3;
export const UNKNOWN_TYPE = 4;
export const MULTI_BUFFER = 5;
export const UNICAST_IN_BROADCAST = 6;
export const LOOPBACK_FULL = 7;

/** First four bytes of an Ethernet address. */
export function macHighOf(mac: Uint8Array): number {
  return (mac[0]! << 24) | (mac[1]! << 16) | (mac[2]! << 8) | mac[3]!;
}

/** Last two bytes of an Ethernet address. */
export function macLowOf(mac: Uint8Array): number {
  return (mac[4]! << 8) | mac[5]!;
}
