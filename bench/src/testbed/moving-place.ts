// Where connections move: a client, the XDP switch and backends, each in a namespace, joined by veth pairs and, for what is not the
// switch's business, by a bridge. What runs on the backends is the benchmark's.

import { writeFileSync } from 'node:fs';
import { Switch } from '@demikernel/capybara';
import { passAll, XdpLink } from '@demikernel/ebpf';
import { configure, connect, Network } from '@demikernel/lab';
import * as kernel from '@demikernel/native/kernel';
import { type Demikernel, open } from 'demikernel';
import {
  backendAddress,
  CLIENT_ADDRESS,
  HEADER_KEY,
  PORT,
  SWITCH_ADDRESS,
  VIRTUAL_ADDRESS,
} from './moving-addresses.ts';

export interface MovingPlaceOptions {
  /** The backends' kernels have the virtual address; otherwise a stack of our own takes it, see {@link MovingPlace.openStack}. */
  kernelBackends: boolean;
  /** 2 by default. */
  backends?: number;
  /** Of the switch at a time; 64 by default. */
  connections?: number;
}

/** The namespaces of one run, and the switch. {@link close} removes them, and the interfaces with them. */
export class MovingPlace {
  readonly client: string;
  readonly backends: readonly string[];
  readonly balancer: Switch;
  readonly #network: Network;
  readonly #bridge: string;
  readonly #closing: (() => void)[];

  /** @throws DemiError `ERR_DEMI_PERMISSION` */
  constructor({ kernelBackends, backends = 2, connections = 64 }: MovingPlaceOptions) {
    this.#network = new Network('moving');
    this.#closing = [];
    try {
      this.#bridge = this.#network.host('s');
      configure(this.#bridge, netlink => {
        kernel.createBridge(netlink, { name: 'br0' });
        kernel.changeLink(netlink, 'br0', { up: true });
        kernel.addAddress(netlink, kernel.linkIndex('br0'), SWITCH_ADDRESS, 24);
      });
      this.client = this.#network.host('c');
      this.#join(this.client, 'sc0', CLIENT_ADDRESS, true);
      this.backends = Array.from({ length: backends }, (_, id) => this.#network.host(`b${id}`));
      const macAddresses = this.backends.map((name, id) => {
        if (kernelBackends) this.#serveVirtualAddress(name);
        // The program on a backend's interface is AF_XDP's, or the one that holds packets back.
        return this.#join(name, `sb${id}`, backendAddress(id), false);
      });
      this.balancer = kernel.runInNamespace(this.#bridge, () => newSwitch(backends, connections));
      this.#closing.push(() => this.balancer.close());
      this.balancer.addService(VIRTUAL_ADDRESS, PORT);
      for (const [id, macAddress] of macAddresses.entries())
        this.balancer.addBackend(id, { macAddress, interface: `sb${id}`, address: backendAddress(id) });
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Puts the virtual address onto the loopback, unspoken of. */
  #serveVirtualAddress(namespace: string): void {
    configure(namespace, netlink => {
      writeFileSync('/proc/sys/net/ipv4/conf/all/arp_ignore', '1');
      writeFileSync('/proc/sys/net/ipv4/conf/all/arp_announce', '2');
      kernel.addAddress(netlink, kernel.linkIndex('lo'), VIRTUAL_ADDRESS, 32);
    });
  }

  /** A cable from `device` in the bridge to `eth0` in a namespace. Returns the MAC address of that. */
  #join(namespace: string, device: string, address: string, passes: boolean): string {
    connect({ namespace: this.#bridge, device }, { namespace, device: 'eth0', address: `${address}/24` });
    configure(this.#bridge, netlink =>
      kernel.changeLink(netlink, device, { masterIndex: kernel.linkIndex('br0') }),
    );
    return configure(namespace, netlink => {
      // Native XDP sees checksums as the sender left them, and a veth end takes redirected frames with a program on it.
      kernel.setOffload('eth0', 'txChecksum', false);
      if (passes) this.#passAll();
      return kernel.getLink(netlink, 'eth0').macAddress;
    });
  }

  #passAll(): void {
    const program = passAll();
    const link = new XdpLink({ program, ifindex: kernel.linkIndex('eth0'), mode: 'native' });
    program.close();
    this.#closing.push(() => link.close());
  }

  /** A stack of our own on a backend's interface, by AF_XDP. The caller's. */
  openStack(id: number): Promise<Demikernel> {
    return open({
      libos: 'catpowder',
      interface: 'eth0',
      namespace: this.backends[id]!,
      address: `${backendAddress(id)}/24`,
      virtualAddresses: [VIRTUAL_ADDRESS],
      device: 'af-xdp',
      wait: 'spin',
      selfCheck: false,
      onNotice: () => {},
    });
  }

  /** Idempotent. */
  close(): void {
    for (const close of this.#closing.splice(0).reverse()) close();
    this.#network.remove();
  }
}

function newSwitch(backends: number, connections: number): Switch {
  return new Switch({
    ports: [
      { interface: 'sc0', role: 'client' },
      ...Array.from({ length: backends }, (_, id) => ({ interface: `sb${id}`, role: 'backend' as const })),
    ],
    headerKey: HEADER_KEY,
    hashKey: new Uint8Array(16),
    address: SWITCH_ADDRESS,
    connections,
    policy: 'roundRobin',
    mode: 'native',
  });
}
