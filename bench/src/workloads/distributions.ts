// The distributions that workloads are made of, drawn from a seeded generator: the same seed, the same workload.

import type { Random } from 'demikernel/stack';

/** Uniform in [0, 1). */
export function fraction(random: Random): number {
  return (random.int32() >>> 0) / 0x1_0000_0000;
}

/** A whole number, uniform in [least, most]. */
export function between(random: Random, least: number, most: number): number {
  return least + random.below(most - least + 1);
}

/** Time to the next arrival of a Poisson process whose arrivals are `mean` apart on average. */
export function exponential(random: Random, mean: number): number {
  return -mean * Math.log(1 - fraction(random));
}

/** Standard normal (Box and Muller). */
export function normal(random: Random): number {
  const radius = Math.sqrt(-2 * Math.log(1 - fraction(random)));
  return radius * Math.cos(2 * Math.PI * fraction(random));
}

/** Lognormal with the given mean (not median), and `sigma` of the logarithm. */
export function logNormal(random: Random, mean: number, sigma: number): number {
  return mean * Math.exp(sigma * normal(random) - (sigma * sigma) / 2);
}

/** Ranks 0 to `count - 1`; rank r has probability proportional to 1 / (r + 1)^exponent. */
export class Zipf {
  private readonly cumulative: Float64Array;

  constructor(count: number, exponent: number) {
    this.cumulative = new Float64Array(count);
    let total = 0;
    for (let rank = 0; rank < count; rank++) {
      total += (rank + 1) ** -exponent;
      this.cumulative[rank] = total;
    }
    for (let rank = 0; rank < count; rank++) this.cumulative[rank] = this.cumulative[rank]! / total;
  }

  /** Probability of the ranks 0 to `rank` together. */
  share(rank: number): number {
    return this.cumulative[rank]!;
  }

  draw(random: Random): number {
    const wanted = fraction(random);
    let low = 0;
    let high = this.cumulative.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.cumulative[middle]! > wanted) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

/** A range of whole numbers and how often it is met, in percent. */
export interface Bucket {
  least: number;
  most: number;
  percent: number;
}

/** A bucket by its share, and a number in it, uniformly. Percentages need not add up to 100 exactly. */
export class Buckets {
  readonly buckets: readonly Bucket[];
  readonly totalPercent: number;

  constructor(buckets: readonly Bucket[]) {
    this.buckets = buckets;
    this.totalPercent = buckets.reduce((total, each) => total + each.percent, 0);
  }

  draw(random: Random): number {
    let left = fraction(random) * this.totalPercent;
    for (const { least, most, percent } of this.buckets) {
      left -= percent;
      if (left < 0) return between(random, least, most);
    }
    return this.buckets.at(-1)!.most;
  }
}

/** 0 to `count - 1` in a random order (Fisher and Yates). */
export function shuffled(random: Random, count: number): Int32Array {
  const order = Int32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = random.below(i + 1);
    const other = order[j]!;
    order[j] = order[i]!;
    order[i] = other;
  }
  return order;
}
