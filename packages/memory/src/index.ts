// Registered memory for datapath I/O: regions, slots, slices, scatter-gather arrays. No dependency, no native code.

export { DemiError, type DemiErrorOptions } from './error.ts';
export type { Gatherable } from './gatherable.ts';
export { copyBetween, heapRegion, MAX_REGION_BYTES, Region, type RegionOptions } from './region.ts';
export { RegionTable } from './region-table.ts';
export { ScatterGatherArray } from './scatter-gather-array.ts';
export { RELEASED, Slice, staleSlice } from './slice.ts';
export {
  DEFAULT_COPY_THRESHOLD_BYTES,
  lowestCopyThresholdBytes,
  POISON,
  poolOf,
  type SlotLender,
  SlotPool,
  type SlotPoolOptions,
} from './slot-pool.ts';
