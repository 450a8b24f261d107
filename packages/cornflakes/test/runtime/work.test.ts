// How much is done for a message: the words that are read, counted, to verify it and to walk all of it. No clock: what is
// counted is the same on every machine.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MalformedMessageError, type Message, type MessageType, OK, TOO_MUCH_WORK } from '../../src/index.ts';
import { Source } from '../../src/source.ts';
import { Batch, Everything, GetResp } from '../contract/contract.ts';
import { mutate, Random, READ_AS, wellFormed } from './mutation.ts';

/** Counts every look into the message. */
class CountingSource extends Source {
  looks = 0;

  override i32(offset: number): number {
    this.looks++;
    return super.i32(offset);
  }

  override u32(offset: number): number {
    this.looks++;
    return super.u32(offset);
  }

  override f64(offset: number): number {
    this.looks++;
    return super.f64(offset);
  }

  override f32(offset: number): number {
    this.looks++;
    return super.f32(offset);
  }

  override seek(offset: number, length: number): boolean {
    this.looks++;
    return super.seek(offset, length);
  }
}

interface Work {
  reason: number;
  /** Looks to verify and load. */
  verified: number;
  /** Looks to read everything, by printing it and by writing it again. */
  walked: number;
}

function workOf(type: MessageType<Message>, bytes: Uint8Array): Work {
  const message = type.acquire();
  const source = new CountingSource();
  message.internals.source = source;
  const reason = message.tryRead(bytes);
  const verified = source.looks;
  try {
    JSON.stringify(message);
    message.toBytes();
  } catch (error) {
    if (!(error instanceof MalformedMessageError)) throw error;
  }
  const walked = source.looks - verified;
  message.internals.source = undefined;
  message.clear();
  return { reason, verified, walked };
}

/** Looks per byte, beyond a few for the root, that no message may cost. Measured: 0.5 and 0.9 at most. */
const VERIFY_PER_BYTE = 1;
const WALK_PER_BYTE = 2;
const SLACK = 64;

function assertBounded(type: MessageType<Message>, bytes: Uint8Array, what: string): Work {
  const work = workOf(type, bytes);
  const { length } = bytes;
  assert.ok(
    work.verified <= VERIFY_PER_BYTE * length + SLACK,
    `${what}: ${work.verified} for ${length} bytes`,
  );
  assert.ok(work.walked <= WALK_PER_BYTE * length + SLACK, `${what}: ${work.walked} to walk ${length} bytes`);
  return work;
}

function words(...values: number[]): Uint8Array {
  const bytes = new Uint8Array(4 * values.length);
  const view = new DataView(bytes.buffer);
  for (const [i, value] of values.entries()) view.setUint32(4 * i, value, true);
  return bytes;
}

