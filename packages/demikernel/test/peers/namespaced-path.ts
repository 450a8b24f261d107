// Networks for these tests: namespaces joined by veth pairs, our stack's interface in the first, kernel hosts elsewhere.
// Made and removed here; what runs inside is the tests' affair.

import { closeSync } from 'node:fs';
import { DemiError } from '@demikernel/memory';
import {
  changeLink,
  createNamespace,
  createVethPair,
  deleteNamespace,
  NetlinkSocket,
  openNamespace,
  runInNamespace,
} from '@demikernel/native/kernel';

let made = 0;

/** Namespaces that go away together. */
export class Network {
  private readonly prefix: string;
  private readonly namespaces: string[];

  private constructor() {
    this.prefix = `demi-${process.pid}-p${made++}`;
    this.namespaces = [];
  }

  /** Builds a network, or returns why this process may not. */
  static build<T>(make: (network: Network) => T): { network: Network; made: T } | string {
    const network = new Network();
    try {
      return { network, made: make(network) };
    } catch (error) {
      network.remove();
      // Anything else is a fault of the test, which must not pass for a lack of rights.
      if (!(error instanceof DemiError) || error.code !== 'ERR_DEMI_PERMISSION') throw error;
      return `cannot make network namespaces here: ${error.message}`;
    }
  }

  /** A new namespace, its loopback up. @returns its name */
  host(name: string): string {
    const namespace = `${this.prefix}${name}`;
    createNamespace(namespace);
    this.namespaces.push(namespace);
    configure(namespace, netlink => changeLink(netlink, 'lo', { up: true }));
    return namespace;
  }

  remove(): void {
    for (const namespace of this.namespaces.splice(0)) deleteNamespace(namespace);
  }
}

/** One end of a cable. */
export interface CableEnd {
  namespace: string;
  device: string;
  macAddress?: string;
  mtuBytes?: number;
}

/** Joins two namespaces by a veth pair, both ends up. */
export function connect(end: CableEnd, peer: CableEnd): void {
  const peerFd = openNamespace(peer.namespace);
  try {
    configure(end.namespace, netlink =>
      createVethPair(
        netlink,
        { name: end.device, macAddress: end.macAddress, mtuBytes: end.mtuBytes ?? 1500 },
        {
          name: peer.device,
          macAddress: peer.macAddress,
          mtuBytes: peer.mtuBytes ?? 1500,
          namespaceFd: peerFd,
        },
      ),
    );
  } finally {
    closeSync(peerFd);
  }
  for (const { namespace, device } of [end, peer]) {
    configure(namespace, netlink => changeLink(netlink, device, { up: true }));
  }
}

/** Runs `action` with a netlink socket of a namespace. */
export function configure<T>(namespace: string, action: (netlink: NetlinkSocket) => T): T {
  return runInNamespace(namespace, () => {
    const netlink = new NetlinkSocket();
    try {
      return action(netlink);
    } finally {
      netlink.close();
    }
  });
}
