// Anonymous files to share memory through: memfd_create(2) and its seals.

import { systemError } from './errno.ts';
import { addressOf, errno, libc } from './library.ts';
import { SYS_MEMFD_CREATE } from './system-call.ts';

// include/uapi/linux/memfd.h
const MFD_CLOEXEC = 1;
const MFD_ALLOW_SEALING = 2;

// include/uapi/linux/fcntl.h
const F_ADD_SEALS = 1033;
const F_GET_SEALS = 1034;
/** No further seals. */
export const F_SEAL_SEAL = 0x01;
/** The file cannot shrink: a peer cannot make a mapped page vanish (SIGBUS). */
export const F_SEAL_SHRINK = 0x02;
export const F_SEAL_GROW = 0x04;
/** Nobody can write; refused while a writable map exists. */
export const F_SEAL_WRITE = 0x08;
/** No new writable maps; those that exist keep working. */
export const F_SEAL_FUTURE_WRITE = 0x10;

export interface MemfdOptions {
  /** What `/proc/PID/fd` shows, at most 249 bytes. */
  name: string;
  lengthBytes: number;
  /** Seals set at once after sizing; default F_SEAL_SHRINK | F_SEAL_GROW. */
  seals?: number;
}

/**
 * Makes a zeroed, sized and sealed memfd and returns its descriptor (close-on-exec); map it with `mapDescriptor`.
 *
 * @throws DemiError `ERR_DEMI_SYSCALL` (EMFILE, ENOMEM, EINVAL for a long name)
 */
export function createMemfd(options: MemfdOptions): number {
  const name = Buffer.from(`${options.name}\0`);
  const fd = libc().syscall(SYS_MEMFD_CREATE, addressOf(name), MFD_CLOEXEC | MFD_ALLOW_SEALING, 0, 0, 0, 0);
  if (fd === -1) throw systemError('memfd_create');
  if (libc().ftruncate(fd, options.lengthBytes) === -1) {
    const error = systemError('ftruncate', { detail: `sizing a memfd to ${options.lengthBytes} bytes` });
    libc().close(fd);
    throw error;
  }
  const result = addSeals(fd, options.seals ?? F_SEAL_SHRINK | F_SEAL_GROW);
  if (result < 0) {
    libc().close(fd);
    throw systemError('fcntl', { errno: result, detail: 'sealing a memfd' });
  }
  return fd;
}

/** Adds seals. 0 or a negative errno (EPERM after F_SEAL_SEAL, EBUSY for F_SEAL_WRITE with writable maps). */
export function addSeals(fd: number, seals: number): number {
  return libc().fcntl(fd, F_ADD_SEALS, seals) === -1 ? -errno() : 0;
}

/** The seals of a memfd, or a negative errno. A receiver checks them before it maps what a peer sent. */
export function getSeals(fd: number): number {
  const seals = libc().fcntl(fd, F_GET_SEALS, 0);
  return seals === -1 ? -errno() : seals;
}
