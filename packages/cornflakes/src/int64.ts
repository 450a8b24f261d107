// 64-bit integers as two int32, so that neither a BigInt nor a double is made where nobody asks for one.

import { DemiError } from '@demikernel/memory';

const TWO_32 = 4294967296;

/** The low word of a 64-bit integer. */
export function low64(value: bigint | number): number {
  return typeof value === 'number' ? value | 0 : Number(BigInt.asIntN(32, value));
}

/** The high word of a 64-bit integer; of a number, which must be whole, in two's complement. */
export function high64(value: bigint | number): number {
  return typeof value === 'number' ? Math.floor(value / TWO_32) | 0 : Number(BigInt.asIntN(32, value >> 32n));
}

export function int64(low: number, high: number): bigint {
  return (BigInt(high) << 32n) | BigInt(low >>> 0);
}

export function uint64(low: number, high: number): bigint {
  return (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
}

/** @throws ERR_DEMI_UNSAFE_INTEGER beyond ±2^53 */
export function int64Number(low: number, high: number): number {
  const value = high * TWO_32 + (low >>> 0);
  if (!Number.isSafeInteger(value)) throw unsafeInteger();
  return value;
}

/** @throws ERR_DEMI_UNSAFE_INTEGER beyond 2^53 */
export function uint64Number(low: number, high: number): number {
  const value = (high >>> 0) * TWO_32 + (low >>> 0);
  if (!Number.isSafeInteger(value)) throw unsafeInteger();
  return value;
}

function unsafeInteger(): DemiError {
  return new DemiError(
    'ERR_DEMI_UNSAFE_INTEGER',
    'this 64-bit integer is beyond what a number holds exactly',
  );
}
