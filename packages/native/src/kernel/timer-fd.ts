// A timer that is a descriptor: timerfd_create(2). Microsecond grain where Node's timers have milliseconds.

import { EAGAIN, systemError } from './errno.ts';
import type { LibC } from './library.ts';
import { errno, libc } from './library.ts';
import type { MemoryMap } from './memory-map.ts';
import { mapAnonymous } from './memory-map.ts';
import { writeTimespec } from './timespec.ts';

// include/uapi/linux/timerfd.h, time.h
const CLOCK_MONOTONIC = 1;
const TFD_CLOEXEC = 0o2000000;
const TFD_NONBLOCK = 0o4000;

// struct itimerspec: interval at 0, first expiry at 16; then the count that read(2) returns.
const INTERVAL_WORD = 0;
const FIRST_WORD = 4;
const COUNT_WORD = 8;
const COUNT_OFFSET = 32;

export class TimerFd {
  readonly #map: MemoryMap;
  readonly #libc: LibC;
  readonly #words: Int32Array;
  readonly #countAddress: number;
  #fd: number;

  /** @throws DemiError `ERR_DEMI_SYSCALL` (EMFILE), `ERR_DEMI_PLATFORM` */
  constructor() {
    this.#map = mapAnonymous({ lengthBytes: COUNT_OFFSET + 8 });
    this.#libc = libc();
    this.#words = new Int32Array(this.#map.buffer);
    this.#countAddress = this.#map.addressNumber + COUNT_OFFSET;
    this.#fd = this.#libc.timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (this.#fd === -1) {
      const error = systemError('timerfd_create');
      this.#map.release();
      throw error;
    }
  }

  /** Readable once the timer has expired; -1 once closed. */
  get fd(): number {
    return this.#fd;
  }

  /**
   * The descriptor becomes readable `afterUs` microseconds from now (at least one nanosecond), then every `everyUs`
   * when that is not 0. Replaces the previous setting. 0 or a negative errno.
   */
  arm(afterUs: number, everyUs = 0): number {
    writeTimespec(this.#words, INTERVAL_WORD, everyUs);
    writeTimespec(this.#words, FIRST_WORD, afterUs);
    // A first expiry of 0 would disarm.
    if (this.#words[FIRST_WORD] === 0 && this.#words[FIRST_WORD + 2]! <= 0) this.#words[FIRST_WORD + 2] = 1;
    return this.#set();
  }

  disarm(): number {
    this.#words.fill(0, 0, COUNT_WORD);
    return this.#set();
  }

  /** How often it expired since it was armed or last drained; 0 when it did not. A negative errno on failure. */
  drain(): number {
    if (this.#libc.read(this.#fd, this.#countAddress, 8) !== -1) return this.#words[COUNT_WORD]!;
    const number = errno();
    return number === EAGAIN ? 0 : -number;
  }

  close(): void {
    if (this.#fd === -1) return;
    this.#libc.close(this.#fd);
    // Not kept: the number may soon be another descriptor's.
    this.#fd = -1;
    this.#map.release();
  }

  #set(): number {
    return this.#libc.timerfd_settime(this.#fd, 0, this.#map.addressNumber, 0) === -1 ? -errno() : 0;
  }
}
