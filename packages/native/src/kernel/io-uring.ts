// One io_uring instance (io_uring(7)): set-up, the two rings in memory, entering the kernel, registering.
// Who owns which completion is not known here; rings of provided buffers are in io-uring-buffers.ts.

import { readFileSync } from 'node:fs';
import { DemiError } from '@demikernel/memory';
import { closeDescriptor } from './descriptor.ts';
import { EINTR, EINVAL, ENOSYS, EPERM, ETIME, errnoName, systemError } from './errno.ts';
import * as abi from './io-uring-constants.ts';
import type { Address, LibC, NativeBuffer } from './library.ts';
import { errno, libc } from './library.ts';
import { type MemoryMap, mapAnonymous, mapDescriptor } from './memory-map.ts';
import { SYS_IO_URING_ENTER, SYS_IO_URING_REGISTER, SYS_IO_URING_SETUP } from './system-call.ts';
import { writeTimespec } from './timespec.ts';

export interface IoUringOptions {
  /** Entries of the submission ring, rounded up to a power of two; default 256. */
  entries?: number;
  /** Entries of the completion ring; default four times `entries`. */
  completionEntries?: number;
  /** A kernel thread looks for submissions, and sleeps after so many ms without one. Default: none, we enter. */
  sqPollIdleMs?: number;
}

// struct io_uring_params, 120 bytes, as 32-bit words; sq_off from word 10, cq_off from word 20.
const PARAMS_WORDS = 30;
const PARAM_SQ_ENTRIES = 0;
const PARAM_CQ_ENTRIES = 1;
const PARAM_FLAGS = 2;
const PARAM_SQ_IDLE = 4;
const PARAM_FEATURES = 5;
const SQ_HEAD = 10;
const SQ_TAIL = 11;
const SQ_MASK = 12;
const SQ_FLAGS = 14;
const SQ_ARRAY = 16;
const CQ_HEAD = 20;
const CQ_TAIL = 21;
const CQ_MASK = 22;
const CQ_CQES = 25;
const CQ_FLAGS = 26;

const CQE_WORDS = 4;
const TWO_TO_32 = 2 ** 32;
const SIGN: number = 1 << 31;
const COMMON = abi.IORING_SETUP_CLAMP | abi.IORING_SETUP_CQSIZE | abi.IORING_SETUP_SUBMIT_ALL;
const OURS = abi.IORING_SETUP_SINGLE_ISSUER | abi.IORING_SETUP_TASKRUN_FLAG;

/** What is asked for, best first: kernels refuse with EINVAL what they do not know. */
function setupFlags(sqPoll: boolean): number[] {
  const array = abi.IORING_SETUP_NO_SQARRAY;
  if (sqPoll) {
    const polled = COMMON | abi.IORING_SETUP_SQPOLL | abi.IORING_SETUP_SINGLE_ISSUER;
    return [polled | array, polled];
  }
  const deferred = COMMON | OURS | abi.IORING_SETUP_DEFER_TASKRUN;
  // 6.1 knows DEFER_TASKRUN, 5.19 COOP_TASKRUN.
  const cooperative = COMMON | abi.IORING_SETUP_COOP_TASKRUN | abi.IORING_SETUP_TASKRUN_FLAG;
  return [deferred | array, deferred, cooperative];
}

/**
 * The two rings.
 *
 * ```
 *  submission   head (kernel's) … tail (ours)     entries of 64 bytes: prepare() returns the first word of the next one
 *  completion   head (ours) … tail (kernel's)     user data, result, flags: available(), then by index, then consume()
 * ```
 *
 * Memory order: as in af-xdp-ring.ts. Only with a polling kernel thread is the submission tail published by a full barrier,
 * because a flag is read behind it.
 *
 * Entered from the thread that made it only. An entry takes its user data as two int32: an index, and a tag.
 */
