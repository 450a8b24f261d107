// Which TCP and UDP ports are ours: a bit each, in memory that the XDP program and JavaScript share.

import { DemiError, ERR_ARGUMENT } from '../error.ts';
import { MappedArray } from '../maps/array.ts';

const PORTS = 65536;
const WORDS_PER_PROTOCOL = PORTS / 32;

/** Offset of each protocol's bits in the table: bit `port & 31` of little-endian word `port >> 5`. */
export const TCP_PORTS_OFFSET = 0;
export const UDP_PORTS_OFFSET: number = WORDS_PER_PROTOCOL * 4;

/** A set of (protocol, port) pairs that a running program reads. A change takes effect at once, with no system call. */
export class PortTable {
  readonly map: MappedArray;
  readonly #words: Int32Array;

  constructor(name = 'demi_ports') {
    this.map = new MappedArray({ name, maxEntries: 1, valueBytes: 2 * WORDS_PER_PROTOCOL * 4 });
    this.#words = new Int32Array(this.map.buffer, 0, 2 * WORDS_PER_PROTOCOL);
  }

  /** @throws DemiError `ERR_DEMI_ARGUMENT` for what is not a port. */
  add(protocol: 'tcp' | 'udp', port: number): void {
    Atomics.or(this.#words, wordOf(protocol, port), 1 << (port & 31));
  }

  delete(protocol: 'tcp' | 'udp', port: number): void {
    Atomics.and(this.#words, wordOf(protocol, port), ~(1 << (port & 31)));
  }

  has(protocol: 'tcp' | 'udp', port: number): boolean {
    return (Atomics.load(this.#words, wordOf(protocol, port)) & (1 << (port & 31))) !== 0;
  }

  /** Takes every port out. */
  clear(): void {
    this.#words.fill(0);
  }

  close(): void {
    this.map.close();
  }
}

function wordOf(protocol: 'tcp' | 'udp', port: number): number {
  if (!Number.isInteger(port) || port < 0 || port >= PORTS) {
    throw new DemiError(ERR_ARGUMENT, `${port} is not a port`);
  }
  return (port >> 5) + (protocol === 'tcp' ? 0 : WORDS_PER_PROTOCOL);
}
