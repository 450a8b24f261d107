// YCSB-C: reads only, every key with so many fields of so many bytes in all. One cell of a grid of both.

import { type Random, SeededRandom } from 'demikernel/stack';
import { shuffled, Zipf } from './distributions.ts';
import { GET, GET_LIST, type Request, sizeTables, type Workload } from './workload.ts';

/** YCSB's own default. */
const ZIPF_EXPONENT = 0.99;
const KEY_BYTES = 64;

/** Bytes in all, and fields: the cells that are worth a row. */
export const YCSB_TOTAL_BYTES = [256, 1024, 2048, 4096, 8192] as const;
export const YCSB_FIELDS = [1, 2, 4, 8, 16, 32] as const;

/** Sizes of `fields` values that add up to `bytes`. */
export function evenSizes(bytes: number, fields: number): number[] {
  const least = Math.floor(bytes / fields);
  return Array.from({ length: fields }, (_, i) => least + (i < bytes - least * fields ? 1 : 0));
}

export function ycsbC(keys: number, seed: number, bytes: number, fields: number): Workload {
  const order = shuffled(new SeededRandom(seed), keys);
  const zipf = new Zipf(keys, ZIPF_EXPONENT);
  const sizes = evenSizes(bytes, fields);
  return {
    name: 'ycsb-c',
    parameters: `${keys} keys of ${KEY_BYTES} B, ${bytes} B in ${fields} fields; Zipf ${ZIPF_EXPONENT}; get only`,
    keys,
    keyBytes: new Int32Array(keys).fill(KEY_BYTES),
    ...sizeTables(Array.from({ length: keys }, () => sizes)),
    lists: fields > 1,
    next(from: Random, request: Request): void {
      request.kind = fields > 1 ? GET_LIST : GET;
      request.key = order[zipf.draw(from)]!;
    },
  };
}
