// A client that stays, a service that moves: two hosts with the same virtual address, and a route that says which of them
// has it. All in namespaces; the client is a process of its own on unmodified kernel TCP.

import type { ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { type CableEnd, configure, connect, type Network, spawnNode } from '@demikernel/lab';
import {
  acceptSocket,
  addAddress,
  addRoute,
  bindSocket,
  check,
  closeDescriptor,
  deleteRoute,
  EAGAIN,
  getLink,
  listenSocket,
  openSocket,
  runInNamespace,
  SO_REUSEADDR,
  SOCK_STREAM,
  SOL_SOCKET,
  SocketAddress,
  setSocketOption,
} from '@demikernel/native/kernel';
import {
  abandon,
  decodeConnection,
  encodeConnection,
  exportConnection,
  freeze,
  importConnection,
} from '../../src/repair/index.ts';

export const PORT = 7000;

/** What differs between the IP versions. */
export interface Addresses {
  family: number;
  virtual: string;
  client: string;
  /** Of the two cables: the client's end and the host's. */
  cables: readonly (readonly [string, string])[];
  /** Prefix lengths of a cable's network, and of one address. */
  prefix: number;
  whole: number;
}

export const IPV4: Addresses = {
  family: 2,
  virtual: '10.99.0.1',
  client: '10.98.0.1',
  cables: [
    ['10.90.1.1', '10.90.1.2'],
    ['10.90.2.1', '10.90.2.2'],
  ],
  prefix: 24,
  whole: 32,
};

/** Hosts `a` and `b` with the virtual address, and the client between them. */
export class Stage {
  readonly hosts: readonly string[];
  readonly client: string;
  private readonly addresses: Addresses;
  private turned: boolean;

  constructor(network: Network, addresses: Addresses = IPV4) {
    this.addresses = addresses;
    this.client = network.host('client');
    this.hosts = [network.host('a'), network.host('b')];
    this.turned = false;
    const { cables, prefix, whole } = addresses;
    this.hosts.forEach((host, i) => {
      const [near, far] = cables[i]!;
      const end = (namespace: string, device: string, address: string): CableEnd => ({
        namespace,
        device,
        address: `${address}/${prefix}`,
      });
      connect(end(this.client, `client${i}`, near), end(host, 'host0', far));
      configure(host, netlink => {
        addAddress(netlink, getLink(netlink, 'lo').index, addresses.virtual, whole);
        addRoute(netlink, { destination: addresses.client, prefixLength: whole, gateway: near });
      });
    });
    configure(this.client, netlink =>
      addAddress(netlink, getLink(netlink, 'lo').index, addresses.client, whole),
    );
    runInNamespace(this.client, () => {
      // Answers come by either cable.
      for (const device of ['all', 'client0', 'client1']) {
        writeFileSync(`/proc/sys/net/ipv4/conf/${device}/rp_filter`, '0');
      }
    });
    this.route(0, 10);
  }

  /** Sends the client's packets to the other host from now on. */
  turn(): void {
    if (this.turned) configure(this.client, netlink => deleteRoute(netlink, this.routeTo(1, 1)));
    else this.route(1, 1);
    this.turned = !this.turned;
  }

  listen(host: string): number {
    return runInNamespace(host, () => {
      const fd = check(openSocket(this.addresses.family, SOCK_STREAM), 'socket');
      setSocketOption(fd, SOL_SOCKET, SO_REUSEADDR, 1);
      const name = new SocketAddress();
      name.setIp(this.addresses.virtual, PORT);
      check(bindSocket(fd, name), 'bind');
      check(listenSocket(fd, 16), 'listen');
      name.close();
      return fd;
    });
  }

  /** A client program: its `connect()` gives a `net.Socket` from the client's own address. */
  run(source: string): ChildProcess {
    const { client, virtual } = this.addresses;
    const prelude = `
      import net from 'node:net';
      const connect = options =>
        net.connect({ host: '${virtual}', port: ${PORT}, localAddress: '${client}', ...options });
      ${byteAt.toString()}
      ${fillBytes.toString()}
      ${firstWrong.toString()}
    `;
    return spawnNode(this.client, prelude + source);
  }

  private route(host: number, metric: number): void {
    configure(this.client, netlink => addRoute(netlink, this.routeTo(host, metric)));
  }

  private routeTo(host: number, metric: number): Parameters<typeof addRoute>[1] {
    const { virtual: destination, whole, cables, client } = this.addresses;
    return { destination, prefixLength: whole, gateway: cables[host]![1], source: client, metric };
  }
}

/** Waits for the next connection of a listener. */
export async function accepted(listener: number): Promise<number> {
  const peer = new SocketAddress();
  try {
    for (;;) {
      const fd = acceptSocket(listener, peer);
      if (fd >= 0) return fd;
      if (fd !== -EAGAIN) check(fd, 'accept4');
      await pause(1);
    }
  } finally {
    peer.close();
  }
}

/** Moves a connection to the other host, by bytes, as a migration would. Returns its descriptor there. */
export function move(stage: Stage, fd: number, to: string): number {
  freeze(fd);
  const bytes = encodeConnection(exportConnection(fd));
  const restored = runInNamespace(to, () => importConnection(decodeConnection(bytes)));
  stage.turn();
  runInNamespace(to, () => restored.resume());
  // Until here the frozen socket has swallowed, without a word, what still came its way.
  abandon(fd);
  return restored.fd;
}

export function pause(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms));
}

/** The byte at a position of a stream, different for each seed. Also runs in the client, as text. */
export function byteAt(seed: number, position: number): number {
  return (Math.imul(position + seed, 0x9e3779b1) >>> 21) & 0xff;
}

export function fillBytes(bytes: Uint8Array, seed: number, position: number): void {
  for (let i = 0; i < bytes.length; i++) bytes[i] = byteAt(seed, position + i);
}

/** Index of the first byte that does not belong at its position, or -1. */
export function firstWrong(bytes: Uint8Array, seed: number, position: number): number {
  for (let i = 0; i < bytes.length; i++) if (bytes[i] !== byteAt(seed, position + i)) return i;
  return -1;
}

/** Closes descriptors when the test is over. */
export function closeAll(descriptors: readonly number[]): void {
  for (const fd of descriptors) closeDescriptor(fd);
}
