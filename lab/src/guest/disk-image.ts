// Files that the guest has as disks and initial file system: they have no name, so nothing can leave them behind.

import { closeSync, constants, ftruncateSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

// include/uapi/asm-generic/fcntl.h: __O_TMPFILE | O_DIRECTORY
const O_TMPFILE = 0o20200000;

/**
 * A sparse file of zeros without a name, open for reading and writing; it ends with its last descriptor.
 *
 * @returns the descriptor
 */
export function openNamelessFile(lengthBytes: number, folder: string = tmpdir()): number {
  let fd: number;
  try {
    fd = openSync(folder, constants.O_RDWR | O_TMPFILE, 0o600);
  } catch {
    // Not every file system can: then it has a name for a moment.
    const path = join(folder, `demikernel-guest-${process.pid}-${Math.random().toString(36).slice(2)}`);
    fd = openSync(path, 'wx+', 0o600);
    rmSync(path);
  }
  try {
    ftruncateSync(fd, lengthBytes);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  return fd;
}
