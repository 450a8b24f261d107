// What the verifier refuses, by hand-made bytes. How much work it does is counted in work.test.ts.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { heapRegion, SlotPool } from '@demikernel/memory';
import * as reasons from '../../src/error.ts';
import type { Message, MessageType, ReadOptions } from '../../src/index.ts';
import { HeaderLayout } from '../../src/layout.ts';
import { Source } from '../../src/source.ts';
import { INT32 } from '../../src/wire.ts';
import { Everything, GetResp, Point, Tick } from '../contract/contract.ts';

function reasonOf(type: MessageType<Message>, hex: string | Uint8Array, options?: ReadOptions): number {
  const message = type.acquire();
  const bytes = typeof hex === 'string' ? Buffer.from(hex.replaceAll(' ', ''), 'hex') : hex;
  const reason = message.tryRead(bytes, options);
  message.release();
  return reason;
}

const refused: [string, MessageType<Message>, string, number, ReadOptions?][] = [
  ['nothing', Point.type, '', reasons.OUT_OF_BOUNDS],
  ['half a header', Point.type, '01000000 03', reasons.OUT_OF_BOUNDS],
  ['a header without its values', Point.type, '01000000 03000000 01000000', reasons.OUT_OF_BOUNDS],
  ['no presence words', Point.type, '00000000 00000000', reasons.BAD_HEADER],
  ['too many presence words', Point.type, '09000000 00000000', reasons.BAD_HEADER],
  ['an unknown version', Point.type, '01000002 00000000', reasons.BAD_HEADER],
  ['an offset behind the end', GetResp.type, '01000000 02000000 01000000 11000000', reasons.OUT_OF_BOUNDS],
  [
    'an offset and a length whose sum wraps',
    GetResp.type,
    '01000000 02000000 f0ffffff 10000000',
    reasons.OUT_OF_BOUNDS,
  ],
  ['a length behind the end', GetResp.type, '01000000 02000000 02000000 10000000 61', reasons.OUT_OF_BOUNDS],
  ['a field before a known one', GetResp.type, '01000000 02000000 00000000', reasons.OUT_OF_BOUNDS],
  [
    'blobs on top of the header',
    GetResp.type,
    '01000000 03000000 00000000 14000000 00000000',
    reasons.TOO_MUCH_WORK,
  ],
  [
    'a gap, strictly',
    GetResp.type,
    '01000000 02000000 01000000 11000000 0061',
    reasons.NOT_CANONICAL,
    { strict: true },
  ],
  [
    'a byte too many, strictly',
    Point.type,
    '01000000 01000000 05000000 00',
    reasons.NOT_CANONICAL,
    { strict: true },
  ],
  ['more bytes than allowed', Point.type, '01000000 00000000', reasons.TOO_LONG, { maxBytes: 7 }],
  ['a presence bit without a kind', Tick.type, '01010001 00010000 22213211', reasons.BAD_HEADER],
  // number and text, 25 and 26 of Everything: a u32 and a blob.
  [
    'two fields of a oneof',
    Everything.type,
    '01040001 00000003 11112122 12122123 14333333 56566311 07000000 00000000 00000000',
    -1,
  ],
];

for (const [name, type, hex, reason, options] of refused) {
  if (reason < 0) continue;
  test(`refused: ${name}`, () => {
    assert.equal(reasonOf(type, hex, options), reason);
    assert.throws(() => type.read(Buffer.from(hex.replaceAll(' ', ''), 'hex'), options), {
      code: 'ERR_DEMI_MALFORMED_MESSAGE',
      reason,
    });
  });
}

test('refused: two fields of a oneof', () => {
  const message = Everything.acquire();
  message.number = 1;
  const bytes = message.toBytes();
  // Presence bit 26 - 1 as well; its entry points at an empty string.
  bytes[7]! |= 0x02;
  const two = new Uint8Array(bytes.length + 8);
  two.set(bytes);
  assert.equal(reasonOf(Everything.type, two), reasons.SEVERAL_OF_ONEOF);
});

