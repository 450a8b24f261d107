// Who gets the next connection: the Maglev table and the turns of the round robin, filled from weights. Pure functions
// over arrays; the least-loaded choice needs no table and is made per connection.

import { MAGLEV_SLOTS, MAX_SCHEDULE, NONE } from './layout.ts';

/** One backend that takes new connections. */
export interface Candidate {
  readonly id: number;
  /** Its share relative to the others'; above 0. */
  readonly weight: number;
}

/**
 * Fills a Maglev table: each slot names a backend, in proportion to the weights, and a backend that comes or goes moves
 * few slots of the others. The same candidates give the same table on every switch.
 *
 * Source: Eisenbud et al., Maglev (NSDI'16), section 3.4; weights as turns taken less often.
 *
 * @param slots receives `MAGLEV_SLOTS` numbers of backends, NONE when there are none
 */
export function fillMaglev(slots: Uint16Array, candidates: readonly Candidate[]): void {
  slots.fill(NONE, 0, MAGLEV_SLOTS);
  const heaviest = candidates.reduce((most, each) => Math.max(most, each.weight), 0);
  if (heaviest <= 0) return;
  const walks = candidates.map(({ id, weight }) => ({
    id,
    credit: 0,
    share: weight / heaviest,
    at: scramble(id, 0x9e3779b9) % MAGLEV_SLOTS,
    // The number of slots is prime: any step visits all.
    step: 1 + (scramble(id, 0x85ebca6b) % (MAGLEV_SLOTS - 1)),
  }));
  for (let filled = 0; ; ) {
    for (const walk of walks) {
      walk.credit += walk.share;
      if (walk.credit < 1) continue;
      walk.credit -= 1;
      while (slots[walk.at] !== NONE) walk.at = (walk.at + walk.step) % MAGLEV_SLOTS;
      slots[walk.at] = walk.id;
      if (++filled === MAGLEV_SLOTS) return;
    }
  }
}

/**
 * Fills the turns of a weighted round robin, spread evenly rather than in runs, and returns how many there are. More
 * than `MAX_SCHEDULE` turns are scaled down, each backend keeping one.
 */
export function fillSchedule(turns: Uint16Array, candidates: readonly Candidate[]): number {
  const weights = wholeWeights(candidates);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const credits = weights.map(() => 0);
  for (let turn = 0; turn < total; turn++) {
    let best = 0;
    for (let i = 0; i < credits.length; i++) {
      credits[i] = credits[i]! + weights[i]!;
      if (credits[i]! > credits[best]!) best = i;
    }
    credits[best] = credits[best]! - total;
    turns[turn] = candidates[best]!.id;
  }
  return total;
}

function wholeWeights(candidates: readonly Candidate[]): number[] {
  const least = candidates.reduce((min, each) => Math.min(min, each.weight), Number.POSITIVE_INFINITY);
  const ratios = candidates.map(({ weight }) => weight / least);
  // Ratios such as 1.5 need more turns than one a backend.
  const fine = ratios.every(ratio => Math.abs(ratio - Math.round(ratio)) < 1e-6) ? 1 : 16;
  const sum = ratios.reduce((total, ratio) => total + ratio * fine, 0);
  const room = MAX_SCHEDULE - candidates.length;
  const scale = sum > room ? (room / sum) * fine : fine;
  const whole = ratios.map(ratio => Math.max(1, Math.round(ratio * scale)));
  const divisor = whole.reduce(greatestCommonDivisor, 0);
  return whole.map(weight => weight / Math.max(divisor, 1));
}

function greatestCommonDivisor(a: number, b: number): number {
  while (b !== 0) [a, b] = [b, a % b];
  return a;
}

/** A well-mixed unsigned word of a small number (MurmurHash3's finalizer). */
function scramble(value: number, seed: number): number {
  let x = (value + 1 + seed) | 0;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}
