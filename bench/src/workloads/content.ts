// The bytes of keys and values: known from the index alone, so that a reply can be checked without keeping what was sent.

/** Longest value there can be. */
export const MOST_VALUE_BYTES = 65_536;
const SHIFTS = 251;

/** Any value is a piece of this, from an offset that follows from its index. Bytes, not text: every value occurs. */
const PATTERN: Uint8Array = new Uint8Array(MOST_VALUE_BYTES + SHIFTS);
for (let i = 0; i < PATTERN.length; i++) PATTERN[i] = Math.imul(i, 0x9e3779b1) >>> 24;

/** Where in the pattern value `n` of key `key` begins. */
function shiftOf(key: number, n: number): number {
  return (Math.imul(key + 1, 31) + n * 7) % SHIFTS;
}

/** Text of key `key`, `length` characters, all ASCII; different for different keys as long as `length` is at least 12. */
export function keyText(key: number, length: number): string {
  return `key:${key.toString(36).padStart(Math.max(length - 4, 1), '0')}`;
}

/** Value `n` of key `key`: a view that nobody may write to. */
export function valueContent(key: number, n: number, length: number): Uint8Array {
  const shift = shiftOf(key, n);
  return PATTERN.subarray(shift, shift + length);
}

/** Whether `length` bytes of `bytes` at `offset` are value `n` of key `key`. */
export function isValue(bytes: Uint8Array, offset: number, length: number, key: number, n: number): boolean {
  const shift = shiftOf(key, n);
  for (let i = 0; i < length; i++) if (bytes[offset + i] !== PATTERN[shift + i]) return false;
  return true;
}
