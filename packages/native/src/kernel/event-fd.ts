// A counter that wakes: eventfd(2). One process or thread signals, another sleeps on the descriptor.

import { EAGAIN, systemError } from './errno.ts';
import type { Address, LibC } from './library.ts';
import { errno, libc } from './library.ts';
import type { MemoryMap } from './memory-map.ts';
import { mapAnonymous } from './memory-map.ts';

// include/uapi/linux/eventfd.h
const EFD_CLOEXEC = 0o2000000;
const EFD_NONBLOCK = 0o4000;

const COUNTER_BYTES = 8;

export class EventFd {
  readonly #map: MemoryMap;
  readonly #libc: LibC;
  readonly #words: Uint32Array;
  readonly #address: Address;
  readonly #oneAddress: Address;
  #fd: number;

  /** @throws DemiError `ERR_DEMI_SYSCALL` (EMFILE), `ERR_DEMI_PLATFORM` */
  constructor() {
    this.#map = mapAnonymous({ lengthBytes: COUNTER_BYTES });
    this.#libc = libc();
    this.#address = this.#map.addressNumber;
    this.#oneAddress = this.#address + COUNTER_BYTES;
    this.#words = this.#map.words(0, 4);
    // The second pair is the one to be added by signal().
    this.#words[2] = 1;
    this.#fd = this.#libc.eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (this.#fd === -1) {
      const error = systemError('eventfd');
      this.#map.release();
      throw error;
    }
  }

  /** Readable while the counter is not 0; -1 once closed. */
  get fd(): number {
    return this.#fd;
  }

  /** Adds one to the counter: the descriptor becomes readable. 0 or a negative errno. */
  signal(): number {
    const result = this.#libc.write(this.#fd, this.#oneAddress, COUNTER_BYTES);
    return result === -1 ? -errno() : 0;
  }

  /** Takes the whole count, 0 when there was none: the descriptor is no longer readable. A negative errno on failure. */
  drain(): number {
    const result = this.#libc.read(this.#fd, this.#address, COUNTER_BYTES);
    if (result !== -1) return this.#words[0]! + this.#words[1]! * 2 ** 32;
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
}