export class IoUring {
  /** -1 once closed. */
  fd: number;
  /** IORING_FEAT_*. */
  readonly features: number;
  /** IORING_SETUP_* that the kernel granted. */
  readonly setupFlags: number;
  readonly entries: number;
  readonly completionEntries: number;
  /** Submission entries as words; {@link prepare} says where. */
  readonly words: Int32Array;
  private readonly polled: boolean;
  private readonly libc: LibC;
  private readonly rings: MemoryMap;
  private readonly sqes: MemoryMap;
  private readonly argument: MemoryMap;
  private readonly argumentWords: Int32Array;
  private readonly argumentAddress: Address;
  private readonly ring: Int32Array;
  private readonly sqHeadAt: number;
  private readonly sqTailAt: number;
  private readonly sqFlagsAt: number;
  private readonly sqMask: number;
  private readonly cqHeadAt: number;
  private readonly cqTailAt: number;
  private readonly cqFlagsAt: number;
  private readonly cqMask: number;
  private readonly cqesAt: number;
  private sqTail: number;
  /** Entries before this one the kernel has been told of. */
  private sqSubmitted: number;
  private cqHead: number;

  /**
   * @throws DemiError `ERR_DEMI_IO_URING_DISABLED` where the system does not allow it, naming the switch;
   *   `ERR_DEMI_SYSCALL` (ENOMEM, EMFILE, EINVAL), `ERR_DEMI_PLATFORM`
   */
  constructor(options: IoUringOptions = {}) {
    const { entries = 256, sqPollIdleMs } = options;
    this.libc = libc();
    this.polled = sqPollIdleMs !== undefined;
    const params = new Int32Array(PARAMS_WORDS);
    this.fd = setUp(params, entries, options.completionEntries ?? 4 * entries, sqPollIdleMs);
    const words = (index: number): number => params[index]! >> 2;
    this.features = params[PARAM_FEATURES]!;
    this.setupFlags = params[PARAM_FLAGS]!;
    this.entries = params[PARAM_SQ_ENTRIES]!;
    this.completionEntries = params[PARAM_CQ_ENTRIES]!;
    const array = (this.setupFlags & abi.IORING_SETUP_NO_SQARRAY) === 0;
    const sqBytes = params[SQ_ARRAY]! + (array ? this.entries * 4 : 0);
    const cqBytes = params[CQ_CQES]! + this.completionEntries * CQE_WORDS * 4;
    const { fd } = this;
    // Since 5.4 both rings are one map (IORING_FEAT_SINGLE_MMAP); all flags we ask for are younger.
    this.rings = mapDescriptor({ fd, lengthBytes: Math.max(sqBytes, cqBytes), populate: true });
    this.sqes = mapDescriptor({
      fd,
      lengthBytes: this.entries * abi.SQE_WORDS * 4,
      offsetBytes: abi.IORING_OFF_SQES,
      populate: true,
    });
    this.argument = mapAnonymous({ lengthBytes: 64 });
    this.argumentWords = this.argument.signedWords(0, 16);
    this.argumentAddress = this.argument.addressNumber;
    this.setArgument();
    this.words = new Int32Array(this.sqes.buffer);
    this.ring = new Int32Array(this.rings.buffer);
    this.sqHeadAt = words(SQ_HEAD);
    this.sqTailAt = words(SQ_TAIL);
    this.sqFlagsAt = words(SQ_FLAGS);
    this.sqMask = this.ring[words(SQ_MASK)]!;
    this.cqHeadAt = words(CQ_HEAD);
    this.cqTailAt = words(CQ_TAIL);
    this.cqFlagsAt = words(CQ_FLAGS);
    this.cqMask = this.ring[words(CQ_MASK)]!;
    this.cqesAt = words(CQ_CQES);
    this.sqTail = this.ring[this.sqTailAt]!;
    this.sqSubmitted = this.sqTail;
    this.cqHead = this.ring[this.cqHeadAt]!;
    if (array) for (let i = 0; i < this.entries; i++) this.ring[words(SQ_ARRAY) + i] = i;
  }

  // ---- submitting ----

  /**
   * The next submission entry, zeroed but for what is given: its first word in {@link words}; -1 when the ring is full.
   *
   * `index` and `tag` come back with every completion of the entry.
   */
  prepare(opcode: number, fd: number, index: number, tag: number): number {
    const { sqTail, words } = this;
    if (((sqTail - this.ring[this.sqHeadAt]!) | 0) >= this.entries) return -1;
    const at = (sqTail & this.sqMask) << 4;
    this.sqTail = (sqTail + 1) | 0;
    words[at] = opcode;
    words[at + 1] = fd;
    words[at + 2] = 0;
    words[at + 3] = 0;
    words[at + 4] = 0;
    words[at + 5] = 0;
    words[at + 6] = 0;
    words[at + 7] = 0;
    words[at + 8] = index;
    words[at + 9] = tag;
    words[at + 10] = 0;
    words[at + 11] = 0;
    words[at + 12] = 0;
    words[at + 13] = 0;
    words[at + 14] = 0;
    words[at + 15] = 0;
    return at;
  }

