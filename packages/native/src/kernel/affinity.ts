// Which processors a thread may run on: sched_setaffinity(2).

import { readdirSync } from 'node:fs';
import { DemiError } from '@demikernel/memory';
import { ESRCH, systemError } from './errno.ts';
import { libc } from './library.ts';

// cpu_set_t of libc: 1024 processors.
const MASK_BYTES = 128;

/**
 * Pins a thread to processors. `threadId` 0 is the calling thread alone: V8's helper threads stay where they are.
 *
 * @throws DemiError `ERR_DEMI_RANGE`; `ERR_DEMI_SYSCALL` (EINVAL when none of them exists here, ESRCH)
 */
export function setAffinity(processors: readonly number[], threadId = 0): void {
  const mask = new Uint8Array(MASK_BYTES);
  for (const processor of processors) {
    if (!Number.isInteger(processor) || processor < 0 || processor >= MASK_BYTES * 8) {
      throw new DemiError('ERR_DEMI_RANGE', `Processor ${processor}: want 0 to ${MASK_BYTES * 8 - 1}`);
    }
    mask[processor >> 3]! |= 1 << (processor & 7);
  }
  if (libc().sched_setaffinity(threadId, MASK_BYTES, mask) === -1) {
    throw systemError('sched_setaffinity', {
      detail: `pinning to ${processors.join(',')}`,
      capabilities: ['CAP_SYS_NICE'],
    });
  }
}

/** The processors a thread may run on, ascending. @throws DemiError `ERR_DEMI_SYSCALL` */
export function getAffinity(threadId = 0): number[] {
  const mask = new Uint8Array(MASK_BYTES);
  if (libc().sched_getaffinity(threadId, MASK_BYTES, mask) === -1) throw systemError('sched_getaffinity');
  const processors: number[] = [];
  for (let processor = 0; processor < MASK_BYTES * 8; processor++) {
    if ((mask[processor >> 3]! & (1 << (processor & 7))) !== 0) processors.push(processor);
  }
  return processors;
}

/**
 * Pins every thread that a process has now, its garbage collector's with them; later ones inherit from their maker.
 *
 * @throws DemiError as {@link setAffinity}; ESRCH when there is no such process
 */
export function setProcessAffinity(processors: readonly number[], processId: number = process.pid): void {
  let threads: string[];
  try {
    threads = readdirSync(`/proc/${processId}/task`);
  } catch {
    throw systemError('sched_setaffinity', { errno: ESRCH, detail: `pinning process ${processId}` });
  }
  for (const thread of threads) {
    try {
      setAffinity(processors, Number(thread));
    } catch (error) {
      // A thread may have ended since it was listed.
      if (!(error instanceof DemiError) || error.errno !== ESRCH) throw error;
    }
  }
}
