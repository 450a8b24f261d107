// Two network namespaces joined by veth pairs: the service's side and the client's. Made for one run, removed with it.

import { writeFileSync } from 'node:fs';
import { configure, connect, Network } from '@demikernel/lab';
import { addNeighbour, linkIndex, runInNamespace, setOffload } from '@demikernel/native/kernel';

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
  /** Whether the kernel of the client's side has its address; default true. */
  clientKernelAddress?: boolean;
  /** Tell the client's kernel the service's MAC address: for services that do not speak ARP. */
  fixedNeighbour?: boolean;
  /** Have the client's kernel compute whole checksums: for programs that send back what they got. */
  wholeChecksums?: boolean;
}

const PREFIX_LENGTH = 24;

/** The namespaces of one run. {@link close} removes them, and the interfaces with them. */
export class Testbed {
  readonly server: string;
  readonly client: string;
  readonly #network: Network;
  #wires: number;

  /** @throws DemiError `ERR_DEMI_PERMISSION` */
  constructor() {
    this.#network = new Network('bench');
    this.#wires = 0;
    try {
      this.server = this.#network.host('server');
      this.client = this.#network.host('client');
      for (const namespace of [this.server, this.client]) {
        // Router solicitations and multicast joins would arrive in the middle of a measurement.
        runInNamespace(namespace, () => writeFileSync('/proc/sys/net/ipv6/conf/default/disable_ipv6', '1'));
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
    connect(
      {
        namespace: this.server,
        device: wire.serverInterface,
        macAddress: wire.serverMac,
        address: options.kernelAddress ? `${wire.serverAddress}/${PREFIX_LENGTH}` : undefined,
      },
      {
        namespace: this.client,
        device: wire.clientInterface,
        address: options.clientKernelAddress === false ? undefined : `${wire.clientAddress}/${PREFIX_LENGTH}`,
      },
    );
    configure(this.client, netlink => {
      const index = linkIndex(wire.clientInterface);
      if (options.fixedNeighbour === true) addNeighbour(netlink, index, wire.serverAddress, wire.serverMac);
      if (options.wholeChecksums === true) setOffload(wire.clientInterface, 'txChecksum', false);
    });
    return wire;
  }

  /** May be called twice. */
  close(): void {
    this.#network.remove();
  }
}
