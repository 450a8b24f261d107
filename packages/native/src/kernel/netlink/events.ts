// Changes of links, addresses, neighbours and routes as the kernel multicasts them, read without waiting.

import type { InterfaceAddress } from './addresses.ts';
import { decodeAddress, RTM_DELADDR } from './addresses.ts';
import type { NetlinkMessage } from './encoding.ts';
import type { Link } from './links.ts';
import { decodeLink, RTM_DELLINK } from './links.ts';
import type { Neighbour } from './neighbours.ts';
import { decodeNeighbour, RTM_DELNEIGH } from './neighbours.ts';
import { NetlinkSocket } from './netlink-socket.ts';
import type { Route } from './routes.ts';
import { decodeRoute, RTM_DELROUTE } from './routes.ts';

// include/uapi/linux/rtnetlink.h
export const RTMGRP_LINK = 0x1;
export const RTMGRP_NEIGH = 0x4;
export const RTMGRP_IPV4_IFADDR = 0x10;
export const RTMGRP_IPV4_ROUTE = 0x40;
export const RTMGRP_IPV6_IFADDR = 0x100;
export const RTMGRP_IPV6_ROUTE = 0x400;

/** One change. `removed` says whether the thing is gone, or new or different. */
export type NetworkEvent =
  | { kind: 'link'; removed: boolean; link: Link }
  | { kind: 'address'; removed: boolean; address: InterfaceAddress }
  | { kind: 'neighbour'; removed: boolean; neighbour: Neighbour }
  | { kind: 'route'; removed: boolean; route: Route };

/** Decodes one message; `undefined` for anything that is not such a change. */
export function decodeEvent(message: NetlinkMessage): NetworkEvent | undefined {
  const link = decodeLink(message);
  if (link !== undefined) return { kind: 'link', removed: message.type === RTM_DELLINK, link };
  const address = decodeAddress(message);
  if (address !== undefined) return { kind: 'address', removed: message.type === RTM_DELADDR, address };
  const neighbour = decodeNeighbour(message);
  if (neighbour !== undefined)
    return { kind: 'neighbour', removed: message.type === RTM_DELNEIGH, neighbour };
  const route = decodeRoute(message);
  if (route !== undefined) return { kind: 'route', removed: message.type === RTM_DELROUTE, route };
  return undefined;
}

/** Hears the changes in the namespace of the thread that opens it. */
export class NetworkWatch {
  readonly #socket: NetlinkSocket;

  /** @param groups RTMGRP_… bits */
  constructor(groups: number) {
    this.#socket = new NetlinkSocket({ groups });
  }

  /** Readable when a change has arrived; joins a poll set or Node's event loop. */
  get fd(): number {
    return this.#socket.fd;
  }

  /**
   * What has changed since the last call, in order; never waits.
   *
   * @throws DemiError `ERR_DEMI_OVERRUN` when changes were lost: list everything anew
   */
  take(): NetworkEvent[] {
    return this.#socket
      .events()
      .map(decodeEvent)
      .filter(event => event !== undefined);
  }

  close(): void {
    this.#socket.close();
  }
}