  /** Sets the address of an entry: `offset` bytes into memory at `base`. Apart, so that no sum travels as a heap number. */
  setAddress(at: number, base: Address, offset: number): void {
    const address = base + offset;
    this.words[at + abi.SQE_ADDRESS] = address;
    this.words[at + abi.SQE_ADDRESS + 1] = address / TWO_TO_32;
  }

  /** As {@link setAddress}, the base in two halves as int32: nothing larger than that travels through calls. */
  setAddressHalves(at: number, baseLow: number, baseHigh: number, offset: number): void {
    const low = (baseLow + offset) | 0;
    this.words[at + abi.SQE_ADDRESS] = low;
    // Unsigned: the sum of the low halves ran over.
    const carry = (low ^ SIGN) < (baseLow ^ SIGN) ? 1 : 0;
    this.words[at + abi.SQE_ADDRESS + 1] = baseHigh + carry;
  }

  /** Sets the file offset of an entry (or what else its operation keeps there). */
  setOffset(at: number, offset: number): void {
    this.words[at + abi.SQE_OFFSET] = offset;
    this.words[at + abi.SQE_OFFSET + 1] = offset / TWO_TO_32;
  }

  /** Entries prepared and not yet submitted. */
  get prepared(): number {
    return (this.sqTail - this.sqSubmitted) | 0;
  }

  /** Entries that can be prepared now. */
  get freeEntries(): number {
    return (this.entries - ((this.sqTail - this.ring[this.sqHeadAt]!) | 0)) | 0;
  }

  /** Waits until the polling kernel thread has taken an entry; without one there is nothing to wait for. */
  awaitRoom(): void {
    if (!this.polled) return;
    const flags = abi.IORING_ENTER_SQ_WAIT | (this.needsWakeup ? abi.IORING_ENTER_SQ_WAKEUP : 0);
    this.libc.syscall(SYS_IO_URING_ENTER, this.fd, 0, 0, flags, 0, 0);
  }

  /**
   * Submits what is prepared, runs completions that wait for us to enter, and waits for `wanted` completions. Entries
   * submitted, or a negative errno: -EBUSY and -EAGAIN mean later, the entries stay.
   */
  enter(wanted = 0): number {
    const count = (this.sqTail - this.sqSubmitted) | 0;
    if (this.polled) return this.wake(count, wanted);
    if (count > 0) this.ring[this.sqTailAt] = this.sqTail;
    const flags = abi.IORING_ENTER_GETEVENTS;
    const result = this.libc.syscall(SYS_IO_URING_ENTER, this.fd, count, wanted, flags, 0, 0);
    if (result < 0) return -errno();
    this.sqSubmitted = (this.sqSubmitted + result) | 0;
    return result;
  }

  /** As {@link enter}, waiting for at least one completion, `timeoutUs` microseconds at most. */
  wait(timeoutUs: number): number {
    const count = (this.sqTail - this.sqSubmitted) | 0;
    if (count > 0) this.ring[this.sqTailAt] = this.sqTail;
    let flags = abi.IORING_ENTER_GETEVENTS;
    if (this.polled && this.needsWakeup) flags |= abi.IORING_ENTER_SQ_WAKEUP;
    let argument = 0;
    let bytes = 0;
    if (timeoutUs !== Number.POSITIVE_INFINITY) {
      flags |= abi.IORING_ENTER_EXT_ARG;
      writeTimespec(this.argumentWords, 8, timeoutUs);
      argument = this.argumentAddress;
      bytes = 24;
    }
    const result = this.libc.syscall(SYS_IO_URING_ENTER, this.fd, count, 1, flags, argument, bytes);
    if (result < 0) return this.afterWait(-errno());
    this.sqSubmitted = this.polled ? this.sqTail : (this.sqSubmitted + result) | 0;
    return result;
  }

  /** ETIME and EINTR may come after entries have been taken: the head says how many. */
  private afterWait(result: number): number {
    this.sqSubmitted = this.polled ? this.sqTail : this.ring[this.sqHeadAt]!;
    return result;
  }

