// One io_uring for many owners: entries are prepared in place, submitted once per turn, and every completion goes to the
// owner that asked for it. What the entries say, files and sockets, is their owners' business.

import { DemiError } from '@demikernel/memory';
import {
  EventFd,
  errnoName,
  IORING_ASYNC_CANCEL_ALL,
  IORING_CQE_F_MORE,
  IORING_OP_ASYNC_CANCEL,
  IoUring,
  isQuietWait,
  SQE_ADDRESS,
  SQE_OPERATION_FLAGS,
} from '@demikernel/native/kernel';
import type { Runtime } from '../runtime/runtime.ts';

export interface RingOptions {
  /** Entries that can be prepared between two submissions without one in between; default 512. */
  entries?: number;
  /** Completions the ring holds; more wait in the kernel. Default 4096. */
  completionEntries?: number;
  /**
   * A kernel thread submits for us and sleeps after so many milliseconds without work (SQPOLL). It takes a processor of
   * its own: without one to spare it is slower. Default: none.
   */
  sqPollIdleMs?: number;
}

/** Who hears of completions. */
export interface CompletionOwner {
  /**
   * A request of this owner has something to say.
   *
   * @param tag what `prepare` was given
   * @param result as the system call's, or a negative errno
   * @param flags IORING_CQE_F_*; without F_MORE it is the request's last word
   */
  completed(tag: number, result: number, flags: number): void;
}

/** Counters of the room `uring`. */
const COUNTERS = ['enters', 'submitted', 'completions', 'cancellations', 'sleeps'] as const;
const ENTERS = 0;
const SUBMITTED = 1;
const COMPLETIONS = 2;
const CANCELLATIONS = 3;
const SLEEPS = 4;

/** Completions that one poll hands out; the rest comes with the next. */
const COMPLETIONS_PER_POLL = 1024;
/** The owner of requests whose completion nobody waits for. */
export const NOBODY = 0;
/** Closing waits so often, so long, for the kernel to let go of what is under way. */
const CLOSE_ATTEMPTS = 200;
const CLOSE_WAIT_US = 10_000;

const deaf: CompletionOwner = { completed(): void {} };

/**
 * The ring of one library OS.
 *
 * ```
 * const me = ring.attach(owner);
 * const at = ring.prepare(IORING_OP_READ, fd, me, tag);  // first word of a zeroed entry in ring.words
 * ring.setAddress(at, base, offset);
 * ring.words[at + SQE_LENGTH] = lengthBytes;
 * …                                                      // next flush submits, a later poll calls owner.completed(tag, …)
 * ```
 */
export class Ring {
  readonly native: IoUring;
  /** Submission entries; see SQE_* of native/kernel. */
  readonly words: Int32Array;
  /** Requests whose last completion has not come yet. */
  underWay: number;
  private readonly event: EventFd;
  private readonly counters: Float64Array;
  private readonly owners: (CompletionOwner | undefined)[];
  /** By owner: requests under way. */
  private pending: Int32Array;
  /** Owners that left with requests under way. */
  private readonly leaving: Set<number>;
  private readonly freeOwners: number[];
  /** Somebody sleeps on the descriptor. */
  private watched: boolean;
  private listening: boolean;
  private dispatching: boolean;

  /** @throws ERR_DEMI_IO_URING_DISABLED, ERR_DEMI_SYSCALL, ERR_DEMI_PLATFORM */
  constructor(runtime: Runtime, options: RingOptions = {}) {
    const { entries = 512, completionEntries = 4096, sqPollIdleMs } = options;
    const native = new IoUring({ entries, completionEntries, sqPollIdleMs });
    this.native = native;
    this.words = native.words;
    this.underWay = 0;
    this.event = new EventFd();
    const failed = native.registerEvent(this.event.fd);
    if (failed < 0) {
      this.event.close();
      native.close();
      throw new DemiError('ERR_DEMI_SYSCALL', `io_uring_register: ${errnoName(failed)}`, { errno: -failed });
    }
    native.setEventSignals(false);
    this.counters = runtime.metrics.counters('uring', COUNTERS);
    this.owners = [deaf];
    this.pending = new Int32Array(64);
    this.leaving = new Set();
    this.freeOwners = [];
    this.watched = false;
    this.listening = false;
    this.dispatching = false;
  }

  // ---- owners ----

  /** The number under which `owner` prepares requests. */
  attach(owner: CompletionOwner): number {
    const free = this.freeOwners.pop();
    if (free !== undefined) {
      this.owners[free] = owner;
      return free;
    }
    const id = this.owners.push(owner) - 1;
    if (id >= this.pending.length) {
      const grown = new Int32Array(this.pending.length * 2);
      grown.set(this.pending);
      this.pending = grown;
    }
    return id;
  }

  /** The owner hears nothing more; its number is used again when its last request is over. */
  detach(id: number): void {
    if (this.pending[id]! > 0) {
      this.owners[id] = deaf;
      this.leaving.add(id);
    } else this.recycle(id);
  }

  private recycle(id: number): void {
    this.owners[id] = undefined;
    this.freeOwners.push(id);
  }

  /** Requests of an owner that are prepared or under way. */
  pendingOf(id: number): number {
    return this.pending[id]!;
  }

  // ---- submitting ----

  /**
   * A zeroed entry for the next submission: its first word in {@link words}. A full ring is submitted at once.
   *
   * @throws ERR_DEMI_AGAIN when the kernel takes nothing more
   */
  prepare(opcode: number, fd: number, owner: number, tag: number): number {
    let at = this.native.prepare(opcode, fd, owner, tag);
    if (at < 0) {
      this.makeRoom(1);
      at = this.native.prepare(opcode, fd, owner, tag);
    }
    this.underWay++;
    this.pending[owner] = this.pending[owner]! + 1;
    return at;
  }

