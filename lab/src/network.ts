// Networks for tests and benchmarks: namespaces joined by veth pairs, made for one run and removed with it. What runs
// inside is the caller's affair.

import { type ChildProcess, spawn } from 'node:child_process';
import { DemiError } from '@demikernel/memory';
import {
  addAddress,
  canCreateNamespaces,
  changeLink,
  closeDescriptor,
  createNamespace,
  createVethPair,
  deleteNamespace,
  getLink,
  NetlinkSocket,
  openNamespace,
  platformRefusal,
  runInNamespace,
} from '@demikernel/native/kernel';
import { removeStaleNamespaces } from './stale-namespaces.ts';

/** Why network namespaces cannot be made here, or `undefined`. Tries it. */
export function networkRefusal(): string | undefined {
  const refusal = platformRefusal();
  if (refusal !== undefined) return refusal;
  if (!canCreateNamespaces()) return 'network namespaces need CAP_SYS_ADMIN and CAP_NET_ADMIN: run as root';
  return undefined;
}

/** One end of a cable. */
export interface CableEnd {
  namespace: string;
  device: string;
  macAddress?: string | undefined;
  /** For the kernel, with the prefix's length: `10.0.0.1/24`. Without it, the kernel has no address here. */
  address?: string | undefined;
  mtuBytes?: number;
  /** Receive and transmit queues. */
  queues?: number;
}

let made = 0;

/** Namespaces that go away together. Those of processes that are gone are removed first. */
export class Network {
  private readonly prefix: string;
  private readonly namespaces: string[];

  /** @param label part of the namespaces' names, to be recognised by: `demi-PID-LABELn-…` */
  constructor(label = 'n') {
    removeStaleNamespaces();
    this.prefix = `demi-${process.pid}-${label}${made++}`;
    this.namespaces = [];
  }

  /** Builds a network, or returns why this process may not. Whatever else fails is thrown, and nothing is left. */
  static build<T>(make: (network: Network) => T, label?: string): { network: Network; made: T } | string {
    const network = new Network(label);
    try {
      return { network, made: make(network) };
    } catch (error) {
      network.remove();
      // Anything else is a fault of the test, which must not pass for a lack of rights.
      if (!(error instanceof DemiError) || error.code !== 'ERR_DEMI_PERMISSION') throw error;
      return `cannot make network namespaces here: ${error.message}`;
    }
  }

  /**
   * A new namespace, its loopback up.
   *
   * @returns its name
   * @throws DemiError `ERR_DEMI_PERMISSION`
   */
  host(name: string): string {
    const namespace = `${this.prefix}-${name}`;
    createNamespace(namespace);
    this.namespaces.push(namespace);
    configure(namespace, netlink => changeLink(netlink, 'lo', { up: true }));
    return namespace;
  }

  /** May be called twice. */
  remove(): void {
    for (const namespace of this.namespaces.splice(0)) deleteNamespace(namespace);
  }
}

/** Joins two namespaces by a veth pair, both ends up, with the addresses they are to have. */
export function connect(end: CableEnd, peer: CableEnd): void {
  const peerFd = openNamespace(peer.namespace);
  try {
    configure(end.namespace, netlink =>
      createVethPair(netlink, vethEnd(end), { ...vethEnd(peer), namespaceFd: peerFd }),
    );
  } finally {
    closeDescriptor(peerFd);
  }
  for (const { namespace, device, address } of [end, peer]) {
    configure(namespace, netlink => {
      changeLink(netlink, device, { up: true });
      if (address === undefined) return;
      const [host, prefixLength] = address.split('/');
      addAddress(netlink, getLink(netlink, device).index, host!, Number(prefixLength));
    });
  }
}

function vethEnd(end: CableEnd): Parameters<typeof createVethPair>[1] {
  const { device: name, macAddress, mtuBytes = 1500, queues = 1 } = end;
  return { name, macAddress, mtuBytes, rxQueues: queues, txQueues: queues };
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

/** Starts a Node program, given as source text, in a namespace; its standard input and output are pipes. */
export function spawnNode(namespace: string, source: string): ChildProcess {
  return runInNamespace(namespace, () =>
    spawn(process.execPath, ['--input-type=module', '-e', source], { stdio: ['pipe', 'pipe', 'inherit'] }),
  );
}
