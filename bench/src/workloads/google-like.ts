// Google-like: many small fields. Sizes of bytes fields as published for Google's protobuf fleet; one key holds 1 to 8 of
// them, together at most 8 KiB, and is fetched whole.

import { type Random, SeededRandom } from 'demikernel/stack';
import { type Bucket, Buckets, between } from './distributions.ts';
import { GET_LIST, type Request, sizeTables, type Workload } from './workload.ts';

/** Percent of bytes fields by size. They add up to 99.96. */
export const GOOGLE_BUCKETS: readonly Bucket[] = [
  { least: 1, most: 8, percent: 33.8 },
  { least: 9, most: 16, percent: 15.3 },
  { least: 17, most: 22, percent: 7.6 },
  { least: 23, most: 32, percent: 13.5 },
  { least: 33, most: 64, percent: 10.6 },
  { least: 65, most: 128, percent: 6.1 },
  { least: 129, most: 512, percent: 8.0 },
  { least: 513, most: 4096, percent: 3.7 },
  { least: 4097, most: 8192, percent: 1.36 },
];
export const MOST_VALUES = 8;
export const MOST_BYTES = 8192;
const KEY_BYTES = 64;

/** Sizes of the values of one message. One that would be too large is drawn again as a whole. */
export function googleSizes(random: Random, sizes: Buckets): number[] {
  while (true) {
    const message = Array.from({ length: between(random, 1, MOST_VALUES) }, () => sizes.draw(random));
    if (message.reduce((total, each) => total + each, 0) <= MOST_BYTES) return message;
  }
}

/** Every key as likely as the other. */
export function googleLike(keys: number, seed: number): Workload {
  const random = new SeededRandom(seed);
  const buckets = new Buckets(GOOGLE_BUCKETS);
  const sizes = Array.from({ length: keys }, () => googleSizes(random, buckets));
  return {
    name: 'google-like',
    parameters: `${keys} keys of ${KEY_BYTES} B, 1-${MOST_VALUES} values, uniform; get-list only`,
    keys,
    keyBytes: new Int32Array(keys).fill(KEY_BYTES),
    ...sizeTables(sizes),
    lists: true,
    next(from: Random, request: Request): void {
      request.kind = GET_LIST;
      request.key = from.below(keys);
    },
  };
}
