// Medians, and how sure they are: bootstrap intervals over paired measurements. Knows numbers only.

import { SeededRandom } from '../runtime/random.ts';

/** A value between two bounds that hold it with 95 % confidence. */
export interface Estimate {
  value: number;
  low: number;
  high: number;
}

const LOW = 0.025;
const HIGH = 0.975;

/** The value below which the given fraction of `sorted` lies, interpolated. NaN for none. */
export function quantileOf(sorted: ArrayLike<number>, fraction: number): number {
  const { length } = sorted;
  if (length === 0) return Number.NaN;
  const at = fraction * (length - 1);
  const below = Math.floor(at);
  const above = Math.min(below + 1, length - 1);
  return sorted[below]! + (sorted[above]! - sorted[below]!) * (at - below);
}

/** Median of some numbers in any order. */
export function medianOf(values: ArrayLike<number>): number {
  return quantileOf(Float64Array.from(values).sort(), 0.5);
}

/**
 * The median of `values` and its bootstrap interval: what the median would be, had the measurement been made again. From a seed, so
 * that the same measurements give the same interval.
 */
export function medianEstimate(values: ArrayLike<number>, resamples = 400, seed = 1): Estimate {
  const { length } = values;
  const value = medianOf(values);
  if (length < 2) return { value, low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY };
  const random = new SeededRandom(seed);
  const sample = new Float64Array(length);
  const medians = new Float64Array(resamples);
  for (let i = 0; i < resamples; i++) {
    for (let j = 0; j < length; j++) sample[j] = values[random.below(length)]!;
    medians[i] = quantileOf(sample.sort(), 0.5);
  }
  medians.sort();
  return { value, low: quantileOf(medians, LOW), high: quantileOf(medians, HIGH) };
}