  private wake(count: number, wanted: number): number {
    Atomics.store(this.ring, this.sqTailAt, this.sqTail);
    this.sqSubmitted = this.sqTail;
    const flags = this.needsWakeup ? abi.IORING_ENTER_SQ_WAKEUP : 0;
    if (flags === 0 && wanted === 0 && !this.overflown) return count;
    const more = wanted > 0 || this.overflown ? abi.IORING_ENTER_GETEVENTS : 0;
    const result = this.libc.syscall(SYS_IO_URING_ENTER, this.fd, count, wanted, flags | more, 0, 0);
    return result < 0 ? -errno() : count;
  }

  /** Whether the kernel's polling thread sleeps. */
  private get needsWakeup(): boolean {
    return (Atomics.load(this.ring, this.sqFlagsAt) & abi.IORING_SQ_NEED_WAKEUP) !== 0;
  }

  /** Completions that found no room wait in the kernel until we enter. */
  private get overflown(): boolean {
    return (this.ring[this.sqFlagsAt]! & abi.IORING_SQ_CQ_OVERFLOW) !== 0;
  }

  /** Whether {@link enter} would bring completions that are not in the ring yet. Reads memory only. */
  get needsEnter(): boolean {
    return (this.ring[this.sqFlagsAt]! & (abi.IORING_SQ_TASKRUN | abi.IORING_SQ_CQ_OVERFLOW)) !== 0;
  }

  // ---- completions ----

  /** Completions in the ring. */
  available(): number {
    return (this.ring[this.cqTailAt]! - this.cqHead) | 0;
  }

  /** Index that {@link prepare} was given, of completion `n` from the oldest. */
  index(n: number): number {
    return this.ring[this.cqesAt + (((this.cqHead + n) & this.cqMask) << 2)]!;
  }

  /** Tag that {@link prepare} was given. */
  tag(n: number): number {
    return this.ring[this.cqesAt + (((this.cqHead + n) & this.cqMask) << 2) + 1]!;
  }

  /** What the operation returned: as its system call, or a negative errno. */
  result(n: number): number {
    return this.ring[this.cqesAt + (((this.cqHead + n) & this.cqMask) << 2) + 2]!;
  }

  /** IORING_CQE_F_*. */
  flags(n: number): number {
    return this.ring[this.cqesAt + (((this.cqHead + n) & this.cqMask) << 2) + 3]!;
  }

  /** Gives the oldest `count` completions back to the kernel. */
  consume(count: number): void {
    this.cqHead = (this.cqHead + count) | 0;
    this.ring[this.cqHeadAt] = this.cqHead;
  }

  /** Turns signals to a registered eventfd on or off; a store. */
  setEventSignals(on: boolean): void {
    Atomics.store(this.ring, this.cqFlagsAt, on ? 0 : abi.IORING_CQ_EVENTFD_DISABLED);
  }

  // ---- registering ----

  /** io_uring_register(2). The result, or a negative errno. */
  register(opcode: number, argument: NativeBuffer | Address, count: number): number {
    const result =
      typeof argument === 'number'
        ? this.libc.syscall(SYS_IO_URING_REGISTER, this.fd, opcode, argument, count, 0, 0)
        : registerBuffer(this.fd, opcode, argument, count);
    return result === -1 ? -errno() : result;
  }

  /** Whether the kernel knows an operation, IORING_OP_*. For set-up. */
  supports(opcode: number): boolean {
    // struct io_uring_probe: 16 bytes, then 8 per operation: u8 op, u8, u16 flags (1: supported).
    const probe = new Uint8Array(16 + 8 * 256);
    if (this.register(abi.IORING_REGISTER_PROBE, probe, 256) < 0) return false;
    return opcode <= probe[0]! && (probe[16 + 8 * opcode + 2]! & 1) !== 0;
  }

  /** Makes an eventfd readable at completions (and at work that waits for us to enter). 0 or a negative errno. */
  registerEvent(eventFd: number): number {
    return this.register(abi.IORING_REGISTER_EVENTFD, Int32Array.of(eventFd), 1);
  }

  /**
   * Registers one buffer as number 0, for READ_FIXED, WRITE_FIXED and SEND_ZC. Pins its pages: -ENOMEM beyond
   * RLIMIT_MEMLOCK without CAP_IPC_LOCK. At most 1 GiB. 0 or a negative errno.
   */
  registerMemory(address: Address, lengthBytes: number): number {
    return this.register(
      abi.IORING_REGISTER_BUFFERS,
      BigUint64Array.of(BigInt(address), BigInt(lengthBytes)),
      1,
    );
  }

