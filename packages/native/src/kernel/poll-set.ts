// Waiting for descriptors with poll(2) and ppoll(2) over one preallocated array: few descriptors, microsecond
// time-outs, nothing allocated per call. For thousands of descriptors see epoll.ts.

import { DemiError } from '@demikernel/memory';
import type { Address, LibC } from './library.ts';
import { errno, libc } from './library.ts';
import type { MemoryMap } from './memory-map.ts';
import { mapAnonymous } from './memory-map.ts';
import { TIMESPEC_BYTES, writeTimespec } from './timespec.ts';

// include/uapi/asm-generic/poll.h
export const POLLIN = 0x001;
export const POLLPRI = 0x002;
export const POLLOUT = 0x004;
export const POLLERR = 0x008;
export const POLLHUP = 0x010;
export const POLLNVAL = 0x020;
export const POLLRDHUP = 0x2000;

// struct pollfd { int fd; short events; short revents; }
const POLLFD_BYTES = 8;

/** A fixed number of places for descriptors to wait on together. */
export class PollSet {
  readonly #map: MemoryMap;
  readonly #libc: LibC;
  readonly #words: Int32Array;
  readonly #halves: Int16Array;
  readonly #address: Address;
  readonly #timeWord: number;
  readonly #timeAddress: Address;
  readonly #capacity: number;
  #used: number;

  /**
   * @param capacity how many descriptors at most
   * @throws DemiError `ERR_DEMI_PLATFORM`; `ERR_DEMI_RANGE` for a capacity that is not positive
   */
  constructor(capacity: number) {
    const timeOffset = capacity * POLLFD_BYTES;
    this.#map = mapAnonymous({ lengthBytes: timeOffset > 0 ? timeOffset + TIMESPEC_BYTES : 0 });
    this.#libc = libc();
    this.#words = new Int32Array(this.#map.buffer);
    this.#halves = new Int16Array(this.#map.buffer);
    this.#address = this.#map.addressNumber;
    this.#timeWord = timeOffset >> 2;
    this.#timeAddress = this.#address + timeOffset;
    this.#capacity = capacity;
    this.#used = 0;
  }

  /**
   * Adds a descriptor with the events (POLLIN, POLLOUT, …) it is waited for. Returns its place.
   *
   * @throws DemiError `ERR_DEMI_RANGE` when every place is taken
   */
  add(fd: number, events: number): number {
    let place = 0;
    while (place < this.#used && this.#words[place * 2]! >= 0) place++;
    if (place === this.#capacity)
      throw new DemiError('ERR_DEMI_RANGE', `All ${place} places of the poll set are taken`);
    if (place === this.#used) this.#used++;
    this.#words[place * 2] = fd;
    this.#halves[place * 4 + 2] = events;
    this.#halves[place * 4 + 3] = 0;
    return place;
  }

  /** Frees a place; the kernel passes over negative descriptors. */
  remove(place: number): void {
    if (place < 0 || place >= this.#used) return;
    this.#words[place * 2] = -1;
    this.#halves[place * 4 + 3] = 0;
    while (this.#used > 0 && this.#words[this.#used * 2 - 2]! < 0) this.#used--;
  }

  /** Changes what a place waits for. */
  setEvents(place: number, events: number): void {
    this.#halves[place * 4 + 2] = events;
  }

  /** What happened at a place in the last {@link wait}. */
  ready(place: number): number {
    return this.#halves[place * 4 + 3]!;
  }

  /**
   * Waits until a descriptor is ready, a signal interrupts, or `timeoutUs` microseconds pass (0: only looks; negative:
   * no limit). Returns how many places are ready, or a negative errno, EINTR among them.
   *
   * Blocks the thread, and Node's event loop with it.
   */
  wait(timeoutUs: number): number {
    let result: number;
    if (timeoutUs <= 0) {
      result = this.#libc.poll(this.#address, this.#used, timeoutUs === 0 ? 0 : -1);
    } else {
      writeTimespec(this.#words, this.#timeWord, timeoutUs);
      result = this.#libc.ppoll(this.#address, this.#used, this.#timeAddress, 0);
    }
    return result === -1 ? -errno() : result;
  }

  /** Gives the memory back. The descriptors stay open: they are the caller's. */
  close(): void {
    this.#used = 0;
    this.#map.release();
  }
}