test('refused: a known field of another kind', () => {
  const message = Everything.acquire();
  message.maybe = 5;
  assert.equal(reasonOf(Tick.type, message.toBytes()), reasons.OK);
  message.ready = true;
  // Field 1 of Tick, 4 bytes, against a message whose field 1 has 8.
  const tick = Tick.acquire();
  tick.id = 1;
  const bytes = tick.toBytes();
  bytes[8] = (bytes[8]! & 0xf0) | 2;
  assert.equal(reasonOf(Tick.type, Buffer.concat([bytes, new Uint8Array(4)])), reasons.WRONG_KIND);
});

test('refused: unknown fields in front of known ones, in the format that cannot skip them', () => {
  // Read as GetResp2 { val = 2 } would be; here: Point has 1 and 2, the message 1, 2 and 3, then nothing known.
  assert.equal(reasonOf(Point.type, '01000000 07000000 01000000 02000000 03000000'), reasons.OK);
});

test('refused: nested too deep, and a message within itself', () => {
  const message = Everything.acquire();
  let inner = message;
  for (let i = 0; i < 64; i++) inner = inner.mutableInner();
  assert.equal(reasonOf(Everything.type, message.toBytes()), reasons.OK);
  inner.mutableInner();
  assert.equal(reasonOf(Everything.type, message.toBytes()), reasons.TOO_DEEP);
  const self = Everything.acquire();
  self.mutableInner();
  const bytes = self.toBytes();
  new DataView(bytes.buffer).setUint32(28, 0, true);
  assert.equal(reasonOf(Everything.type, bytes, { maxDepth: 1_000_000 }), reasons.TOO_MUCH_WORK);
});

test('refused: tables of tables that share their ends', () => {
  // Each level has two entries that both point at the next: 2^n headers in n of them.
  const message = Everything.acquire();
  for (let i = 0; i < 1000; i++) message.points.add().x = i;
  const bytes = message.toBytes();
  const view = new DataView(bytes.buffer);
  const table = view.getUint32(28, true);
  assert.equal(view.getUint32(24, true), 1000);
  // A thousand entries for one point are less than a thousand points: within the budget.
  for (let i = 0; i < 1000; i++) view.setUint32(table + 8 * i + 4, view.getUint32(table + 4, true), true);
  assert.equal(reasonOf(Everything.type, bytes), reasons.OK);
  assert.equal(reasonOf(Everything.type, bytes, { strict: true }), reasons.NOT_CANONICAL);
  // For as many large ones they are more.
  const large = Everything.acquire();
  large.data = new Uint8Array(100_000);
  for (let i = 0; i < 100; i++) large.blobs.add(Uint8Array.of(i));
  const shared = large.toBytes();
  const words = new DataView(shared.buffer);
  const blobs = words.getUint32(36, true);
  assert.equal(words.getUint32(32, true), 100);
  for (let i = 0; i < 100; i++) {
    words.setUint32(blobs + 8 * i, 100_000, true);
    words.setUint32(blobs + 8 * i + 4, words.getUint32(28, true), true);
  }
  assert.equal(reasonOf(Everything.type, shared), reasons.TOO_MUCH_WORK);
});

test('refused when asked for: a string that is not UTF-8', () => {
  const message = Everything.acquire();
  message.name = Uint8Array.of(0x61, 0xff);
  const bytes = message.toBytes();
  assert.equal(reasonOf(Everything.type, bytes, { strict: true }), reasons.BAD_UTF8);
  const read = Everything.read(bytes);
  assert.throws(() => read.name, { code: 'ERR_DEMI_MALFORMED_MESSAGE', reason: reasons.BAD_UTF8 });
  assert.deepEqual(read.nameField.bytes(), Uint8Array.of(0x61, 0xff));
  // The replacement character itself is a character like others.
  message.name = 'a\ufffdb';
  assert.equal(Everything.read(message.toBytes(), { strict: true }).name, 'a\ufffdb');
});

test('reading without verification still never reaches outside the message', () => {
  const read = GetResp.read(Buffer.from('010000000200000001000000ff000000', 'hex'), { verify: false });
  assert.throws(() => read.valField.copy(), { code: 'ERR_DEMI_MALFORMED_MESSAGE' });
});

test('a count is checked before anything is made of it', () => {
  const message = Everything.acquire();
  message.names.add('x');
  const bytes = message.toBytes();
  new DataView(bytes.buffer).setUint32(24, 0xffff_ffff, true);
  assert.equal(reasonOf(Everything.type, bytes), reasons.OUT_OF_BOUNDS);
});

