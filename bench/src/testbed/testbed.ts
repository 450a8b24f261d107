// Two network namespaces joined by veth pairs: the service's side and the client's. Made for one run, removed with it.

import { existsSync, writeFileSync } from 'node:fs';
import {
  addAddress,
  addNeighbour,
  canCreateNamespaces,
  changeLink,
  closeDescriptor,
  createNamespace,
  createVethPair,
  deleteNamespace,
  linkIndex,
  listNamespaces,
  NetlinkSocket,
  openNamespace,
  platformRefusal,
  runInNamespace,
  setOffload,
} from '@demikernel/native/kernel';

/** One veth pair. */
export interface Wire {
  /** Interface on the service's side, its address, and its MAC address. */
  serverInterface: string;
  serverAddress: string;
  serverMac: string;
  clientInterface: string;
  clientAddress: string;
}

export interface WireOptions {
  /** Whether the kernel of the service's side has the address; otherwise a user-level stack takes it. */
  kernelAddress: boolean;
  /** Tell the client's kernel the service's MAC address: for services that do not speak ARP. */
  fixedNeighbour?: boolean;
  /** Have the client's kernel compute whole checksums: for programs that send back what they got. */
  wholeChecksums?: boolean;
}

const PREFIX_LENGTH = 24;

/** Why namespaces cannot be made here, or `undefined`. Tries it. */
export function testbedRefusal(): string | undefined {
  const refusal = platformRefusal();
  if (refusal !== undefined) return refusal;
  if (!canCreateNamespaces()) return 'network namespaces need CAP_SYS_ADMIN and CAP_NET_ADMIN: run as root';
  return undefined;
}

/** Removes the namespaces of benchmarks that were killed. */
export function removeStale(): void {
  for (const name of listNamespaces()) {
    const pid = /^demi-(\d+)-bench-/.exec(name)?.[1];
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) deleteNamespace(name);
  }
}

/** The namespaces of one run. {@link close} removes them, and the interfaces with them. */
export class Testbed {
  readonly server: string;
  readonly client: string;
  #wires: number;
  #closed: boolean;

  /** @throws DemiError `ERR_DEMI_PERMISSION` */
  constructor() {
    removeStale();
    this.server = `demi-${process.pid}-bench-server`;
    this.client = `demi-${process.pid}-bench-client`;
    this.#wires = 0;
    this.#closed = false;
    createNamespace(this.server);
    try {
      createNamespace(this.client);
      for (const namespace of [this.server, this.client]) {
        runInNamespace(namespace, () => {
          // Router solicitations and multicast joins would arrive in the middle of a measurement.
          writeFileSync('/proc/sys/net/ipv6/conf/default/disable_ipv6', '1');
          configure(netlink => changeLink(netlink, 'lo', { up: true }));
        });
      }
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Adds a veth pair with a subnet of its own. */
  addWire(options: WireOptions): Wire {
    const n = this.#wires++;
    const wire: Wire = {
      serverInterface: `server${n}`,
      serverAddress: `10.77.${n}.1`,
      serverMac: `02:00:00:00:${(n + 1).toString(16).padStart(2, '0')}:01`,
      clientInterface: `client${n}`,
      clientAddress: `10.77.${n}.2`,
    };
    const far = openNamespace(this.client);
    try {
      runInNamespace(this.server, () => {
        configure(netlink => {
          createVethPair(
            netlink,
            { name: wire.serverInterface, macAddress: wire.serverMac },
            { name: wire.clientInterface, namespaceFd: far },
          );
          changeLink(netlink, wire.serverInterface, { up: true });
          if (options.kernelAddress) {
            addAddress(netlink, linkIndex(wire.serverInterface), wire.serverAddress, PREFIX_LENGTH);
          }
        });
      });
    } finally {
      closeDescriptor(far);
    }
    runInNamespace(this.client, () => {
      configure(netlink => {
        changeLink(netlink, wire.clientInterface, { up: true });
        const index = linkIndex(wire.clientInterface);
        addAddress(netlink, index, wire.clientAddress, PREFIX_LENGTH);
        if (options.fixedNeighbour === true) addNeighbour(netlink, index, wire.serverAddress, wire.serverMac);
      });
      if (options.wholeChecksums === true) setOffload(wire.clientInterface, 'txChecksum', false);
    });
    return wire;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    deleteNamespace(this.server);
    deleteNamespace(this.client);
  }
}

function configure(action: (netlink: NetlinkSocket) => void): void {
  const netlink = new NetlinkSocket();
  try {
    action(netlink);
  } finally {
    netlink.close();
  }
}
