// A small network for tests: a client, a switch and backends, each in a namespace, joined by veth pairs and, for what is
// not the switch's business, by a bridge on the switch's side; or all on one bridge, the switch with one arm. Kernel
// sockets everywhere.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { passAll, XdpLink } from '@demikernel/ebpf';
import { configure, connect, Network, networkRefusal } from '@demikernel/lab';
import * as kernel from '@demikernel/native/kernel';

export const VIRTUAL_ADDRESS = '10.88.0.100';
export const CLIENT_ADDRESS = '10.88.0.1';
export const SWITCH_ADDRESS = '10.88.0.254';
export const backendAddress = (id: number): string => `10.88.0.${10 + id}`;
const WAIT_US = 3_000_000;

/** Why such a network cannot be made here, or `undefined`. Tries it. */
export function testbedRefusal(): string | undefined {
  try {
    passAll().close();
  } catch (error) {
    return `bpf(2) is not allowed here: ${(error as Error).message}`;
  }
  return networkRefusal();
}

/** An IPv4 address as a number. */
export function addressNumber(text: string): number {
  return new DataView(kernel.parseIpAddress(text).buffer).getUint32(0);
}

/** The namespaces, devices, addresses and servers of one test. {@link close} removes everything. */
export class SwitchTestbed {
  readonly client: string;
  readonly switch: string;
  readonly backends: readonly string[];
  /** MAC addresses of the backends' devices. */
  readonly macAddresses: string[];
  readonly clientMac: string;
  readonly #network: Network;
  readonly #bridge: string;
  readonly #closing: (() => void)[];
  readonly #listeners: number[];
  readonly #accepted: { fd: number; id: number }[];

