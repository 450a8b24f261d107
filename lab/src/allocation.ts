// How many heap bytes a piece of work allocates: for probes that run in a process of their own, started with
// ALLOCATION_FLAGS. What is measured, and what the result must be, is the test's.

import { getHeapSpaceStatistics } from 'node:v8';

/**
 * What the process that measures is started with: no collection comes unasked, and V8 compiles and sweeps when the loop is
 * due for it, not when another thread has had time on a busy machine.
 */
export const ALLOCATION_FLAGS: readonly string[] = [
  '--single-threaded',
  '--expose-gc',
  '--min-semi-space-size=512',
  '--max-semi-space-size=512',
];

/** Readings of one kind of work. Fewer than half of them may be off: by code that is compiled or thrown away meanwhile. */
const READINGS = 9;

function usedBytes(): number {
  let total = 0;
  const spaces = getHeapSpaceStatistics();
  for (let i = 0; i < spaces.length; i++) total += spaces[i]!.space_used_size;
  return total;
}

/** Collects all there is to collect. */
export function collectGarbage(): void {
  const { gc } = globalThis as { gc?: () => void };
  if (gc === undefined) throw new Error(`allocation is measured under node ${ALLOCATION_FLAGS.join(' ')}`);
  gc();
}

/**
 * Heap bytes that one of `count` operations allocates, done by `work(count)`: the median of several runs, less the median
 * of runs of none, because a reading allocates some 3 KiB itself. The work must have run often enough to be optimised.
 */
export function bytesPerOperation(count: number, work: (count: number) => void): number {
  collectGarbage();
  return (medianBytes(count, work) - medianBytes(0, work)) / count;
}

function medianBytes(count: number, work: (count: number) => void): number {
  const readings: number[] = [];
  for (let i = 0; i < READINGS; i++) {
    const before = usedBytes();
    work(count);
    readings.push(usedBytes() - before);
  }
  return readings.sort((a, b) => a - b)[READINGS >> 1]!;
}
