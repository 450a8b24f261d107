// Between addresses and the names under which the ends of connections meet: sockets of the abstract namespace (unix(7)),
// which leave no file and are gone with the process that bound them, however that ends.

import { networkInterfaces } from 'node:os';
import type { SocketAddress as NativeAddress } from '@demikernel/native/kernel';
import { EADDRNOTAVAIL, EINVAL } from '../../runtime/errno.ts';
import {
  AF_INET,
  AF_UNIX,
  formatIpv4,
  parseSocketAddress,
  SocketAddress,
} from '../../runtime/socket-address.ts';

/** What a socket carries: bytes, or whole messages. Each has ports of its own, as TCP and UDP do. */
export type Kind = 'stream' | 'message';

/** Where a port is looked for that nobody has asked for by number (as ip_local_port_range). */
const FIRST_FREE_PORT = 32768;
const FREE_PORTS = 28232;
export const PORT_ATTEMPTS = 64;

const LOOPBACK_NET = 127;

/** Writes the name of an address. False when it is too long. */
export function writeName(into: NativeAddress, kind: Kind, address: SocketAddress): boolean {
  try {
    const host = address.family === AF_INET && address.ipv4 === 0 ? `*:${address.port}` : address.toString();
    into.setUnix(`\0demikernel/catmem/${kind}/${host}`);
    return true;
  } catch {
    return false;
  }
}

/** The address of a name that `writeName` wrote; the wildcard when it is none. */
export function readName(from: NativeAddress): SocketAddress {
  const match = /^\0demikernel\/catmem\/\w+\/(.*)$/s.exec(from.text());
  try {
    return match === null ? new SocketAddress() : parseSocketAddress(match[1]!);
  } catch {
    return new SocketAddress();
  }
}

/** Whether an address is one of this machine: 0, or EADDRNOTAVAIL; EINVAL when it is none that can be bound. */
export function checkLocal(address: SocketAddress): number {
  if (address.family === AF_UNIX) return address.text.length > 1 ? 0 : EINVAL;
  const { ipv4 } = address;
  if (address.family === AF_INET && (ipv4 === 0 || ipv4 >>> 24 === LOOPBACK_NET)) return 0;
  const text = address.family === AF_INET ? formatIpv4(ipv4) : address.text;
  for (const addresses of Object.values(networkInterfaces())) {
    for (const each of addresses ?? []) if (each.address === text) return 0;
  }
  return EADDRNOTAVAIL;
}

/** A port to try where any will do. @param random a number below {@link FREE_PORTS} */
export function freePort(random: { below(bound: number): number }): number {
  return FIRST_FREE_PORT + random.below(FREE_PORTS);
}
