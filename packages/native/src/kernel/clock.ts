// The monotonic clock, read into a typed array: performance.now and hrtime.bigint allocate on every call.

import type { Address, LibC } from './library.ts';
import { libc } from './library.ts';
import type { MemoryMap } from './memory-map.ts';
import { mapAnonymous } from './memory-map.ts';
import { TIMESPEC_BYTES } from './timespec.ts';

// include/uapi/linux/time.h
export const CLOCK_REALTIME = 0;
export const CLOCK_MONOTONIC = 1;
export const CLOCK_PROCESS_CPUTIME_ID = 2;
export const CLOCK_THREAD_CPUTIME_ID = 3;

/**
 * A clock of clock_gettime(2), by default CLOCK_MONOTONIC.
 *
 * Call {@link read} once per burst and take the time from `us[0]`. The vDSO answers: no system call, no allocation.
 */
export class Clock {
  /** One element: microseconds, with a fraction, at the last {@link read}. */
  readonly us: Float64Array;
  readonly #map: MemoryMap;
  readonly #libc: LibC;
  readonly #words: Int32Array;
  readonly #address: Address;
  readonly #id: number;

  /** @throws DemiError `ERR_DEMI_PLATFORM` */
  constructor(id: number = CLOCK_MONOTONIC) {
    this.us = new Float64Array(1);
    this.#map = mapAnonymous({ lengthBytes: TIMESPEC_BYTES });
    this.#libc = libc();
    this.#words = this.#map.signedWords(0, 4);
    this.#address = this.#map.addressNumber;
    this.#id = id;
    this.read();
  }

  /** Brings `us[0]` up to date. */
  read(): void {
    this.#libc.clock_gettime(this.#id, this.#address);
    // Seconds fit 31 bits until 2038 for the wall clock, and longer than any machine runs for the others.
    this.us[0] = this.#words[0]! * 1e6 + this.#words[2]! / 1000;
  }

  /** Gives the memory back. */
  close(): void {
    this.#map.release();
  }
}
