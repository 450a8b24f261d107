// How an object that knows its own layout is pushed without an intermediate buffer.

import type { ScatterGatherArray } from './scatter-gather-array.ts';

/**
 * Something that can be sent as some freshly written bytes followed by bytes that are already in registered memory.
 *
 * `push` calls `copiedBytes`, allocates that many bytes, has `write` fill them, then has `gather` append the rest.
 */
export interface Gatherable {
  /** Bytes that `write` will write: header and small fields. */
  copiedBytes(): number;
  /** Writes exactly `copiedBytes()` bytes into the array's slices, in order. */
  write(into: ScatterGatherArray): void;
  /** Appends the slices that are sent by reference, each with a reference of its own. */
  gather(into: ScatterGatherArray): void;
}
