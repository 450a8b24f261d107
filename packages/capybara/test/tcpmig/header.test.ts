// The header of migration messages: golden bytes, the MAC, and what is not taken for one.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SipHash } from 'demikernel/migration';
import { SeededRandom } from 'demikernel/stack';
import {
  AT_MAC,
  AT_PAYLOAD_BYTES,
  AT_STAGE,
  CLAIM_BACK,
  HEADER_BYTES,
  HeaderMac,
  LAST_STAGE,
  MigrationHeader,
  PREPARE,
  parseHeader,
  STAGE_NAMES,
  STATE,
  VERDICT,
  writeHeader,
} from '../../src/tcpmig/header.ts';

/** The key of SipHash's own test vectors: 00 01 … 0f. */
const KEY = [0x03020100, 0x07060504, 0x0b0a0908, 0x0f0e0d0c] as const;

function hex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text.replace(/\s/g, ''), 'hex'));
}

/** Bytes as docs/capybara-protocol.md prints them. */
const VECTORS: readonly { name: string; bytes: string; header: Partial<MigrationHeader> }[] = [
  {
    name: 'PREPARE to the least loaded',
    header: {
      stage: PREPARE,
      flags: 2,
      clientAddress: 0x0a000001,
      virtualAddress: 0x0a0000fe,
      clientPort: 40_000,
      virtualPort: 80,
      identifierLow: 0x55667788,
      identifierHigh: 0x11223344,
      origin: 1,
      target: 0xffff,
      sender: 1,
      totalBytes: 1500,
    },
    bytes: `44 4d 49 47 01 01 02 00  0a 00 00 01 0a 00 00 fe  9c 40 00 50 00 00 00 00
            88 77 66 55 44 33 22 11  01 00 ff ff 00 00 00 00  dc 05 00 00 00 00 01 00
            00 00 00 00 ff ff ff ff  a8 df 51 ea 3a cd cd 38`,
  },
  {
    name: 'a fragment of STATE',
    header: {
      stage: STATE,
      clientAddress: 0x0a000001,
      virtualAddress: 0x0a0000fe,
      clientPort: 40_000,
      virtualPort: 80,
      epoch: 7,
      identifierLow: 0x55667788,
      identifierHigh: 0x11223344,
      origin: 1,
      target: 2,
      fragmentIndex: 1,
      fragmentCount: 2,
      totalBytes: 1500,
      payloadBytes: 92,
      sender: 1,
    },
    bytes: `44 4d 49 47 01 04 00 00  0a 00 00 01 0a 00 00 fe  9c 40 00 50 07 00 00 00
            88 77 66 55 44 33 22 11  01 00 02 00 01 00 02 00  dc 05 00 00 5c 00 01 00
            00 00 00 00 ff ff ff ff  3c 0c f5 4e 4b 63 9a 25`,
  },
  {
    name: 'a VERDICT: lost',
    header: {
      stage: VERDICT,
      verdict: 2,
      clientAddress: -0x3f57ff9c,
      virtualAddress: 0x0a0000fe,
      clientPort: 65_535,
      virtualPort: 443,
      epoch: -1,
      identifierLow: -1,
      identifierHigh: -2,
      origin: 1,
      target: 2,
      sender: 1,
      entryEpoch: 0x12345678,
      entryOwner: 3,
      entryTarget: 0xffff,
    },
    bytes: `44 4d 49 47 01 08 00 02  c0 a8 00 64 0a 00 00 fe  ff ff 01 bb ff ff ff ff
            ff ff ff ff fe ff ff ff  01 00 02 00 00 00 00 00  00 00 00 00 00 00 01 00
            78 56 34 12 03 00 ff ff  50 df 67 93 f2 75 da c1`,
  },
];

function mac(): HeaderMac {
  return new HeaderMac(new SipHash(...KEY));
}

for (const { name, bytes, header } of VECTORS) {
  test(`golden bytes: ${name}`, () => {
    const expected = hex(bytes);
    const h = Object.assign(new MigrationHeader(), header);
    const view = new DataView(new ArrayBuffer(HEADER_BYTES + 100));
    writeHeader(h, view, 8, mac());
    assert.deepEqual(new Uint8Array(view.buffer, 8, HEADER_BYTES), expected);
    const read = new MigrationHeader();
    assert.ok(parseHeader(read, view, 8, HEADER_BYTES + h.payloadBytes, mac()));
    assert.deepEqual(read, h);
  });
}

test('what is not a whole header with our MAC is none, and leaves the reader as it was', () => {
  const h = Object.assign(new MigrationHeader(), VECTORS[1]!.header);
  const bytes = new Uint8Array(HEADER_BYTES + h.payloadBytes);
  const view = new DataView(bytes.buffer);
  writeHeader(h, view, 0, mac());
  const read = new MigrationHeader();
  const before = { ...read };
  assert.ok(!parseHeader(read, view, 0, bytes.length - 1, mac()), 'payload cut');
  assert.ok(!parseHeader(read, view, 0, HEADER_BYTES - 1, mac()), 'header cut');
  assert.ok(!parseHeader(read, view, 1, bytes.length, mac()), 'beyond the view');
  assert.ok(!parseHeader(read, view, 0, bytes.length, new HeaderMac(new SipHash(1, 2, 3, 4))), 'another key');
  for (let bit = 0; bit < HEADER_BYTES * 8; bit++) {
    bytes[bit >> 3]! ^= 1 << (bit & 7);
    assert.ok(!parseHeader(read, view, 0, bytes.length, mac()), `bit ${bit} turned`);
    bytes[bit >> 3]! ^= 1 << (bit & 7);
  }
  for (const stage of [0, LAST_STAGE + 1, 255]) {
    view.setUint8(AT_STAGE, stage);
    mac().sign(view, 0);
    assert.ok(!parseHeader(read, view, 0, bytes.length, mac()), `stage ${stage}`);
  }
  view.setUint8(AT_STAGE, CLAIM_BACK);
  view.setUint16(AT_PAYLOAD_BYTES, 0xffff, true);
  mac().sign(view, 0);
  assert.ok(!parseHeader(read, view, 0, bytes.length, mac()), 'more payload than there is');
  assert.deepEqual({ ...read }, before);
});

test('random bytes never pass for a header', () => {
  const random = new SeededRandom(1);
  const view = new DataView(new ArrayBuffer(HEADER_BYTES));
  const h = new MigrationHeader();
  for (let i = 0; i < 20_000; i++) {
    for (let at = 0; at < HEADER_BYTES; at += 4) view.setInt32(at, random.int32());
    // Half of them get as far as the MAC.
    if ((i & 1) === 0) {
      view.setInt32(0, 0x47494d44, true);
      view.setUint16(4, 0x0100 | (1 + (i % LAST_STAGE)));
      view.setUint16(AT_PAYLOAD_BYTES, 0, true);
    }
    assert.ok(!parseHeader(h, view, 0, HEADER_BYTES, mac()));
  }
});

test('every stage has a name, every field its own place', () => {
  assert.equal(STAGE_NAMES.length, LAST_STAGE + 1);
  assert.equal(AT_MAC % 8, 0);
});
