// The settings of this process: what new messages start from, and how they are written.

/** Settings of this process; changes count from now on. */
export const tuning: { copyThresholdBytes: number; alwaysExtended: boolean } = {
  /**
   * Values at least this long are sent by reference when they lie in registered memory. 512 is what the paper measured
   * on its network cards; `demikernel calibrate` measures this machine's devices.
   */
  copyThresholdBytes: 512,
  /**
   * Write version 1 even where version 0 would do. Then old readers skip and keep new fields of every message, at the price of the
   * reference's implementations not reading them.
   */
  alwaysExtended: false,
};
