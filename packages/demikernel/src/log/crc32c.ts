// CRC-32C (Castagnoli, RFC 3720 appendix B.4): what tells a whole record from a torn or rotten one. Records: record.ts.

/** The polynomial 0x1edc6f41, bits reversed. */
const POLYNOMIAL = 0x82f63b78 | 0;
/** Bytes taken per step. */
const SLICES = 16;

/** Table k, at k * 256: what a byte comes to with k more zero bytes behind it. */
const TABLE: Int32Array = makeTable();

function makeTable(): Int32Array {
  const table = new Int32Array(SLICES * 256);
  for (let byte = 0; byte < 256; byte++) {
    let state = byte;
    for (let bit = 0; bit < 8; bit++) state = state & 1 ? (state >>> 1) ^ POLYNOMIAL : state >>> 1;
    table[byte] = state;
  }
  for (let i = 256; i < table.length; i++) {
    const shorter = table[i - 256]!;
    table[i] = (shorter >>> 8) ^ table[shorter & 0xff]!;
  }
  return table;
}

/**
 * CRC-32C of `bytes[start … end - 1]`, or of those bytes behind others whose checksum is `before`.
 *
 * `words` are the same memory as 32-bit words; both start at the beginning of their buffer's view. Sixteen bytes a step,
 * each through a table of its own, so that the lookups do not wait for each other.
 *
 * @returns an int32
 */
export function crc32c(bytes: Uint8Array, words: Int32Array, start: number, end: number, before = 0): number {
  let state = ~before;
  let at = start;
  while (at < end && (at & 3) !== 0) state = (state >>> 8) ^ TABLE[(state ^ bytes[at++]!) & 0xff]!;
  const wordEnd = (at + ((end - at) & ~15)) >> 2;
  let word = at >> 2;
  for (; word < wordEnd; word += 4) {
    const a = state ^ words[word]!;
    const b = words[word + 1]!;
    const c = words[word + 2]!;
    const d = words[word + 3]!;
    state =
      TABLE[3840 + (a & 0xff)]! ^
      TABLE[3584 + ((a >>> 8) & 0xff)]! ^
      TABLE[3328 + ((a >>> 16) & 0xff)]! ^
      TABLE[3072 + (a >>> 24)]! ^
      TABLE[2816 + (b & 0xff)]! ^
      TABLE[2560 + ((b >>> 8) & 0xff)]! ^
      TABLE[2304 + ((b >>> 16) & 0xff)]! ^
      TABLE[2048 + (b >>> 24)]! ^
      TABLE[1792 + (c & 0xff)]! ^
      TABLE[1536 + ((c >>> 8) & 0xff)]! ^
      TABLE[1280 + ((c >>> 16) & 0xff)]! ^
      TABLE[1024 + (c >>> 24)]! ^
      TABLE[768 + (d & 0xff)]! ^
      TABLE[512 + ((d >>> 8) & 0xff)]! ^
      TABLE[256 + ((d >>> 16) & 0xff)]! ^
      TABLE[d >>> 24]!;
  }
  for (at = Math.max(at, word << 2); at < end; at++)
    state = (state >>> 8) ^ TABLE[(state ^ bytes[at]!) & 0xff]!;
  return ~state;
}
