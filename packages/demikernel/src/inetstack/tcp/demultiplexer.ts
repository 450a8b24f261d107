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
  // Hashes beside the connections tell nearly all that do not match; the four-tuple itself is the connection's, where it lies
  // in the line of cache that comes first anyway.
  private hashes: Int32Array;
  private connections: (TcpConnection | undefined)[];

  constructor(random: Random) {
    this.count = 0;
    this.hash = new KeyedHash(random.int32(), random.int32());
    this.mask = FIRST_SIZE - 1;
    this.hashes = new Int32Array(FIRST_SIZE);
    this.connections = new Array<TcpConnection | undefined>(FIRST_SIZE).fill(undefined);
  }

  /** @param ports `(localPort << 16) | remotePort` */
  find(remoteAddress: number, localAddress: number, ports: number): TcpConnection | undefined {
    const { mask, hashes, connections } = this;
    const hash = this.hash.triple(remoteAddress, localAddress, ports);
    let index = hash & mask;
    for (;;) {
      const c = connections[index];
      if (c === undefined) return undefined;
      if (
        hashes[index] === hash &&
        c.ports === ports &&
        c.remoteAddress === remoteAddress &&
        c.localAddress === localAddress
      ) {
        return c;
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
    this.place(connection, hash);
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
      const home = this.hashes[index]! & mask;
      if (((index - home) & mask) < ((index - hole) & mask)) continue;
      this.hashes[hole] = this.hashes[index]!;
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

  private place(connection: TcpConnection, hash: number): void {
    let index = hash & this.mask;
    while (this.connections[index] !== undefined) index = (index + 1) & this.mask;
    this.connections[index] = connection;
    this.hashes[index] = hash;
  }

  private grow(): void {
    const { hashes, connections } = this;
    const size = (this.mask + 1) * 2;
    this.mask = size - 1;
    this.hashes = new Int32Array(size);
    this.connections = new Array<TcpConnection | undefined>(size).fill(undefined);
    for (let i = 0; i < connections.length; i++) {
      const connection = connections[i];
      if (connection !== undefined) this.place(connection, hashes[i]!);
    }
  }
}
