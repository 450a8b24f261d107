// Sleeping on a word of shared memory: futex(2). The word decides; the kernel only keeps who sleeps on it.

import type { IoUring } from './io-uring.ts';
import { IORING_OP_FUTEX_WAIT, SQE_OFFSET } from './io-uring-constants.ts';
import type { Address } from './library.ts';
import { errno, libc } from './library.ts';

// arch/x86/entry/syscalls/syscall_64.tbl
const SYS_FUTEX = 202;
// include/uapi/linux/futex.h; without FUTEX_PRIVATE_FLAG the word may be shared by processes.
const FUTEX_WAIT = 0;
const FUTEX_WAKE = 1;
const FUTEX2_SIZE_U32 = 2;
const FUTEX_BITSET_MATCH_ANY = -1;
/** Word of a submission entry that holds `addr3`, the mask. */
const SQE_MASK = 12;

/**
 * Sleeps while the word at `address` is `value`. Blocks the thread, deaf to everything else: descriptors, timers, Node.
 *
 * @returns 0 when woken, or a negative errno: -EAGAIN when the word had changed already, -EINTR
 */
export function futexWait(address: Address, value: number): number {
  const result = libc().syscall(SYS_FUTEX, address, FUTEX_WAIT, value, 0, 0, 0);
  return result === -1 ? -errno() : 0;
}

/**
 * Wakes `count` sleepers on the word at `address`, which need not be writable here. Returns how many, or a negative errno.
 */
export function futexWake(address: Address, count: number): number {
  const result = libc().syscall(SYS_FUTEX, address, FUTEX_WAKE, count, 0, 0, 0);
  return result === -1 ? -errno() : result;
}

/**
 * Prepares the same sleep as an entry of an io_uring, which completes when woken, or at once with -EAGAIN. Linux 6.7.
 *
 * @returns false when the ring is full
 */
export function prepareFutexWait(
  ring: IoUring,
  address: Address,
  value: number,
  index: number,
  tag: number,
): boolean {
  const at = ring.prepare(IORING_OP_FUTEX_WAIT, FUTEX2_SIZE_U32, index, tag);
  if (at < 0) return false;
  ring.setAddress(at, address, 0);
  ring.words[at + SQE_OFFSET] = value;
  ring.words[at + SQE_MASK] = FUTEX_BITSET_MATCH_ANY;
  ring.words[at + SQE_MASK + 1] = 0;
  return true;
}
