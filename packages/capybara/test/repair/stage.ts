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
import { byteAt, fillBytes, firstWrong } from '../stream.ts';

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

export const IPV6: Addresses = {
  family: 10,
  virtual: 'fd00:99::1',
  client: 'fd00:98::1',
  cables: [
    ['fd00:90:1::1', 'fd00:90:1::2'],
    ['fd00:90:2::1', 'fd00:90:2::2'],
  ],
  prefix: 64,
  whole: 128,
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
    for (const namespace of [this.client, ...this.hosts]) {
      // Neighbours are asked from link-local addresses, which would not be usable for a second or two (RFC 4862 section 5.4).
      runInNamespace(namespace, () => {
        writeFileSync('/proc/sys/net/ipv6/conf/default/accept_dad', '0');
      });
    }
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

/** One connection that moves between the two hosts of a stage, by bytes, as a migration would. */
export class Mover {
  private readonly stage: Stage;
  private at: number;
  /** What it left behind at the other host: frozen, it swallows without a word what still comes its way. */
  private left: number;

  constructor(stage: Stage) {
    this.stage = stage;
    this.at = 0;
    this.left = -1;
  }

  get nextHost(): string {
    return this.stage.hosts[1 - this.at]!;
  }

  /** Moves it to the other host. Returns its descriptor there. */
  move(fd: number): number {
    const { stage, nextHost } = this;
    freeze(fd);
    const bytes = encodeConnection(exportConnection(fd));
    this.close();
    const restored = runInNamespace(nextHost, () => importConnection(decodeConnection(bytes)));
    stage.turn();
    runInNamespace(nextHost, () => restored.resume());
    this.left = fd;
    this.at = 1 - this.at;
    return restored.fd;
  }

  /** Forgets what was left behind. */
  close(): void {
    if (this.left >= 0) abandon(this.left);
    this.left = -1;
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms));
}

// A client that does what it is told, a line each, and says what happens to it.
const OBEDIENT = `
  import { createInterface } from 'node:readline';
  const say = (...words) => console.log(words.join(' '));
  const socket = connect({ allowHalfOpen: true });
  let sent = 0;
  let got = 0;
  socket.on('connect', () => say('connected'));
  socket.on('data', bytes => {
    const wrong = firstWrong(bytes, 2, got);
    if (wrong >= 0) say('wrong', got + wrong);
    got += bytes.length;
    say('got', got);
  });
  socket.on('end', () => say('end', got));
  socket.on('error', error => say('error', error.code));
  socket.on('close', () => { say('closed'); process.exit(0); });
  const does = {
    send: length => {
      const bytes = new Uint8Array(Number(length));
      fillBytes(bytes, 1, sent);
      sent += bytes.length;
      socket.write(bytes);
    },
    end: () => socket.end(),
    pause: () => socket.pause(),
    resume: () => socket.resume(),
  };
  createInterface(process.stdin).on('line', line => {
    const [verb, ...words] = line.split(' ');
    does[verb](...words);
  });
`;

/** The obedient client, from outside. */
export class Client {
  private readonly process: ChildProcess;
  private readonly said: string[];
  private heard: () => void;

  constructor(stage: Stage) {
    this.process = stage.run(OBEDIENT);
    this.said = [];
    this.heard = () => {};
    let rest = '';
    this.process.stdout!.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop()!;
      this.said.push(...lines);
      this.heard();
    });
  }

  tell(line: string): void {
    this.process.stdin!.write(`${line}\n`);
  }

  /** Waits until the client has said this; what it said before is forgotten. An error that it reports is thrown. */
  async says(line: string): Promise<void> {
    for (;;) {
      const bad = this.said.find(each => /^(error|wrong)/.test(each) && each !== line);
      if (bad !== undefined) throw new Error(`the client says: ${bad}`);
      const at = this.said.indexOf(line);
      if (at >= 0) {
        this.said.splice(0, at + 1);
        return;
      }
      await new Promise<void>(resolve => {
        this.heard = resolve;
      });
    }
  }

  kill(): void {
    this.process.kill('SIGKILL');
  }
}
