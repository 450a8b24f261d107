// Descriptors in general: closing, flags, counting, reading and writing through native memory.
// What a descriptor stands for (socket, timer, memory) has its own file.

import { readdirSync, readlinkSync } from 'node:fs';
import type { Address } from './library.ts';
import { errno, libc } from './library.ts';

// include/uapi/asm-generic/fcntl.h
const F_GETFL = 3;
const F_SETFL = 4;
const O_NONBLOCK = 0o4000;

/** close(2). Returns 0 or a negative errno; the descriptor is gone in either case. */
export function closeDescriptor(fd: number): number {
  return libc().close(fd) === -1 ? -errno() : 0;
}

/** Turns O_NONBLOCK on or off, fcntl(2). Returns 0 or a negative errno. */
export function setNonBlocking(fd: number, on = true): number {
  const flags = libc().fcntl(fd, F_GETFL, 0);
  if (flags === -1) return -errno();
  const wanted = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
  return libc().fcntl(fd, F_SETFL, wanted) === -1 ? -errno() : 0;
}

/** read(2) into native memory. Returns the count, 0 at the end, or a negative errno. */
export function readDescriptor(fd: number, address: Address, lengthBytes: number): number {
  const result = libc().read(fd, address, lengthBytes);
  return result === -1 ? -errno() : result;
}

/** write(2) from native memory. Returns the count or a negative errno. */
export function writeDescriptor(fd: number, address: Address, lengthBytes: number): number {
  const result = libc().write(fd, address, lengthBytes);
  return result === -1 ? -errno() : result;
}

/** This process's open descriptors and what they are (`/proc/self/fd`), for leak checks. */
export function openDescriptors(): Map<number, string> {
  const found = new Map<number, string>();
  for (const name of readdirSync('/proc/self/fd')) {
    try {
      found.set(Number(name), readlinkSync(`/proc/self/fd/${name}`));
    } catch {
      // The descriptor readdir itself was using.
    }
  }
  return found;
}
