// Local ports: who has bound which, which are in use, and how a free one is chosen (RFC 6056).

import { EADDRINUSE, EADDRNOTAVAIL } from '../../runtime/errno.ts';
import type { Random } from '../../runtime/random.ts';
import type { PortReservation } from '../port-reservation.ts';
import type { Demultiplexer } from './demultiplexer.ts';
import { IPPROTO_TCP } from './segment.ts';

/** Ports that one search for a connection's looks at: a few tens of microseconds. */
export const MAX_PROBES = 256;
/** Destinations share this many places (as bits) to go on from. */
const STEP_BITS = 8;

/** Reference counts per port: one for each binding and each connection. */
export class Ports {
  private readonly uses: Map<number, number>;
  /** Addresses bound per port, one entry per binding; 0 is every address. */
  private readonly bindings: Map<number, number[]>;
  private readonly random: Random;
  private readonly reservation: PortReservation | undefined;
  private readonly first: number;
  private readonly last: number;
  /** How far destinations have come from where they began. */
  private readonly steps: Int32Array;

  constructor(random: Random, first: number, last: number, reservation: PortReservation | undefined) {
    this.uses = new Map();
    this.bindings = new Map();
    this.random = random;
    this.first = first;
    this.last = last;
    this.reservation = reservation;
    this.steps = new Int32Array(1 << STEP_BITS);
    for (let i = 0; i < this.steps.length; i++) this.steps[i] = random.below(last - first + 1);
  }

  /** Whether a binding or a connection uses the port. */
  inUse(port: number): boolean {
    return this.uses.has(port);
  }

  /**
   * Takes one more use of a port; on a shared address the first one reserves it.
   *
   * @returns 0 or an errno
   */
  retain(port: number): number {
    const uses = this.uses.get(port) ?? 0;
    if (uses === 0 && this.reservation !== undefined) {
      const reserved = this.reservation.reserve(IPPROTO_TCP, port);
      if (reserved < 0) return -reserved;
    }
    this.uses.set(port, uses + 1);
    return 0;
  }

  /** Gives one use up. */
  release(port: number): void {
    const uses = this.uses.get(port);
    if (uses === undefined) return;
    if (uses > 1) {
      this.uses.set(port, uses - 1);
      return;
    }
    this.uses.delete(port);
    this.reservation?.release(IPPROTO_TCP, port);
  }

  /**
   * Binds an address and a port, any free one for 0.
   *
   * @returns the port, or a negative errno
   */
  bind(address: number, port: number): number {
    const chosen = port === 0 ? this.choose() : port;
    if (chosen < 0) return chosen;
    const bound = this.bindings.get(chosen);
    if (bound !== undefined && (address === 0 || bound.includes(0) || bound.includes(address))) {
      return -EADDRINUSE;
    }
    const errno = this.retain(chosen);
    if (errno !== 0) return -errno;
    if (bound === undefined) this.bindings.set(chosen, [address]);
    else bound.push(address);
    return chosen;
  }

  unbind(address: number, port: number): void {
    const bound = this.bindings.get(port);
    const index = bound === undefined ? -1 : bound.indexOf(address);
    if (bound === undefined || index < 0) return;
    bound.splice(index, 1);
    if (bound.length === 0) this.bindings.delete(port);
    this.release(port);
  }

  /** A port nobody uses, beginning at a random place. */
  private choose(): number {
    const span = this.last - this.first + 1;
    const start = this.random.below(span);
    for (let i = 0; i < span; i++) {
      const port = this.first + ((start + i) % span);
      if (!this.uses.has(port)) return port;
    }
    return -EADDRINUSE;
  }

  /**
   * A port for a connection: double hashing (RFC 6056 section 3.3.4). Destinations begin at places that nobody can guess, and
   * each goes on behind the port that it was given last, so that what has been in use for longest is tried first. A search
   * that looks at {@link MAX_PROBES} ports in vain fails, and the next one goes on where it ended.
   *
   * @param hash keyed hash of our address and the destination, 31 bits
   * @returns the port, of which one use has been taken, or a negative errno
   */
  connect(
    demultiplexer: Demultiplexer,
    localAddress: number,
    remoteAddress: number,
    remotePort: number,
    hash: number,
  ): number {
    const { first, last, steps, bindings } = this;
    const span = last - first + 1;
    const bucket = hash >>> (31 - STEP_BITS);
    const start = (hash % span) + steps[bucket]!;
    const probes = Math.min(span, MAX_PROBES);
    let failed = EADDRNOTAVAIL;
    for (let i = 0; i < probes; i++) {
      const port = first + ((start + i) % span);
      if (bindings.has(port) || isTaken(demultiplexer, localAddress, port, remoteAddress, remotePort))
        continue;
      const errno = this.retain(port);
      if (errno === 0) {
        steps[bucket] = (steps[bucket]! + i + 1) % span;
        return port;
      }
      failed = errno;
    }
    steps[bucket] = (steps[bucket]! + probes) % span;
    return -failed;
  }
}

/** Whether a connection with this four-tuple cannot be made. */
export function isTaken(
  demultiplexer: Demultiplexer,
  localAddress: number,
  localPort: number,
  remoteAddress: number,
  remotePort: number,
): boolean {
  // A connection to itself works in theory (simultaneous open) and never in practice.
  if (remoteAddress === localAddress && localPort === remotePort) return true;
  return demultiplexer.find(remoteAddress, localAddress, (localPort << 16) | remotePort) !== undefined;
}
