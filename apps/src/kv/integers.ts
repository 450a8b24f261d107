// Numbers as values and arguments hold them: 64-bit, in decimal. What fits a double exactly never becomes a BigInt.

import type { Region } from '@demikernel/memory';

/** Digits that are exact as a double, sums of two included. */
const EXACT_DIGITS = 15;
const INT64_DIGITS = 19;
const INT64_MAX = 2n ** 63n - 1n;
const INT64_MIN = -(2n ** 63n);

/** Results of {@link readInteger} that are no number. */
export const NO_INTEGER: number = Number.NaN;
/** The number is an integer of 64 bits beyond 15 digits: {@link readBigInteger} has it. */
export const BIG: number = Number.POSITIVE_INFINITY;

/** A decimal integer of 64 bits, as Redis reads it: `-` but not `+`, no leading zeros, nothing else. */
export function readInteger(region: Region, offset: number, lengthBytes: number): number {
  const { bytes } = region;
  let at = offset;
  const end = offset + lengthBytes;
  const negative = lengthBytes > 0 && bytes[at] === 45;
  if (negative) at++;
  const digits = end - at;
  if (digits < 1 || digits > INT64_DIGITS) return NO_INTEGER;
  if (bytes[at] === 48 && (digits > 1 || negative)) return NO_INTEGER;
  let value = 0;
  for (; at < end; at++) {
    const digit = bytes[at]! - 48;
    if (digit < 0 || digit > 9) return NO_INTEGER;
    value = value * 10 + digit;
  }
  if (digits > EXACT_DIGITS)
    return readBigInteger(region, offset, lengthBytes) === undefined ? NO_INTEGER : BIG;
  return negative ? -value : value;
}

/** As {@link readInteger}, whole; `undefined` for what is none. */
export function readBigInteger(region: Region, offset: number, lengthBytes: number): bigint | undefined {
  const text = Buffer.from(region.bytes.subarray(offset, offset + lengthBytes)).toString('latin1');
  if (!/^(0|-?[1-9]\d{0,18})$/.test(text)) return undefined;
  const value = BigInt(text);
  return isInt64(value) ? value : undefined;
}

export function isInt64(value: bigint): boolean {
  return value >= INT64_MIN && value <= INT64_MAX;
}
