// A sealed state in pieces of one packet each: what of it is still to be sent, what of it has come.

import { FRAGMENT_BYTES, MAX_FRAGMENTS } from './header.ts';

/** Fragments under way at most: they must fit in the receive queue of a socket. */
export const FRAGMENT_WINDOW = 48;

/** Most bytes of a sealed state. */
export const MAX_STATE_BYTES: number = FRAGMENT_BYTES * MAX_FRAGMENTS;

export function fragmentCount(totalBytes: number): number {
  return Math.max(1, Math.ceil(totalBytes / FRAGMENT_BYTES));
}

/** The origin's side: a window over the fragments. */
export class OutgoingFragments {
  readonly sealed: Uint8Array;
  readonly count: number;
  private readonly arrived: Uint8Array;
  private arrivedCount: number;
  /** Fragments before this one have arrived, all of them. */
  private first: number;
  /** Fragments from this one on were never sent. */
  private next: number;

  constructor(sealed: Uint8Array) {
    this.sealed = sealed;
    this.count = fragmentCount(sealed.length);
    this.arrived = new Uint8Array(this.count);
    this.arrivedCount = 0;
    this.first = 0;
    this.next = 0;
  }

  get done(): boolean {
    return this.arrivedCount === this.count;
  }

  /** Bytes of one fragment. */
  bytes(index: number): Uint8Array {
    return this.sealed.subarray(index * FRAGMENT_BYTES, (index + 1) * FRAGMENT_BYTES);
  }

  /** Index of a fragment that the window lets out for the first time; -1 when there is none. */
  takeNext(): number {
    return this.next < this.count && this.next < this.first + FRAGMENT_WINDOW ? this.next++ : -1;
  }

  /** Calls `send` for everything that is under way. */
  again(send: (index: number) => void): void {
    for (let i = this.first; i < this.next; i++) if (this.arrived[i] === 0) send(i);
  }

  /** The target has a fragment. False when that is no news. */
  acknowledge(index: number): boolean {
    if (index >= this.next || this.arrived[index] !== 0) return false;
    this.arrived[index] = 1;
    this.arrivedCount++;
    while (this.first < this.count && this.arrived[this.first] !== 0) this.first++;
    return true;
  }
}

/** The target's side: the place of every fragment. */
export class IncomingFragments {
  readonly count: number;
  /** Fragments that are here. */
  arrivedCount: number;
  private readonly sealed: Uint8Array;
  private readonly arrived: Uint8Array;

  /** @param totalBytes of the sealed state, checked by the caller */
  constructor(totalBytes: number) {
    this.count = fragmentCount(totalBytes);
    this.sealed = new Uint8Array(totalBytes);
    this.arrived = new Uint8Array(this.count);
    this.arrivedCount = 0;
  }

  /** The whole; `undefined` while something is missing. */
  get whole(): Uint8Array | undefined {
    return this.arrivedCount === this.count ? this.sealed : undefined;
  }

  get totalBytes(): number {
    return this.sealed.length;
  }

  /** Takes a fragment; false when it has no place here. One that is here already is good, whatever it says. */
  take(index: number, bytes: Uint8Array): boolean {
    if (index >= this.count) return false;
    const start = index * FRAGMENT_BYTES;
    if (bytes.length !== Math.min(FRAGMENT_BYTES, this.sealed.length - start)) return false;
    if (this.arrived[index] === 0) {
      this.arrived[index] = 1;
      this.arrivedCount++;
      this.sealed.set(bytes, start);
    }
    return true;
  }

  /** Forgets everything: the whole did not open, so that some fragment was not what was sent. */
  clear(): void {
    this.arrived.fill(0);
    this.arrivedCount = 0;
  }
}
