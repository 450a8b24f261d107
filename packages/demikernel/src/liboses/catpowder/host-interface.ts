// What the kernel knows about the interface Catpowder is to use: link, addresses, gateway, routes, queues, driver.

import { DemiError } from '@demikernel/memory';
import {
  driverName,
  getChannels,
  getLink,
  type InterfaceAddress,
  type Link,
  listAddresses,
  listLinks,
  listRoutes,
  NetlinkSocket,
  parseMacAddress,
  type Route,
  RTN_UNICAST,
} from '@demikernel/native/kernel';
import type { StaticRoute } from '../../inetstack/ipv4/routing.ts';
import { parseIpv4 } from '../../runtime/socket-address.ts';

const ARPHRD_ETHER = 1;

export interface HostInterface {
  link: Link;
  /** Six bytes. */
  macAddress: Uint8Array;
  /** Driver of the device; empty when it does not say. */
  driver: string;
  receiveQueues: number;
  /** The interface's own IPv4 addresses. */
  addresses: readonly InterfaceAddress[];
  /** Every IPv4 address of the host, as int32. */
  hostAddresses: readonly number[];
  /** The gateway of the best default route over this interface; 0 for none. */
  gateway: number;
  /** Routes over this interface that have a gateway, the default one excepted. */
  routes: readonly StaticRoute[];
}

/**
 * Reads it all by netlink and ethtool, in the namespace of the calling thread.
 *
 * @throws DemiError `ERR_DEMI_INTERFACE` when there is no such interface, when it is down, or is no Ethernet
 */
export function readHostInterface(name: string): HostInterface {
  const netlink = new NetlinkSocket();
  try {
    const link = findLink(netlink, name);
    if (link.hardwareType !== ARPHRD_ETHER) {
      throw new DemiError('ERR_DEMI_INTERFACE', `${name} is no Ethernet interface: AF_XDP needs one`);
    }
    if (!link.up) {
      throw new DemiError('ERR_DEMI_INTERFACE', `${name} is down: bring it up with: ip link set ${name} up`);
    }
    const all = listAddresses(netlink);
    const routes = listRoutes(netlink).filter(
      route => route.type === RTN_UNICAST && route.linkIndex === link.index && route.gateway !== '',
    );
    return {
      link,
      macAddress: parseMacAddress(link.macAddress),
      driver: quietly(() => driverName(name), ''),
      receiveQueues: quietly(() => countQueues(name), 1),
      addresses: all.filter(address => address.linkIndex === link.index),
      hostAddresses: all.map(address => ipv4(address.address)),
      gateway: defaultGateway(routes),
      routes: routes.filter(route => route.prefixLength > 0).map(staticRoute),
    };
  } finally {
    netlink.close();
  }
}

function findLink(netlink: NetlinkSocket, name: string): Link {
  try {
    return getLink(netlink, name);
  } catch (cause) {
    const there = listLinks(netlink)
      .map(link => link.name)
      .join(', ');
    throw new DemiError('ERR_DEMI_INTERFACE', `there is no interface '${name}' here, only ${there}`, {
      cause,
    });
  }
}

function countQueues(name: string): number {
  const { combined, rx } = getChannels(name);
  return Math.max(1, combined + rx);
}

function defaultGateway(routes: readonly Route[]): number {
  let best: Route | undefined;
  for (const route of routes) {
    if (route.prefixLength === 0 && (best === undefined || route.metric < best.metric)) best = route;
  }
  return best === undefined ? 0 : ipv4(best.gateway);
}

function staticRoute(route: Route): StaticRoute {
  return {
    destination: ipv4(route.destination),
    prefixLength: route.prefixLength,
    gateway: ipv4(route.gateway),
  };
}

/** Int32 of an address the kernel wrote; 0 for one of another family. */
function ipv4(text: string): number {
  return parseIpv4(text) ?? 0;
}

/** What `read` gives, or `otherwise` when the kernel refuses: for what is good to know and not needed. */
export function quietly<T>(read: () => T, otherwise: T): T {
  try {
    return read();
  } catch {
    return otherwise;
  }
}
