// A veth pair between two namespaces of this test: our end for a device, the far end for the kernel's own stack.

import type { ChildProcess } from 'node:child_process';
import { configure, connect, Network, spawnNode } from '@demikernel/lab';
import {
  addAddress,
  addNeighbour,
  addRoute,
  getLink,
  type Link,
  type NetlinkSocket,
  runInNamespace,
} from '@demikernel/native/kernel';

export const NEAR_DEVICE = 'demi0';
export const FAR_DEVICE = 'demi1';
export const NEAR_ADDRESS = '10.78.0.2';
export const FAR_ADDRESS = '10.78.0.1';
export const NEAR_MAC = '02:00:00:00:78:02';
export const FAR_MAC = '02:00:00:00:78:01';
/** An address behind the far end, to be reached through it as a gateway. */
export const REMOTE_ADDRESS = '10.79.0.1';

export interface VethOptions {
  mtuBytes?: number;
  queues?: number;
  /** Give the kernel our address too (ports mode). */
  nearAddress?: boolean;
  /** Tell the far kernel our hardware address, for tests without ARP. */
  staticNeighbour?: boolean;
}

export class VethPair {
  readonly near: string;
  readonly far: string;
  private readonly network: Network;

  private constructor(network: Network, options: VethOptions) {
    const { mtuBytes = 1500, queues = 1, nearAddress = false, staticNeighbour = false } = options;
    this.network = network;
    this.near = network.host('near');
    this.far = network.host('far');
    connect(
      {
        namespace: this.near,
        device: NEAR_DEVICE,
        macAddress: NEAR_MAC,
        address: nearAddress ? `${NEAR_ADDRESS}/24` : undefined,
        mtuBytes,
        queues,
      },
      {
        namespace: this.far,
        device: FAR_DEVICE,
        macAddress: FAR_MAC,
        address: `${FAR_ADDRESS}/24`,
        mtuBytes,
        queues,
      },
    );
    configure(this.far, netlink => {
      addAddress(netlink, getLink(netlink, 'lo').index, REMOTE_ADDRESS, 32);
      if (staticNeighbour) addNeighbour(netlink, getLink(netlink, FAR_DEVICE).index, NEAR_ADDRESS, NEAR_MAC);
    });
    if (nearAddress) {
      configure(this.near, netlink =>
        addRoute(netlink, { destination: '0.0.0.0', prefixLength: 0, gateway: FAR_ADDRESS }),
      );
    }
  }

  /** Makes the pair, or returns why this process may not. */
  static create(options: VethOptions = {}): VethPair | string {
    const built = Network.build(network => new VethPair(network, options));
    return typeof built === 'string' ? built : built.made;
  }

  /** Runs `action` with a netlink socket of the namespace. */
  configure<T>(namespace: string, action: (netlink: NetlinkSocket) => T): T {
    return configure(namespace, action);
  }

  nearLink(): Link {
    return configure(this.near, netlink => getLink(netlink, NEAR_DEVICE));
  }

  insideNear<T>(action: () => T): T {
    return runInNamespace(this.near, action);
  }

  insideFar<T>(action: () => T): T {
    return runInNamespace(this.far, action);
  }

  /** Starts a Node program, given as source text, in the far namespace (or another). */
  node(source: string, namespace: string = this.far): ChildProcess {
    return spawnNode(namespace, source);
  }

  remove(): void {
    this.network.remove();
  }
}
