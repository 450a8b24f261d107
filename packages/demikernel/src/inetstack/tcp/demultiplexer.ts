// From a four-tuple to its connection: one open-addressed table. What happens when nothing is found is receive.ts.

import type { Random } from '../../runtime/random.ts';
import { KeyedHash } from '../keyed-hash.ts';
import type { TcpConnection } from './connection.ts';

const FIRST_SIZE = 64;

/**
 * Linear probing at a load of at most one half. The hash is keyed, because remote peers choose most of what is hashed. `find` allocates nothing; `add` may double the table, which is why it is not called for every segment.
 */
export class Demultiplexer {
  /** Connections in the table. */
  count: number;
  private readonly hash: KeyedHash;
  private mask: number;
  /** Four words per entry: remote address, local address, ports, hash. */
  private keys: Int32Array;
  private connections: (TcpConnection | undefined)[];

  constructor(random: Random) {
    this.count = 0;
    this.hash = new KeyedHash(random.int32(), random.int32());
    this.mask = FIRST_SIZE - 1;
    this.keys = new Int32Array(FIRST_SIZE * 4);
    this.connections = new Array<TcpConnection | undefined>(FIRST_SIZE).fill(undefined);
  }

  /** @param ports `(localPort << 16) | remotePort` */
  find(remoteAddress: number, localAddress: number, ports: number): TcpConnection | undefined {
    const mask = this.mask;
    const keys = this.keys;
    let index = this.hash.triple(remoteAddress, localAddress, ports) & mask;
    for (;;) {
      const connection = this.connections[index];
      if (connection === undefined) return undefined;
      const at = index << 2;
      if (keys[at] === remoteAddress && keys[at + 2] === ports && keys[at + 1] === localAddress) {
        return connection;
      }
      index = (index + 1) & mask;
    }
  }

  /** Adds a connection whose four-tuple is not in the table. */
  add(connection: TcpConnection): void {
    if ((this.count + 1) * 2 > this.mask + 1) this.grow();
    this.count++;
    const { remoteAddress, localAddress, ports } = connection;
    const hash = this.hash.triple(remoteAddress, localAddress, ports);
    this.place(connection, remoteAddress, localAddress, ports, hash);
  }

  /** Takes a connection out, if it is in. */
  remove(connection: TcpConnection): void {
    const { remoteAddress, localAddress, ports } = connection;
    const mask = this.mask;
    let hole = this.hash.triple(remoteAddress, localAddress, ports) & mask;
    while (this.connections[hole] !== connection) {
      if (this.connections[hole] === undefined) return;
      hole = (hole + 1) & mask;
    }
    this.count--;
    // Move back every later entry of the run whose home is not behind the hole (Knuth 6.4, algorithm R).
    for (let index = (hole + 1) & mask; this.connections[index] !== undefined; index = (index + 1) & mask) {
      const home = this.keys[index * 4 + 3]! & mask;
      if (((index - home) & mask) < ((index - hole) & mask)) continue;
      this.keys.copyWithin(hole * 4, index * 4, index * 4 + 4);
      this.connections[hole] = this.connections[index];
      hole = index;
    }
    this.connections[hole] = undefined;
  }

  /** The connection at a place of the table, for sweeps; `undefined` when the place is empty. */
  at(place: number): TcpConnection | undefined {
    return this.connections[place];
  }

  /** Places in the table. */
  get size(): number {
    return this.mask + 1;
  }

  /** Every connection, as a copy: callers close some of them. */
  all(): TcpConnection[] {
    return this.connections.filter(connection => connection !== undefined);
  }

  private place(
    connection: TcpConnection,
    remoteAddress: number,
    localAddress: number,
    ports: number,
    hash: number,
  ): void {
    let index = hash & this.mask;
    while (this.connections[index] !== undefined) index = (index + 1) & this.mask;
    this.connections[index] = connection;
    this.keys[index * 4] = remoteAddress;
    this.keys[index * 4 + 1] = localAddress;
    this.keys[index * 4 + 2] = ports;
    this.keys[index * 4 + 3] = hash;
  }

  private grow(): void {
    const { keys, connections } = this;
    const size = (this.mask + 1) * 2;
    this.mask = size - 1;
    this.keys = new Int32Array(size * 4);
    this.connections = new Array<TcpConnection | undefined>(size).fill(undefined);
    for (let i = 0; i < connections.length; i++) {
      const connection = connections[i];
      if (connection === undefined) continue;
      this.place(connection, keys[i * 4]!, keys[i * 4 + 1]!, keys[i * 4 + 2]!, keys[i * 4 + 3]!);
    }
  }
}
