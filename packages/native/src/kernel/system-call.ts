// Raw system calls by number, for what libc does not wrap, and the bpf(2) door built on them.
// Results follow the data path's convention: non-negative, or a negative errno. Nothing here throws.

import type { NativeBuffer } from './library.ts';
import { errno, libc } from './library.ts';

// arch/x86/entry/syscalls/syscall_64.tbl
export const SYS_MEMFD_CREATE = 319;
export const SYS_BPF = 321;
export const SYS_PIDFD_SEND_SIGNAL = 424;
export const SYS_IO_URING_SETUP = 425;
export const SYS_IO_URING_ENTER = 426;
export const SYS_IO_URING_REGISTER = 427;
export const SYS_PIDFD_OPEN = 434;
export const SYS_PIDFD_GETFD = 438;

/** Any system call with integer arguments; an address is passed as a number. Returns the result or a negative errno. */
export function syscall(number: number, a = 0, b = 0, c = 0, d = 0, e = 0, f = 0): number {
  const result = libc().syscall(number, a, b, c, d, e, f);
  return result === -1 ? -errno() : result;
}

/**
 * bpf(2): `command` is a BPF_* number of linux/bpf.h, `attributes` a `union bpf_attr` in host byte order, of which
 * `sizeBytes` are given. Returns a descriptor or 0, or a negative errno.
 *
 * Addresses inside `attributes` come from `addressOf`; whoever wrote them keeps the buffers alive during the call.
 */
export function bpf(
  command: number,
  attributes: NativeBuffer,
  sizeBytes: number = attributes.byteLength,
): number {
  const result = libc().syscallBuffer(SYS_BPF, command, attributes, sizeBytes, 0, 0);
  return result === -1 ? -errno() : result;
}
