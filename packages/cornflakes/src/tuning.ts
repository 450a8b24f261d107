// The settings of this process: what new messages start from, and how they are written.

import type { SlotPool } from '@demikernel/memory';

/** A copy threshold that leaves it to the memory a value lies in, which knows what its device is best at. */
export const BY_DEVICE = -1;

/** Settings of this process; changes count from now on. */
export const tuning: { copyThresholdBytes: number; alwaysExtended: boolean } = {
  /**
   * Values at least this long are sent by reference when they lie in registered memory; 0 and Infinity are allowed. Default
   * {@link BY_DEVICE}: as the memory says (`SlotPool.copyThresholdBytes`), which is what `demikernel calibrate` has measured.
   */
  copyThresholdBytes: BY_DEVICE,
  /**
   * Write version 1 even where version 0 would do. Then old readers skip and keep new fields of every message, at the price of the
   * reference's implementations not reading them.
   */
  alwaysExtended: false,
};

/** From how many bytes on a value in `pool` is sent by reference. */
export function referredFrom(copyThresholdBytes: number, pool: SlotPool): number {
  return copyThresholdBytes < 0 ? pool.copyThresholdBytes : copyThresholdBytes;
}