  /** Sees to it that the next `count` entries go in one submission, as linked ones must. */
  makeRoom(count: number): void {
    const { native } = this;
    if (native.freeEntries >= count) return;
    for (let attempt = 0; attempt < CLOSE_ATTEMPTS; attempt++) {
      this.enter();
      if (native.freeEntries >= count) return;
      // Only a polling kernel thread takes its time.
      native.awaitRoom();
    }
    throw new DemiError('ERR_DEMI_AGAIN', 'the kernel takes no more requests');
  }

  /** Points an entry at memory, `offset` bytes behind `base`. */
  setAddress(at: number, base: number, offset: number): void {
    this.native.setAddress(at, base, offset);
  }

  /** As {@link setAddress}, the base in two halves as int32, which allocates nothing however V8 compiles the call. */
  setAddressHalves(at: number, baseLow: number, baseHigh: number, offset: number): void {
    this.native.setAddressHalves(at, baseLow, baseHigh, offset);
  }

  /** Sets the file offset of an entry. */
  setOffset(at: number, offset: number): void {
    this.native.setOffset(at, offset);
  }

  /**
   * Asks the kernel to cancel an owner's requests with this tag. They complete all the same: with -ECANCELED, or as if
   * nothing had been asked when it was too late.
   */
  cancel(owner: number, tag: number): void {
    const at = this.prepare(IORING_OP_ASYNC_CANCEL, -1, NOBODY, 0);
    // The user data of the requests meant.
    this.words[at + SQE_ADDRESS] = owner;
    this.words[at + SQE_ADDRESS + 1] = tag;
    this.words[at + SQE_OPERATION_FLAGS] = IORING_ASYNC_CANCEL_ALL;
    this.counters[CANCELLATIONS] = this.counters[CANCELLATIONS]! + 1;
  }

  /** Submits what is prepared and lets work run that waits for us to enter. Returns how many entries went. */
  flush(): number {
    const { native } = this;
    if (this.listening) this.stopListening();
    if (native.prepared === 0 && !native.needsEnter) return 0;
    const submitted = this.enter();
    return submitted > 0 ? submitted : 0;
  }

  private enter(): number {
    const { counters } = this;
    counters[ENTERS] = counters[ENTERS]! + 1;
    const submitted = this.native.enter(0);
    if (submitted > 0) counters[SUBMITTED] = counters[SUBMITTED]! + submitted;
    return submitted;
  }

  // ---- completions ----

  /** Hands completions to their owners. No system call when there is nothing. Returns how many. */
  poll(): number {
    const { native } = this;
    if (this.listening) this.stopListening();
    let count = native.available();
    if (count === 0) {
      if (!native.needsEnter) return 0;
      this.enter();
      count = native.available();
      if (count === 0) return 0;
    }
    return this.dispatch(Math.min(count, COMPLETIONS_PER_POLL));
  }

  private dispatch(count: number): number {
    if (this.dispatching) return 0;
    const { native, owners, counters } = this;
    this.dispatching = true;
    let n = 0;
    try {
      while (n < count) {
        const id = native.index(n);
        const tag = native.tag(n);
        const result = native.result(n);
        const flags = native.flags(n);
        n++;
        if ((flags & IORING_CQE_F_MORE) === 0) this.requestOver(id);
        owners[id]!.completed(tag, result, flags);
      }
    } finally {
      native.consume(n);
      this.dispatching = false;
    }
    counters[COMPLETIONS] = counters[COMPLETIONS]! + n;
    return n;
  }

  private requestOver(id: number): void {
    this.underWay--;
    const left = this.pending[id]! - 1;
    this.pending[id] = left;
    if (left === 0 && this.leaving.size > 0 && this.leaving.delete(id)) {
      this.freeOwners.push(id);
    }
  }

  // ---- waiting ----

  /** Readable when completions wait and {@link sleepable} was asked before. From the first look on that costs system calls. */
  get descriptor(): number {
    if (!this.watched) {
      this.watched = true;
      // Somebody may be about to sleep who asked before: that one wakes once for nothing, and asks again.
      this.listening = true;
      this.native.setEventSignals(true);
      this.event.signal();
    }
    return this.event.fd;
  }

  /** Whether nothing is to be done, so that the thread may sleep; {@link descriptor} hears from now on. */
  sleepable(): boolean {
    const { native } = this;
    if (this.watched && !this.listening) {
      this.listening = true;
      native.setEventSignals(true);
    }
    return native.prepared === 0 && native.available() === 0 && !native.needsEnter;
  }

  private stopListening(): void {
    this.listening = false;
    this.native.setEventSignals(false);
    this.event.drain();
  }

  /** Submits, and sleeps until there is a completion or `timeoutUs` (`Infinity`: no limit) is over. */
  sleep(timeoutUs: number): void {
    if (this.listening) this.stopListening();
    if (this.native.available() > 0) return;
    this.counters[SLEEPS] = this.counters[SLEEPS]! + 1;
    this.native.wait(timeoutUs);
  }

  // ---- the end ----

  /**
   * Cancels everything, waits until the kernel has let go of all memory, and gives the ring back. Owners hear the last
   * completions. Returns how many requests the kernel still held when patience ran out: 0.
   */
  close(): number {
    const { native } = this;
    if (native.fd < 0) return 0;
    for (let attempt = 0; this.underWay > 0 && attempt < CLOSE_ATTEMPTS; attempt++) {
      if (native.prepared > 0) this.enter();
      native.cancelAll();
      if (native.available() === 0 && !isQuietWait(native.wait(CLOSE_WAIT_US))) break;
      this.dispatch(native.available());
    }
    native.close();
    this.event.close();
    return this.underWay;
  }
}