  /** Cancels everything that is under way and waits for that, a second at most. 0, -ENOENT for nothing, -ETIME, … */
  cancelAll(): number {
    // struct io_uring_sync_cancel_reg: addr u64, fd s32, flags u32, timespec, opcode u8, padding; 64 bytes
    const request = new Int32Array(16);
    request[2] = -1;
    request[3] = abi.IORING_ASYNC_CANCEL_ANY | abi.IORING_ASYNC_CANCEL_ALL;
    request[4] = 1;
    return this.register(abi.IORING_REGISTER_SYNC_CANCEL, request, 1);
  }

  /** Ends the instance; the kernel cancels what is under way, and is done with memory soon after. Idempotent. */
  close(): void {
    if (this.fd < 0) return;
    // Maps hold the instance as a descriptor does: they go first, and nobody else has their buffers.
    this.rings.release();
    this.sqes.release();
    this.argument.release();
    closeDescriptor(this.fd);
    this.fd = -1;
  }

  private setArgument(): void {
    // struct io_uring_getevents_arg: sigmask u64, its size u32, min_wait_usec u32, address of the timespec u64.
    const timespec = this.argumentAddress + 32;
    this.argumentWords[4] = timespec;
    this.argumentWords[5] = timespec / TWO_TO_32;
  }
}

function registerBuffer(fd: number, opcode: number, argument: NativeBuffer, count: number): number {
  // `syscallBuffer` has its buffer second; registering has it third.
  const copy = mapAnonymous({ lengthBytes: argument.byteLength });
  const bytes = ArrayBuffer.isView(argument)
    ? new Uint8Array(argument.buffer, argument.byteOffset, argument.byteLength)
    : new Uint8Array(argument);
  copy.bytes(0, bytes.length).set(bytes);
  const result = libc().syscall(SYS_IO_URING_REGISTER, fd, opcode, copy.addressNumber, count, 0, 0);
  const failed = result === -1 ? errno() : 0;
  bytes.set(copy.bytes(0, bytes.length));
  copy.unmap();
  return failed === 0 ? result : -failed;
}

function setUp(params: Int32Array, entries: number, completions: number, idleMs: number | undefined): number {
  let failed = EINVAL;
  for (const flags of setupFlags(idleMs !== undefined)) {
    params.fill(0);
    params[PARAM_FLAGS] = flags;
    params[PARAM_CQ_ENTRIES] = completions;
    params[PARAM_SQ_IDLE] = idleMs ?? 0;
    const fd = libc().syscallBuffer(SYS_IO_URING_SETUP, entries, params, 0, 0, 0);
    if (fd >= 0) return fd;
    failed = errno();
    if (failed !== EINVAL) break;
  }
  if (failed === EPERM || failed === ENOSYS) throw disabledError(failed, ioUringSwitch());
  throw systemError('io_uring_setup', { errno: failed, detail: `making a ring of ${entries} entries` });
}

/** The sysctl kernel.io_uring_disabled: 0 for everybody, 1 for some, 2 for nobody; -1 where there is none (before 6.6). */
export function ioUringSwitch(): number {
  try {
    return Number(readFileSync('/proc/sys/kernel/io_uring_disabled', 'latin1'));
  } catch {
    return -1;
  }
}

/** @internal The error for a system that refuses io_uring. */
export function disabledError(number: number, switched: number): DemiError {
  let reason =
    'a seccomp filter refuses it (containers: allow io_uring_setup, io_uring_enter, io_uring_register)';
  if (number === ENOSYS && switched < 0)
    reason = 'this kernel is built without it, or a seccomp filter hides it';
  else if (switched === 1) {
    reason =
      'kernel.io_uring_disabled is 1: run with CAP_SYS_ADMIN, in the group kernel.io_uring_group, or sudo sysctl kernel.io_uring_disabled=0';
  } else if (switched === 2) {
    reason = 'kernel.io_uring_disabled is 2: sudo sysctl kernel.io_uring_disabled=0';
  }
  return new DemiError('ERR_DEMI_IO_URING_DISABLED', `io_uring is not available: ${reason}`, {
    errno: number,
    errnoName: errnoName(number),
    syscall: 'io_uring_setup',
  });
}

/** Whether a result of `enter` or `wait` only means that nothing came: time over, a signal. */
export function isQuietWait(result: number): boolean {
  return result >= 0 || result === -EINTR || result === -ETIME;
}
