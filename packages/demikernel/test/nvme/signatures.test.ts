// What is told from a device's bytes: magic numbers where they belong, and nothing where they do not. Real file systems are
// looked at in the guest.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findSignature, isBlank } from '../../src/nvme/signatures.ts';
import { SeededRandom } from '../../src/runtime/random.ts';

const LENGTH = 4 << 20;

function holding(at: number, magic: string | number[], lengthBytes = LENGTH): string | undefined {
  const bytes = new Uint8Array(lengthBytes);
  bytes.set(typeof magic === 'string' ? Buffer.from(magic, 'latin1') : magic, at);
  return findSignature((offset, length) => bytes.slice(offset, offset + length), lengthBytes);
}

const CASES: [string, number, string | number[]][] = [
  ['ext4', 0x438, [0x53, 0xef]],
  ['XFS', 0, 'XFSB'],
  ['Btrfs', 0x10040, '_BHRfS_M'],
  ['FAT', 82, 'FAT32   '],
  ['swap', 4086, 'SWAPSPACE2'],
  ['LUKS', 0, [0x4c, 0x55, 0x4b, 0x53, 0xba, 0xbe]],
  ['LVM', 512, 'LABELONE'],
  ['GUID', 512, 'EFI PART'],
  ['GUID', 4096, 'EFI PART'],
  ['GUID', LENGTH - 512, 'EFI PART'],
  ['RAID', 4096, [0xfc, 0x4e, 0x2b, 0xa9]],
  ['RAID', LENGTH - 65536, [0xfc, 0x4e, 0x2b, 0xa9]],
  ['RAID', LENGTH - 8192, [0xfc, 0x4e, 0x2b, 0xa9]],
  ['ZFS', 0x20000, [0x0c, 0xb1, 0xba, 0]],
];

for (const [name, at, magic] of CASES) {
  test(`${name} at ${at}`, () => assert.match(holding(at, magic) ?? '', new RegExp(name, 'i')));
}

test('a partition table has a signature and a partition', () => {
  assert.equal(holding(510, [0x55, 0xaa]), undefined);
  const entry = [0, 0, 0, 0, 0x83, 0, 0, 0, 0, 8, 0, 0, 0, 16, 0, 0];
  assert.equal(holding(446, [...entry, ...new Array<number>(48).fill(0), 0x55, 0xaa]), 'a partition table');
});

test('nothing in zeros, nothing in noise, nothing in what is too small', () => {
  assert.equal(holding(0, ''), undefined);
  for (const lengthBytes of [512, 4096, 70_000, 300_000])
    assert.equal(holding(0, '', lengthBytes), undefined);
  const random = new SeededRandom(1);
  for (let i = 0; i < 20; i++) {
    const noise = new Uint8Array(1 << 20);
    random.fill(noise);
    assert.equal(
      findSignature((offset, length) => noise.slice(offset, offset + length), noise.length),
      undefined,
    );
    assert.equal(
      isBlank((offset, length) => noise.slice(offset, offset + length), noise.length),
      false,
    );
  }
  assert.equal(
    isBlank((_, length) => new Uint8Array(length), 1 << 20),
    true,
  );
});
