// The UDP relay's work: datagrams from any client go to one target, and its answers back to the client they are for.
// On a wait set, without copies: what was received is pushed on as it is.

import type { AddressLike, Demikernel, Result, WaitSet } from 'demikernel';
import { OP_PUSH, parseSocketAddress, SocketAddress } from 'demikernel';

/** Datagrams of one socket under way at once. */
const UNDER_WAY = 8;

export interface RelayOptions {
  listen: AddressLike;
  target: AddressLike;
  /** Clients remembered at once; the one that was silent longest makes room for a new one. Default 1024. */
  clients?: number;
}

/** A client: the socket that the target sees it as. */
interface Client {
  key: number;
  address: SocketAddress;
  qd: number;
}

/** What the relay counts. */
export interface RelayCounters {
  forward: number;
  back: number;
  clients: number;
  evicted: number;
  failed: number;
}

export class Relay {
  readonly counters: RelayCounters;
  private readonly os: Demikernel;
  private readonly set: WaitSet;
  private readonly listeningQd: number;
  private readonly target: SocketAddress;
  private readonly clientLimit: number;
  /** In order of last use: a Map keeps insertion order, and a client that is heard is inserted again. */
  private readonly byAddress: Map<number, Client>;
  private readonly byQueue: Map<number, Client>;

  constructor(os: Demikernel, options: RelayOptions) {
    this.counters = { forward: 0, back: 0, clients: 0, evicted: 0, failed: 0 };
    this.os = os;
    this.set = os.waitSet();
    this.clientLimit = options.clients ?? 1024;
    this.byAddress = new Map();
    this.byQueue = new Map();
    this.target = typeof options.target === 'string' ? parseSocketAddress(options.target) : options.target;
    this.listeningQd = os.socket('datagram');
    os.bind(this.listeningQd, options.listen);
    for (let i = 0; i < UNDER_WAY; i++) this.set.add(os.pop(this.listeningQd));
  }

  /** Where clients send to. */
  get address(): SocketAddress {
    return this.os.getsockname(this.listeningQd);
  }

  /** Relays until the process is asked to stop. */
  run(): void {
    while (!this.os.stopping) {
      const result = this.set.wait();
      if (result !== undefined) this.handle(result);
    }
  }

  /** Handles what is ready without waiting, for a loop that somebody else turns; returns how much that was. */
  runReady(): number {
    let handled = 0;
    for (let result = this.set.take(); result !== undefined; result = this.set.take()) {
      this.handle(result);
      handled++;
    }
    return handled;
  }

  private handle(result: Result): void {
    const { qd, opcode, errno, array } = result;
    if (opcode === OP_PUSH) {
      // A datagram that cannot be sent on is lost, as datagrams are; the queues' bounds are the relay's.
      if (errno !== 0) this.counters.failed++;
      return;
    }
    // A pop of a socket that has been closed meanwhile is the last one.
    if (qd === this.listeningQd || this.byQueue.has(qd)) this.set.add(this.os.pop(qd));
    if (array === undefined) return;
    if (errno === 0) {
      if (qd === this.listeningQd) this.forward(result);
      else this.back(result);
    }
    // A push has references of its own.
    array.free();
  }

  private forward({ array, address }: Result): void {
    const client = this.clientAt(address);
    this.byAddress.delete(client.key);
    this.byAddress.set(client.key, client);
    this.counters.forward++;
    this.set.add(this.os.pushTo(client.qd, array!, this.target));
  }

  private back({ qd, array, address }: Result): void {
    const client = this.byQueue.get(qd);
    // Only the target may answer.
    if (client === undefined || !address.equals(this.target)) return;
    this.counters.back++;
    this.set.add(this.os.pushTo(this.listeningQd, array!, client.address));
  }

  private clientAt(address: SocketAddress): Client {
    // 48 bits: exact in a double.
    const key = (address.ipv4 >>> 0) * 65536 + address.port;
    return this.byAddress.get(key) ?? this.addClient(key, address);
  }

  private addClient(key: number, address: SocketAddress): Client {
    if (this.byAddress.size === this.clientLimit) this.evictOldest();
    const qd = this.os.socket('datagram');
    this.os.bind(qd, new SocketAddress(this.address.ipv4, 0));
    const client: Client = { key, address: address.clone(), qd };
    this.byQueue.set(qd, client);
    this.counters.clients++;
    this.set.add(this.os.pop(qd));
    return client;
  }

  private evictOldest(): void {
    for (const client of this.byAddress.values()) {
      this.byAddress.delete(client.key);
      this.byQueue.delete(client.qd);
      this.os.close(client.qd);
      this.counters.evicted++;
      return;
    }
  }
}