/** By name: a message of about `n` parts made to cost as much as it can. */
const COSTLY: Record<string, (n: number) => [MessageType<Message>, Uint8Array]> = {
  'many blobs of nothing': n => [
    Batch.type,
    // id 2: vals, a table of n empty blobs.
    words(1, 0x2, n, 16, ...Array.from({ length: 2 * n }, () => 0)),
  ],
  'many empty messages': n => [
    Batch.type,
    words(
      ...[1, 0x4, n, 16],
      ...Array.from({ length: n }, (_, i) => [8, 16 + 8 * n + 8 * i]).flat(),
      ...Array.from({ length: n }, () => [1, 0]).flat(),
    ),
  ],
  'one header many times': n => [
    Batch.type,
    words(
      ...[1, 0x4, n, 16],
      ...Array.from({ length: n }, () => [8, 16 + 8 * n]).flat(),
      // Bytes that nothing points to pay for it.
      ...Array.from({ length: 2 * n }, () => 0),
    ).map((byte, at) => (at === 16 + 8 * n ? 1 : byte)),
  ],
  'eight presence words with nothing in them': n => [
    Everything.type,
    (() => {
      const message = Everything.acquire();
      for (let i = 0; i < n; i++) message.points.add();
      const small = message.toBytes();
      message.release();
      // Each element's header is 8 bytes; 36 of the widest form instead.
      const table = new DataView(small.buffer).getUint32(28, true);
      const all = new Uint8Array(table + 8 * n + 36 * n);
      all.set(small.subarray(0, table));
      const view = new DataView(all.buffer);
      for (let i = 0; i < n; i++) {
        const header = table + 8 * n + 36 * i;
        view.setUint32(table + 8 * i, 36, true);
        view.setUint32(table + 8 * i + 4, header, true);
        view.setUint32(header, 8 | (1 << 24), true);
      }
      return all;
    })(),
  ],
  'unknown fields, dense and sparse': n => [
    Everything.type,
    (() => {
      // One header: 4 presence words, 16 kind words of fixed 32, 120 sparse entries; a Point knows the first two fields.
      const header = [4 | (16 << 8) | (120 << 16) | (1 << 24)];
      for (let i = 0; i < 4; i++) header.push(i === 0 ? 0xffff_fffc : 0xffff_ffff);
      for (let i = 0; i < 16; i++) header.push(0x1111_1111);
      for (let i = 0; i < 126; i++) header.push(i);
      for (let i = 0; i < 120; i++) header.push(((1 << 29) | (2000 + i)) >>> 0, i, 0);
      const message = Everything.acquire();
      for (let i = 0; i < n; i++) message.points.add();
      const small = message.toBytes();
      message.release();
      const table = new DataView(small.buffer).getUint32(28, true);
      const all = new Uint8Array(table + 8 * n + 4 * header.length * n);
      all.set(small.subarray(0, table));
      const view = new DataView(all.buffer);
      const one = words(...header);
      for (let i = 0; i < n; i++) {
        const at = table + 8 * n + one.length * i;
        view.setUint32(table + 8 * i, one.length, true);
        view.setUint32(table + 8 * i + 4, at, true);
        all.set(one, at);
      }
      return all;
    })(),
  ],
  'lists of every kind': n => [
    Everything.type,
    (() => {
      const message = Everything.acquire();
      for (let i = 0; i < n; i++) {
        message.steps.add(i);
        message.times.add(i);
        message.weights.add(i);
        message.flags.add(true);
        message.names.add('');
        message.blobs.add(new Uint8Array(0));
        message.points.add();
      }
      return message.toBytes();
    })(),
  ],
};

for (const [name, make] of Object.entries(COSTLY)) {
  test(`the work grows with the size and no faster: ${name}`, () => {
    const [small, large] = [100, 1600].map(n => {
      const [type, bytes] = make(n);
      const work = assertBounded(type, bytes, name);
      assert.equal(work.reason, OK);
      return { ...work, length: bytes.length };
    });
    const factor = large!.length / small!.length;
    assert.ok(large!.verified <= 1.1 * factor * small!.verified + SLACK, 'to verify');
    assert.ok(large!.walked <= 1.1 * factor * small!.walked + SLACK, 'to walk');
  });
}

test('a message whose parts multiply is refused before the work has', () => {
  // Batch has no list of itself, so: levels of `next`, each with a table that has its own header twice.
  const levels = 40;
  const header: number[] = [];
  for (let i = 0; i < levels; i++) {
    const at = 4 * header.length;
    header.push(1, 0x84, 2, at + 24, 0, i + 1 < levels ? at + 40 : at);
    header.push(8, at, 8, at);
  }
  const work = assertBounded(Batch.type, words(...header), 'levels');
  assert.notEqual(work.reason, OK);
  // The same table for every level: as many elements as fit, over and over.
  const n = 1000;
  const shared = [
    ...[1, 0x84, n, 24, 0, 0],
    ...Array.from({ length: n }, () => [8, 24 + 8 * n]).flat(),
    1,
    0,
  ];
  assert.equal(assertBounded(Batch.type, words(...shared), 'shared').reason, TOO_MUCH_WORK);
});

test('no mutation makes a message cost more than its length allows', () => {
  const random = new Random(7);
  const wires = wellFormed(7);
  let verify = 0;
  let walk = 0;
  for (let i = 0; i < 30_000; i++) {
    const bytes = wires[random.below(wires.length)]!.slice();
    mutate(random, new DataView(bytes.buffer), 0, bytes.length);
    const type = READ_AS[random.below(READ_AS.length)]!;
    const work = assertBounded(type, bytes, `mutation ${i}`);
    verify = Math.max(verify, (work.verified - SLACK) / bytes.length);
    walk = Math.max(walk, (work.walked - SLACK) / bytes.length);
  }
  console.log(`# looks per byte at most: ${verify.toFixed(2)} to verify, ${walk.toFixed(2)} to walk`);
});

test('a long value costs no more looks than a short one', () => {
  const looks = [10, 1_000_000].map(length => {
    const message = GetResp.acquire();
    message.val = new Uint8Array(length);
    const { verified } = workOf(GetResp.type, message.toBytes());
    message.release();
    return verified;
  });
  assert.equal(looks[0], looks[1]);
});
