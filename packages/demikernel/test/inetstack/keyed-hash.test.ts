// The hash of the tables: what it promises about keys that somebody else has chosen.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KeyedHash } from '../../src/inetstack/keyed-hash.ts';

const MASK = 0xff;

/** How many of `secrets` make two keys equal in the lowest eight bits. */
function collisions(secrets: number, a: readonly number[], b: readonly number[]): number {
  let equal = 0;
  for (let secret = 0; secret < secrets; secret++) {
    const hash = new KeyedHash(secret, 1234 - secret);
    if (((hash.triple(a[0]!, a[1]!, a[2]!) ^ hash.triple(b[0]!, b[1]!, b[2]!)) & MASK) === 0) equal++;
  }
  return equal;
}

test('no pair of keys collides for more secrets than chance gives', () => {
  const local = 0x0a000001;
  const pairs: [number[], number[]][] = [
    [
      [0, local, 0],
      [0, local, 1],
    ],
    [
      [1, local, 0],
      [0, local, 1],
    ],
    [
      [0x0a000002, local, 80 << 16],
      [0x0a000003, local, 80 << 16],
    ],
    // Top bits only, and the same difference in two words: what a product modulo 2³² is weak at.
    [
      [0, local, 0],
      [0x8000_0000 | 0, local, 0],
    ],
    [
      [0, local, 0],
      [0x8000_0000 | 0, local, 0x8000_0000 | 0],
    ],
    [
      [0x8000, local, 0],
      [0, local, 0x8000],
    ],
    [
      [0x1234_5678, local, -1],
      [0x1234_5678, local, 0x7fff_7fff],
    ],
  ];
  // 4096 secrets, chance 1 in 256: 16 expected; more than 40 has a probability below 1e-6.
  for (const [a, b] of pairs) assert.ok(collisions(4096, a, b) <= 40, `${a} and ${b}`);
});

test('addresses and ports in a row spread over a table', () => {
  const hash = new KeyedHash(1, 2);
  const places = new Int32Array(1024);
  for (let i = 0; i < 512; i++) places[hash.triple(0x0a64_0001 + i, 1, (80 << 16) | (30_000 + i)) & 1023]!++;
  assert.ok(Math.max(...places) <= 8);
});

test('a pair is a triple that ends in 0, and the secret matters', () => {
  const hash = new KeyedHash(5, 6);
  assert.equal(hash.pair(3, 4), hash.triple(3, 4, 0));
  assert.notEqual(hash.pair(3, 4), new KeyedHash(5, 7).pair(3, 4));
});
