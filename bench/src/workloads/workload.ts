// What every workload is: keys with values of given sizes, and requests for them in a given order. Synthetic: made from
// published parameters, not from a trace. What the bytes are is content.ts.

import type { Random } from 'demikernel/stack';

export const GET = 0;
export const GET_LIST = 1;
export const PUT = 2;

/** How a request is made up. */
export interface Request {
  kind: number;
  /** Index of the key. */
  key: number;
}

/**
 * Keys and the sizes of their values, and who asks for which. A key with one value is fetched by a get, or, where the
 * workload says so, every key by a get-list.
 */
export interface Workload {
  /** `google-like`, `twitter-like`, … */
  readonly name: string;
  /** The parameters it was made from, for people. */
  readonly parameters: string;
  readonly keys: number;
  readonly keyBytes: Int32Array;
  /** Sizes of all values; those of key k are at `firstValue[k]` to `firstValue[k + 1] - 1`. */
  readonly firstValue: Int32Array;
  readonly valueBytes: Int32Array;
  /** Every key is a list, also one of one value. */
  readonly lists: boolean;
  /** Fills in the next request. */
  next(random: Random, request: Request): void;
}

/** Bytes of all values of a key. */
export function totalBytes(workload: Workload, key: number): number {
  let total = 0;
  for (let i = workload.firstValue[key]!; i < workload.firstValue[key + 1]!; i++) {
    total += workload.valueBytes[i]!;
  }
  return total;
}

/** Bytes of all values of all keys. */
export function storedBytes(workload: Workload): number {
  return workload.valueBytes.reduce((total, each) => total + each, 0);
}

/** `firstValue` and `valueBytes` from a list of sizes per key. */
export function sizeTables(sizes: readonly (readonly number[])[]): {
  firstValue: Int32Array;
  valueBytes: Int32Array;
} {
  const firstValue = new Int32Array(sizes.length + 1);
  for (let key = 0; key < sizes.length; key++) firstValue[key + 1] = firstValue[key]! + sizes[key]!.length;
  return { firstValue, valueBytes: Int32Array.from(sizes.flat()) };
}
