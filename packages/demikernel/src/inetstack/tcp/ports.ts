// Local ports: who has bound which, which are in use, and how a free one is chosen (RFC 6056).

import { EADDRINUSE, EADDRNOTAVAIL } from '../../runtime/errno.ts';
import type { Random } from '../../runtime/random.ts';
import type { PortReservation } from '../port-reservation.ts';
import { IPPROTO_TCP } from './segment.ts';

/** Reference counts per port: one for each binding and each connection. */
export class Ports {
  private readonly uses: Map<number, number>;
  /** Addresses bound per port, one entry per binding; 0 is every address. */
  private readonly bindings: Map<number, number[]>;
  private readonly random: Random;
  private readonly reservation: PortReservation | undefined;
  private readonly first: number;
  private readonly last: number;

  constructor(random: Random, first: number, last: number, reservation: PortReservation | undefined) {
    this.uses = new Map();
    this.bindings = new Map();
    this.random = random;
    this.first = first;
    this.last = last;
    this.reservation = reservation;
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
   * A port for a connection: double hashing (RFC 6056 section 3.3.4) spreads destinations, `taken` says whether the
   * four-tuple is free.
   *
   * @param offset keyed hash of the destination
   * @returns the port, of which one use has been taken, or a negative errno
   */
  connect(offset: number, taken: (port: number) => boolean): number {
    const span = this.last - this.first + 1;
    const start = (offset + this.random.below(span)) % span;
    let failed = EADDRNOTAVAIL;
    for (let i = 0; i < span; i++) {
      const port = this.first + ((start + i) % span);
      if (this.bindings.has(port) || taken(port)) continue;
      const errno = this.retain(port);
      if (errno === 0) return port;
      failed = errno;
    }
    return -failed;
  }
}
