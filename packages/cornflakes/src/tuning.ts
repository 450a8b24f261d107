// The one setting that new messages start from.

/** Settings for messages made from now on. */
export const tuning: { copyThresholdBytes: number } = {
  /**
   * Values at least this long are sent by reference when they lie in registered memory. 512 is what the paper measured
   * on its network cards; `demikernel calibrate` measures this machine's devices.
   */
  copyThresholdBytes: 512,
};