test('memory that changes after it was verified, as shared memory can, is never read beyond', () => {
  const message = Everything.acquire();
  message.data = new Uint8Array(50);
  message.names.add('x');
  message.points.add().x = 1;
  message.steps.add(1);
  message.mutableInner().name = 'y';
  const bytes = message.toBytes();
  const read = Everything.read(bytes);
  bytes.fill(0xff, 4);
  const malformed = { code: 'ERR_DEMI_MALFORMED_MESSAGE' };
  assert.throws(() => read.names.at(0), malformed);
  assert.throws(() => read.points.at(0), malformed);
  assert.throws(() => read.inner, malformed);
  assert.equal(read.steps.at(0), -1);
  assert.throws(() => GetResp.read(bytes, { verify: false }), malformed);
  assert.equal(reasonOf(GetResp.type, bytes, { verify: false }), reasons.OUT_OF_BOUNDS);
});

test('memory that changes while it is verified is refused, or read within its bounds, and nothing is held', () => {
  const pool = new SlotPool(heapRegion(1 << 16), { slotSizeBytes: 4096 });
  const message = Everything.acquire();
  message.data = new Uint8Array(50);
  message.far = 'sparse';
  message.names.add('x');
  message.mutableInner().points.add().x = 1;
  const bytes = message.toBytes();
  message.release();
  let state = 1;
  for (let round = 0; round < 3000; round++) {
    const array = pool.allocArray(bytes.length)!;
    array.copyFrom(bytes);
    const { offset } = array.segments[0]!;
    const read = Everything.acquire();
    // Someone else writes a word of the header each time a word has been read.
    const source = read.internals.sourceToRead();
    const i32 = source.i32.bind(source);
    const u32 = source.u32.bind(source);
    let looks = 0;
    const scribble = (): void => {
      if (++looks % (1 + (round % 7)) !== 0) return;
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      const at = offset + 4 * ((state >>> 8) % 20);
      pool.region.view.setUint32(at, (state >>> 3) % (round % 2 === 0 ? 300 : 0xffff_ffff), true);
    };
    source.i32 = at => {
      scribble();
      return i32(at);
    };
    source.u32 = at => {
      scribble();
      return u32(at);
    };
    const reason = read.tryRead(array);
    if (reason === reasons.OK) {
      try {
        JSON.stringify(read);
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'ERR_DEMI_MALFORMED_MESSAGE');
      }
    }
    array.free();
    read.internals.source = undefined;
    source.detach();
    read.clear();
    assert.equal(pool.freeSlots, pool.slotCount, `round ${round}`);
  }
});

test('a long list is not kept for ever, and looking at its end makes no more than one element', () => {
  const message = Everything.acquire();
  for (let i = 0; i < 5000; i++) message.points.add().x = i;
  const read = Everything.read(message.toBytes());
  assert.equal(read.points.at(4999).x, 4999);
  read.clear();
  read.points.add();
  assert.equal(read.points.length, 1);
  assert.equal(read.points.at(0).hasX, false);
  read.release();
  message.release();
});

test('an empty array is no message', () => {
  const array = new SlotPool(heapRegion(4096), { slotSizeBytes: 256 }).array();
  assert.equal(Point.acquire().tryRead(array), reasons.OUT_OF_BOUNDS);
});

test('presence words of sparse fields are not left over from another message', () => {
  // 80 sparse fields behind the one presence word: three words more in memory.
  const fields = Array.from({ length: 80 }, (_, i) => ({
    number: 1000 + i,
    name: `f${i}`,
    type: INT32,
  }));
  const layout = new HeaderLayout('sparse', 1, fields);
  assert.equal(layout.memoryWords, 4);
  const source = new Source();
  for (const first of [1, 0x0100_0001]) {
    source.attach(Uint8Array.of(...new Uint8Array(Uint32Array.of(first, 0).buffer)));
    source.present.fill(-1);
    source.enter(Point.acquire().internals, { layout }, 0);
    assert.deepEqual([...source.present.subarray(1, 4)], [0, 0, 0]);
  }
});
