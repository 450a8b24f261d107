// When requests are due: a Poisson process, its gaps drawn beforehand, so that nothing is computed and nothing allocated
// while it is followed.

import { SeededRandom } from 'demikernel/stack';
import { exponential } from '../../workloads/distributions.ts';

/** Gaps until they repeat: a power of two. */
const GAPS = 1 << 16;

export class Arrivals {
  private readonly gaps: Float64Array;
  private at: number;

  constructor(seed: number) {
    const random = new SeededRandom(seed);
    this.gaps = new Float64Array(GAPS);
    let total = 0;
    for (let i = 0; i < GAPS; i++) total += this.gaps[i] = exponential(random, 1);
    // As many a second as asked for, whatever the seed.
    for (let i = 0; i < GAPS; i++) this.gaps[i] = (this.gaps[i]! * GAPS) / total;
    this.at = 0;
  }

  /** Time to the next arrival when they are `meanUs` apart on average. */
  nextGapUs(meanUs: number): number {
    const gap = this.gaps[this.at]! * meanUs;
    this.at = (this.at + 1) & (GAPS - 1);
    return gap;
  }
}
