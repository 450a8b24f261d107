// A veth pair between two namespaces of this test: our end for a device, the far end for the kernel's own stack.

import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync } from 'node:fs';
import {
  addAddress,
  addNeighbour,
  addRoute,
  changeLink,
  createNamespace,
  createVethPair,
  deleteNamespace,
  getLink,
  type Link,
  listNamespaces,
  NetlinkSocket,
  openNamespace,
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

let made = 0;

export interface VethOptions {
  mtuBytes?: number;
  queues?: number;
  /** Give the kernel our address too (ports mode). */
  nearAddress?: boolean;
  /** Tell the far kernel our hardware address, for tests without ARP. */
  staticNeighbour?: boolean;
}

/** Removes pairs of tests that were killed before they could. */
function sweep(): void {
  for (const name of listNamespaces()) {
    const pid = /^demi-(\d+)-[nf]\d+$/.exec(name)?.[1];
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue;
    try {
      deleteNamespace(name);
    } catch {
      // Not ours to remove, or somebody else was quicker.
    }
  }
}

export class VethPair {
  readonly near: string;
  readonly far: string;

  private constructor(near: string, far: string) {
    this.near = near;
    this.far = far;
  }

  /** Makes the pair, or returns why this process may not. */
  static create(options: VethOptions = {}): VethPair | string {
    const { mtuBytes = 1500, queues = 1 } = options;
    sweep();
    const pair = new VethPair(`demi-${process.pid}-n${made}`, `demi-${process.pid}-f${made++}`);
    try {
      createNamespace(pair.near);
      createNamespace(pair.far);
      const farFd = openNamespace(pair.far);
      try {
        pair.configure(pair.near, netlink =>
          createVethPair(
            netlink,
            { name: NEAR_DEVICE, macAddress: NEAR_MAC, mtuBytes, rxQueues: queues, txQueues: queues },
            {
              name: FAR_DEVICE,
              macAddress: FAR_MAC,
              mtuBytes,
              namespaceFd: farFd,
              rxQueues: queues,
              txQueues: queues,
            },
          ),
        );
      } finally {
        closeSync(farFd);
      }
      pair.configure(pair.near, netlink => {
        changeLink(netlink, 'lo', { up: true });
        changeLink(netlink, NEAR_DEVICE, { up: true });
        if (options.nearAddress === true) {
          addAddress(netlink, getLink(netlink, NEAR_DEVICE).index, NEAR_ADDRESS, 24);
        }
      });
      pair.configure(pair.far, netlink => {
        changeLink(netlink, 'lo', { up: true });
        changeLink(netlink, FAR_DEVICE, { up: true });
        const { index } = getLink(netlink, FAR_DEVICE);
        addAddress(netlink, index, FAR_ADDRESS, 24);
        addAddress(netlink, getLink(netlink, 'lo').index, REMOTE_ADDRESS, 32);
        if (options.staticNeighbour === true) addNeighbour(netlink, index, NEAR_ADDRESS, NEAR_MAC);
      });
      if (options.nearAddress === true) {
        pair.configure(pair.near, netlink =>
          addRoute(netlink, { destination: '0.0.0.0', prefixLength: 0, gateway: FAR_ADDRESS }),
        );
      }
      return pair;
    } catch (error) {
      pair.remove();
      return `cannot make network namespaces here: ${(error as Error).message}`;
    }
  }

  /** Runs `action` with a netlink socket of the namespace. */
  configure<T>(namespace: string, action: (netlink: NetlinkSocket) => T): T {
    return runInNamespace(namespace, () => {
      const netlink = new NetlinkSocket();
      try {
        return action(netlink);
      } finally {
        netlink.close();
      }
    });
  }

  nearLink(): Link {
    return this.configure(this.near, netlink => getLink(netlink, NEAR_DEVICE));
  }

  insideNear<T>(action: () => T): T {
    return runInNamespace(this.near, action);
  }

  insideFar<T>(action: () => T): T {
    return runInNamespace(this.far, action);
  }

  /** Starts a Node program, given as source text, in the far namespace (or another). */
  node(source: string, namespace: string = this.far): ChildProcess {
    return runInNamespace(namespace, () =>
      spawn(process.execPath, ['--input-type=module', '-e', source], { stdio: ['pipe', 'pipe', 'inherit'] }),
    );
  }

  remove(): void {
    deleteNamespace(this.near);
    deleteNamespace(this.far);
  }
}
