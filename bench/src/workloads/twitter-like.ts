// Twitter-like: one value per reply, sizes far apart. Means, shares and skew as published for cluster 4 of Twitter's
// caches; the published means do not say how far sizes spread, so sigma is a parameter.

import { type Random, SeededRandom } from 'demikernel/stack';
import { between, fraction, logNormal, shuffled, Zipf } from './distributions.ts';
import { GET, PUT, type Request, sizeTables, type Workload } from './workload.ts';

export const KEY_MEAN_BYTES = 67;
/** Keys are spread evenly so far around their mean. */
export const KEY_SPREAD_BYTES = 23;
export const VALUE_MEAN_BYTES = 2439;
/** A longer value is several keys, fetched one after the other. */
export const SEGMENT_BYTES = 8192;
export const GET_SHARE = 0.93;
export const ZIPF_EXPONENT = 1.1;
export const DEFAULT_SIGMA = 2.0;
/** Spreads that are worth a row each. */
export const SIGMAS = [1.5, 2.0, 2.3] as const;

/** Size of one value, at least 1. */
export function twitterBytes(random: Random, sigma: number): number {
  return Math.max(1, Math.round(logNormal(random, VALUE_MEAN_BYTES, sigma)));
}

/** @param keys keys, segments of long values included: the last value is cut where they end */
export function twitterLike(keys: number, seed: number, sigma: number = DEFAULT_SIGMA): Workload {
  const random = new SeededRandom(seed);
  const sizes: number[][] = [];
  const firstKey: number[] = [];
  while (sizes.length < keys) {
    firstKey.push(sizes.length);
    let left = twitterBytes(random, sigma);
    for (; left > 0 && sizes.length < keys; left -= SEGMENT_BYTES)
      sizes.push([Math.min(left, SEGMENT_BYTES)]);
  }
  const objects = firstKey.length;
  firstKey.push(keys);
  // Popular objects lie anywhere, not side by side.
  const order = shuffled(random, objects);
  const zipf = new Zipf(objects, ZIPF_EXPONENT);
  const keyBytes = Int32Array.from({ length: keys }, () =>
    between(random, KEY_MEAN_BYTES - KEY_SPREAD_BYTES, KEY_MEAN_BYTES + KEY_SPREAD_BYTES),
  );
  // The object under way: its next segment, where it ends, and what is done with it.
  let at = 0;
  let end = 0;
  let kind = GET;
  return {
    name: 'twitter-like',
    parameters: `${keys} keys of ${KEY_MEAN_BYTES} B on average, values lognormal, mean ${VALUE_MEAN_BYTES} B, sigma ${sigma}, in pieces of ${SEGMENT_BYTES} B; Zipf ${ZIPF_EXPONENT}; ${GET_SHARE * 100} % get`,
    keys,
    keyBytes,
    ...sizeTables(sizes),
    lists: false,
    next(from: Random, request: Request): void {
      if (at === end) {
        const object = order[zipf.draw(from)]!;
        at = firstKey[object]!;
        end = firstKey[object + 1]!;
        kind = fraction(from) < GET_SHARE ? GET : PUT;
      }
      request.kind = kind;
      request.key = at++;
    },
  };
}
