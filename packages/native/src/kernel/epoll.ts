// Waiting for many descriptors with epoll(7): registered once, answers in O(ready), events in a preallocated array.

import { systemError } from './errno.ts';
import type { Address, LibC } from './library.ts';
import { errno, libc } from './library.ts';
import type { MemoryMap } from './memory-map.ts';
import { mapAnonymous } from './memory-map.ts';
import { TIMESPEC_BYTES, writeTimespec } from './timespec.ts';

// include/uapi/linux/eventpoll.h
export const EPOLLIN = 0x001;
export const EPOLLPRI = 0x002;
export const EPOLLOUT = 0x004;
export const EPOLLERR = 0x008;
export const EPOLLHUP = 0x010;
export const EPOLLRDHUP = 0x2000;
export const EPOLLEXCLUSIVE: number = 1 << 28;
export const EPOLLONESHOT: number = 1 << 30;
export const EPOLLET: number = 1 << 31;
const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLL_CTL_MOD = 3;
const EPOLL_CLOEXEC = 0o2000000;

const SYS_EPOLL_PWAIT2 = 441;

// struct epoll_event is packed on x86-64: u32 events, u64 data.
const EVENT_BYTES = 12;
const EVENT_WORDS = 3;

/** An epoll instance whose ready list of at most `capacity` events is read without allocating. */
export class EpollSet {
  readonly #map: MemoryMap;
  readonly #libc: LibC;
  readonly #words: Int32Array;
  readonly #address: Address;
  readonly #capacity: number;
  readonly #scratchWord: number;
  readonly #scratchAddress: Address;
  readonly #timeWord: number;
  readonly #timeAddress: Address;
  #fd: number;

  /**
   * @param capacity most events one {@link wait} returns; the rest come with the next
   * @throws DemiError `ERR_DEMI_SYSCALL` (EMFILE, ENOMEM), `ERR_DEMI_RANGE`, `ERR_DEMI_PLATFORM`
   */
  constructor(capacity: number) {
    const scratchOffset = (capacity * EVENT_BYTES + 15) & ~15;
    const timeOffset = scratchOffset + 16;
    this.#map = mapAnonymous({ lengthBytes: capacity > 0 ? timeOffset + TIMESPEC_BYTES : 0 });
    this.#libc = libc();
    this.#words = new Int32Array(this.#map.buffer);
    this.#address = this.#map.addressNumber;
    this.#capacity = capacity;
    this.#scratchWord = scratchOffset >> 2;
    this.#scratchAddress = this.#address + scratchOffset;
    this.#timeWord = timeOffset >> 2;
    this.#timeAddress = this.#address + timeOffset;
    this.#fd = this.#libc.epoll_create1(EPOLL_CLOEXEC);
    if (this.#fd === -1) {
      const error = systemError('epoll_create1');
      this.#map.release();
      throw error;
    }
  }

  /** Readable itself when something in the set is ready, so it nests in other sets; -1 once closed. */
  get fd(): number {
    return this.#fd;
  }

  /** Adds a descriptor. `key`, an int32 of the caller's choosing, comes back with its events. 0 or a negative errno. */
  add(fd: number, events: number, key: number): number {
    return this.#control(EPOLL_CTL_ADD, fd, events, key);
  }

  /** Changes a descriptor's events and key. 0 or a negative errno. */
  modify(fd: number, events: number, key: number): number {
    return this.#control(EPOLL_CTL_MOD, fd, events, key);
  }

  /** Removes a descriptor; closing its last copy does so too. 0 or a negative errno. */
  remove(fd: number): number {
    return this.#control(EPOLL_CTL_DEL, fd, 0, 0);
  }

  /**
   * Waits at most `timeoutUs` microseconds (0: only looks; negative: no limit). Returns the number of events, to be
   * read with {@link key} and {@link events} before the next wait, or a negative errno.
   */
  wait(timeoutUs: number): number {
    let result: number;
    if (timeoutUs <= 0) {
      result = this.#libc.epoll_wait(this.#fd, this.#address, this.#capacity, timeoutUs === 0 ? 0 : -1);
    } else {
      // epoll_pwait2(2): nanosecond grain, since Linux 5.11.
      writeTimespec(this.#words, this.#timeWord, timeoutUs);
      const time = this.#timeAddress;
      result = this.#libc.syscall(SYS_EPOLL_PWAIT2, this.#fd, this.#address, this.#capacity, time, 0, 0);
    }
    return result === -1 ? -errno() : result;
  }

  /** The key of event `index` of the last wait. */
  key(index: number): number {
    return this.#words[index * EVENT_WORDS + 1]!;
  }

  /** What happened in event `index` of the last wait. */
  events(index: number): number {
    return this.#words[index * EVENT_WORDS]!;
  }

  close(): void {
    if (this.#fd === -1) return;
    this.#libc.close(this.#fd);
    // Not kept: the number may soon be another descriptor's.
    this.#fd = -1;
    this.#map.release();
  }

  #control(operation: number, fd: number, events: number, key: number): number {
    this.#words[this.#scratchWord] = events;
    this.#words[this.#scratchWord + 1] = key;
    this.#words[this.#scratchWord + 2] = 0;
    return this.#libc.epoll_ctl(this.#fd, operation, fd, this.#scratchAddress) === -1 ? -errno() : 0;
  }
}