  /**
   * @param oneArmed the bridge is a namespace of its own, and the switch hangs on it by its `eth0`
   * @param ownPrograms the test attaches a program to each backend's `eth0`
   */
  constructor(backends: number, options: { oneArmed?: boolean; ownPrograms?: boolean } = {}) {
    const { oneArmed = false, ownPrograms = false } = options;
    this.#network = new Network('switch');
    this.macAddresses = [];
    this.#closing = [];
    this.#listeners = [];
    this.#accepted = [];
    try {
      this.#bridge = this.#network.host('s');
      configure(this.#bridge, netlink => {
        kernel.createBridge(netlink, { name: 'br0' });
        kernel.changeLink(netlink, 'br0', { up: true });
        if (!oneArmed) kernel.addAddress(netlink, kernel.linkIndex('br0'), SWITCH_ADDRESS, 24);
      });
      this.switch = oneArmed ? this.#network.host('arm') : this.#bridge;
      if (oneArmed) this.#hang();
      this.client = this.#network.host('c');
      this.clientMac = this.#join(this.client, 'sc0', CLIENT_ADDRESS, false);
      this.backends = Array.from({ length: backends }, (_, id) => this.#network.host(`b${id}`));
      for (const [id, name] of this.backends.entries()) {
        this.macAddresses.push(this.#join(name, `sb${id}`, backendAddress(id), ownPrograms));
        // The virtual address stands on the loopback, and is not spoken of.
        configure(name, netlink => {
          writeFileSync('/proc/sys/net/ipv4/conf/all/arp_ignore', '1');
          writeFileSync('/proc/sys/net/ipv4/conf/all/arp_announce', '2');
          kernel.addAddress(netlink, kernel.linkIndex('lo'), VIRTUAL_ADDRESS, 32);
        });
      }
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** The switch by one cable. What it sends back by XDP_TX arrives where the other end has a program. */
  #hang(): void {
    const end = { namespace: this.#bridge, device: 'ss' };
    connect(end, { namespace: this.switch, device: 'eth0', address: `${SWITCH_ADDRESS}/24` });
    configure(this.#bridge, netlink => {
      kernel.changeLink(netlink, 'ss', { masterIndex: kernel.linkIndex('br0') });
      this.#passAll('ss');
    });
  }

  #passAll(device: string): void {
    const program = passAll();
    const link = new XdpLink({ program, ifindex: kernel.linkIndex(device), mode: 'native' });
    program.close();
    this.#closing.push(() => link.close());
  }

  /** A cable from `device` in the bridge to `eth0` in a namespace. Returns the MAC address of that. */
  #join(namespace: string, device: string, address: string, ownProgram: boolean): string {
    connect({ namespace: this.#bridge, device }, { namespace, device: 'eth0', address: `${address}/24` });
    configure(this.#bridge, netlink =>
      kernel.changeLink(netlink, device, { masterIndex: kernel.linkIndex('br0') }),
    );
    return configure(namespace, netlink => {
      // Native XDP sees checksums as the sender left them, and a veth end takes redirected frames with a program on it.
      kernel.setOffload('eth0', 'txChecksum', false);
      if (!ownProgram) this.#passAll('eth0');
      return kernel.getLink(netlink, 'eth0').macAddress;
    });
  }

  /** A listening socket on a backend's virtual address. */
  listen(id: number, port: number): void {
    const fd = kernel.runInNamespace(this.backends[id]!, () =>
      kernel.openSocket(kernel.AF_INET, kernel.SOCK_STREAM),
    );
    const name = new kernel.SocketAddress();
    name.setIpv4(addressNumber(VIRTUAL_ADDRESS), port);
    assert.equal(kernel.setSocketOption(fd, kernel.SOL_SOCKET, kernel.SO_REUSEADDR, 1), 0);
    assert.equal(kernel.bindSocket(fd, name), 0);
    assert.equal(kernel.listenSocket(fd, 512), 0);
    this.#listeners[id] = fd;
    this.#closing.push(() => kernel.closeDescriptor(fd));
  }

  /** The next connection of a backend's server, which the caller closes. */
  async accept(id: number): Promise<number> {
    const peer = new kernel.SocketAddress();
    for (;;) {
      const fd = kernel.acceptSocket(this.#listeners[id]!, peer);
      if (fd >= 0) return fd;
      await new Promise(resolve => setTimeout(resolve, 1));
    }
  }

  /** A UDP socket with an address of a namespace, sending to an address. Closed with the testbed. */
  udp(namespace: string, address: string, port: number, to?: { address: string; port: number }): number {
    const fd = kernel.runInNamespace(namespace, () => kernel.openSocket(kernel.AF_INET, kernel.SOCK_DGRAM));
    this.#closing.push(() => kernel.closeDescriptor(fd));
    const name = new kernel.SocketAddress();
    name.setIpv4(addressNumber(address), port);
    assert.equal(kernel.setSocketOption(fd, kernel.SOL_SOCKET, kernel.SO_REUSEADDR, 1), 0);
    assert.equal(kernel.bindSocket(fd, name), 0);
    if (to !== undefined) {
      name.setIpv4(addressNumber(to.address), to.port);
      assert.equal(kernel.connectSocket(fd, name), 0);
    }
    return fd;
  }

  /** A client's connection to the virtual address: the descriptor, connected, or a negative errno. */
  connect(port: number): number {
    const fd = kernel.runInNamespace(this.client, () =>
      kernel.openSocket(kernel.AF_INET, kernel.SOCK_STREAM),
    );
    this.#closing.push(() => kernel.closeDescriptor(fd));
    const name = new kernel.SocketAddress();
    name.setIpv4(addressNumber(VIRTUAL_ADDRESS), port);
    const result = kernel.connectSocket(fd, name);
    if (result === 0) return fd;
    if (result !== -kernel.EINPROGRESS) return result;
    if (!ready(fd, kernel.POLLOUT, WAIT_US)) return -kernel.ETIMEDOUT;
    const error = kernel.socketError(fd);
    return error === 0 ? fd : -error;
  }

  /** Sends a line on a connection and returns which backend answers: its number, or a negative errno. */
  ask(fd: number): number {
    const bytes = Buffer.from('?');
    if (kernel.libc().writeBuffer(fd, bytes, 1) !== 1) return -1;
    const answer = Buffer.alloc(1);
    for (let tries = 0; tries < 300; tries++) {
      this.serve();
      if (ready(fd, kernel.POLLIN, 10_000)) {
        const got = kernel.libc().readBuffer(fd, answer, 1);
        return got === 1 ? answer[0]! : -(kernel.socketError(fd) || kernel.ECONNRESET);
      }
    }
    return -kernel.ETIMEDOUT;
  }

  /** Lets the servers accept and answer: each byte received is answered with the backend's number. */
  serve(): void {
    const peer = new kernel.SocketAddress();
    for (const [id, listener] of this.#listeners.entries()) {
      if (listener === undefined) continue;
      for (;;) {
        const fd = kernel.acceptSocket(listener, peer);
        if (fd < 0) break;
        this.#closing.push(() => kernel.closeDescriptor(fd));
        this.#accepted.push({ fd, id });
      }
    }
    const buffer = Buffer.alloc(64);
    for (const { fd, id } of this.#accepted) {
      const got = kernel.libc().readBuffer(fd, buffer, buffer.length);
      if (got > 0) kernel.libc().writeBuffer(fd, Buffer.alloc(got, id), got);
    }
  }

  close(): void {
    for (const close of this.#closing.splice(0).reverse()) close();
    this.#network.remove();
  }
}

/** Waits until a descriptor is ready; whether it was in time. */
export function ready(fd: number, events: number, timeoutUs: number): boolean {
  const set = new kernel.PollSet(1);
  try {
    set.add(fd, events);
    return set.wait(timeoutUs) === 1;
  } finally {
    set.close();
  }
}
