// CRC-32C against the vectors of RFC 3720 appendix B.4, and against the definition at every length and alignment.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32c } from '../../src/log/crc32c.ts';

function checksum(bytes: Uint8Array, start = 0, end: number = bytes.length, before = 0): number {
  const padded = new Uint8Array((bytes.length + 7) & ~3);
  padded.set(bytes);
  return crc32c(padded, new Int32Array(padded.buffer), start, end, before) >>> 0;
}

/** Bit by bit. */
function defined(bytes: Uint8Array): number {
  let state = 0xffff_ffff;
  for (const byte of bytes) {
    state ^= byte;
    for (let bit = 0; bit < 8; bit++) state = state & 1 ? (state >>> 1) ^ 0x82f6_3b78 : state >>> 1;
  }
  return ~state >>> 0;
}

test('vectors', () => {
  const ascending = Uint8Array.from({ length: 32 }, (_, i) => i);
  assert.equal(checksum(new TextEncoder().encode('123456789')), 0xe306_9283);
  assert.equal(checksum(new Uint8Array(32)), 0x8a91_36aa);
  assert.equal(checksum(new Uint8Array(32).fill(0xff)), 0x62a8_ab43);
  assert.equal(checksum(ascending), 0x46dd_794e);
  assert.equal(checksum(ascending.toReversed()), 0x113f_db5c);
  assert.equal(checksum(new Uint8Array(0)), 0);
});

test('every length, every alignment, in one piece or in two', () => {
  const bytes = Uint8Array.from({ length: 120 }, (_, i) => (i * 167 + 13) & 0xff);
  for (let start = 0; start < 9; start++) {
    for (let end = start; end <= bytes.length; end++) {
      const expected = defined(bytes.subarray(start, end));
      assert.equal(checksum(bytes, start, end), expected);
      const middle = (start + end) >> 1;
      assert.equal(checksum(bytes, middle, end, checksum(bytes, start, middle)), expected);
    }
  }
});
