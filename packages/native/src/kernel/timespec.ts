// struct timespec in native memory: two 64-bit integers, of which the low words are all that is needed until 2038
// for clocks that count from boot, and for intervals.

/** struct timespec { time64_t tv_sec; long tv_nsec; } */
export const TIMESPEC_BYTES = 16;

/** Writes an interval of whole or fractional microseconds, up to 2^31 s, at word `at` of `words`. */
export function writeTimespec(words: Int32Array, at: number, intervalUs: number): void {
  const seconds = Math.floor(intervalUs / 1e6);
  words[at] = seconds;
  words[at + 1] = 0;
  words[at + 2] = (intervalUs - seconds * 1e6) * 1000;
  words[at + 3] = 0;
}
