// How two ends of a connection find each other and exchange what they share: see greeting.ts for the messages.

import {
  createMemfd,
  EPROTO,
  F_SEAL_GROW,
  F_SEAL_SEAL,
  F_SEAL_SHRINK,
  mapDescriptor,
  peerName,
  roundUpToPages,
} from '@demikernel/native/kernel';
import { EAGAIN, ECONNREFUSED, ECONNRESET } from '../../runtime/errno.ts';
import type { SocketOptions } from '../../runtime/queue.ts';
import { SocketAddress } from '../../runtime/socket-address.ts';
import { connectionBytes, RING_CAPACITY } from '../../shm/layout.ts';
import { Connection } from './connection.ts';
import { closeAll, type Greeting } from './greeting.ts';
import { type MemoryHost, REFUSED_PEERS, type Watched } from './memory-host.ts';
import { type Kind, readName } from './names.ts';
import { type PeerMemory, trustedLengthBytes } from './peer-memory.ts';

const RING_BYTES: number = roundUpToPages(connectionBytes(RING_CAPACITY));

/** Told how a rendezvous ended. */
export interface RendezvousOwner {
  readonly kind: Kind;
  /** The options that the connection begins with. */
  readonly initialOptions: Readonly<SocketOptions>;
  /** It stands. */
  met(rendezvous: Rendezvous, connection: Connection): void;
  /** It does not: a positive errno. The socket is closed. */
  failed(rendezvous: Rendezvous, errno: number): void;
}

/** One end of a rendezvous socket until the connection stands. */
export abstract class Rendezvous implements Watched {
  readonly fd: number;
  protected readonly host: MemoryHost;
  protected readonly owner: RendezvousOwner;

  constructor(host: MemoryHost, owner: RendezvousOwner, fd: number) {
    this.fd = fd;
    this.host = host;
    this.owner = owner;
  }

  /** Takes the peer's greeting if it has come. */
  ready(): void {
    const greeting = this.host.greeter.receive(this.fd);
    if (greeting === -EAGAIN) return;
    if (typeof greeting === 'number') this.fail(this.errnoOf(greeting));
    else if (greeting === undefined) this.refuse();
    else this.greeted(greeting);
  }

  /** What an error of the socket means. */
  protected abstract errnoOf(result: number): number;
  protected abstract greeted(greeting: Greeting): void;

  protected stand(connection: Connection): void {
    this.owner.met(this, connection);
    // The edge that brought the greeting may have been that of the end, too.
    connection.ready();
  }

  protected refuse(): void {
    this.host.add(REFUSED_PEERS, 1);
    this.fail(EPROTO);
  }

  private fail(errno: number): void {
    this.end();
    this.owner.failed(this, errno);
  }

  /** Gives up. */
  end(): void {
    this.host.closeSocket(this.fd);
  }
}

/** The side that connects: it makes the rings and speaks first. */
export class Caller extends Rendezvous {
  private readonly ringFd: number;

  /** @param fd a connected socket that is not watched yet; `greet` comes next */
  constructor(host: MemoryHost, owner: RendezvousOwner, fd: number) {
    super(host, owner, fd);
    this.ringFd = createMemfd({
      name: 'demikernel-connection',
      lengthBytes: RING_BYTES,
      seals: F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL,
    });
  }

  /** Sends the greeting. 0 or a positive errno. */
  greet(to: SocketAddress): number {
    const { host } = this;
    const sent = host.greeter.send(this.fd, {
      kind: this.owner.kind,
      capacity: RING_CAPACITY,
      ipv4: to.ipv4,
      port: to.port,
      descriptors: [host.poolFd, host.bellFd, this.ringFd],
    });
    return sent < 0 ? -sent : -host.watch(this.fd, this);
  }

  protected override errnoOf(result: number): number {
    // Closed before it answered: the listener is gone, or would not have us.
    return result === -ECONNRESET ? ECONNREFUSED : -result;
  }

  protected override greeted(greeting: Greeting): void {
    const { descriptors } = greeting;
    const [poolFd, bellFd] = descriptors;
    const trusted = descriptors.length === 2 && this.host.greeter.isTrusted(this.fd);
    const connection = trusted
      ? connect(this.host, this.owner, this.fd, [poolFd!, bellFd!, this.ringFd], true)
      : undefined;
    closeAll(descriptors);
    if (connection === undefined) {
      this.refuse();
      return;
    }
    closeAll([this.ringFd]);
    this.stand(connection);
  }

  override end(): void {
    closeAll([this.ringFd]);
    super.end();
  }
}

/** The side that listens: it answers. */
export class Answerer extends Rendezvous {
  /** Where the peer is, and where it wanted to. */
  readonly remoteAddress: SocketAddress;
  readonly askedAddress: SocketAddress;

  constructor(host: MemoryHost, owner: RendezvousOwner, fd: number) {
    super(host, owner, fd);
    this.remoteAddress = peerName(fd, host.scratch) === 0 ? readName(host.scratch) : new SocketAddress();
    this.askedAddress = new SocketAddress();
  }

  protected override errnoOf(result: number): number {
    return -result;
  }

  protected override greeted(greeting: Greeting): void {
    const { host } = this;
    const { descriptors, kind, capacity } = greeting;
    const trusted =
      descriptors.length === 3 &&
      kind === this.owner.kind &&
      capacity === RING_CAPACITY &&
      trustedLengthBytes(descriptors[2]!) === RING_BYTES &&
      host.greeter.isTrusted(this.fd);
    const connection = trusted ? connect(host, this.owner, this.fd, descriptors, false) : undefined;
    closeAll(descriptors);
    if (connection === undefined) {
      this.refuse();
      return;
    }
    if (host.greeter.send(this.fd, { ...greeting, descriptors: [host.poolFd, host.bellFd] }) < 0) {
      // Gone already; the socket goes with the connection.
      connection.destroy();
      this.owner.failed(this, ECONNRESET);
      return;
    }
    this.askedAddress.setIpv4(greeting.ipv4, greeting.port);
    this.stand(connection);
  }
}

/** Maps what both ends share; `undefined` when the peer's part is not to be trusted, or cannot be mapped. */
function connect(
  host: MemoryHost,
  owner: RendezvousOwner,
  fd: number,
  descriptors: readonly number[],
  connector: boolean,
): Connection | undefined {
  let peer: PeerMemory | undefined;
  try {
    peer = host.peers.open(descriptors[0]!, descriptors[1]!);
    if (peer === undefined) return undefined;
    const memory = mapDescriptor({ fd: descriptors[2]!, lengthBytes: RING_BYTES });
    const { sendBufferBytes, receiveBufferBytes } = owner.initialOptions;
    const connection = new Connection(host, {
      kind: owner.kind,
      fd,
      memory,
      capacity: RING_CAPACITY,
      connector,
      peer,
      sendBufferBytes,
      receiveBufferBytes,
    });
    host.handOver(fd, connection);
    return connection;
  } catch {
    if (peer !== undefined) host.peers.close(peer);
    return undefined;
  }
}
