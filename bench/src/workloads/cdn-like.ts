// CDN-like: large objects in segments, fetched one by one.

import { type Random, SeededRandom } from 'demikernel/stack';
import { between, shuffled, Zipf } from './distributions.ts';
import { GET, type Request, sizeTables, type Workload } from './workload.ts';

export const CDN_SEGMENT_BYTES = 8000;
/** Published are the segments, not how many an object has: so many, uniformly. */
export const MOST_SEGMENTS = 16;
const KEY_BYTES = 64;
const ZIPF_EXPONENT = 0.9;

/** @param keys segments in all */
export function cdnLike(keys: number, seed: number): Workload {
  const random = new SeededRandom(seed);
  const firstKey: number[] = [];
  for (let key = 0; key < keys; key += between(random, 1, MOST_SEGMENTS)) firstKey.push(key);
  const objects = firstKey.length;
  firstKey.push(keys);
  const order = shuffled(random, objects);
  const zipf = new Zipf(objects, ZIPF_EXPONENT);
  let at = 0;
  let end = 0;
  return {
    name: 'cdn-like',
    parameters: `${keys} segments of ${CDN_SEGMENT_BYTES} B, objects of 1-${MOST_SEGMENTS}; Zipf ${ZIPF_EXPONENT}; get only`,
    keys,
    keyBytes: new Int32Array(keys).fill(KEY_BYTES),
    ...sizeTables(Array.from({ length: keys }, () => [CDN_SEGMENT_BYTES])),
    lists: false,
    next(from: Random, request: Request): void {
      if (at === end) {
        const object = order[zipf.draw(from)]!;
        at = firstKey[object]!;
        end = firstKey[object + 1]!;
      }
      request.kind = GET;
      request.key = at++;
    },
  };
}
