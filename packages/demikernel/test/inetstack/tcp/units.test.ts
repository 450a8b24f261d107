// The pure parts: hex vectors for headers and options, hashes, sequence arithmetic, reassembly, the table, the estimator.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { heapRegion, SlotPool } from '@demikernel/memory';
import type { TcpConnection } from '../../../src/inetstack/tcp/connection.ts';
import * as counters from '../../../src/inetstack/tcp/counters.ts';
import { TCP_COUNTERS } from '../../../src/inetstack/tcp/counters.ts';
import { Demultiplexer } from '../../../src/inetstack/tcp/demultiplexer.ts';
import { writeSynOptions } from '../../../src/inetstack/tcp/options.ts';
import { Reassembly } from '../../../src/inetstack/tcp/reassembly.ts';
import { sampleRtt } from '../../../src/inetstack/tcp/rtt.ts';
import { parseSegment, Segment } from '../../../src/inetstack/tcp/segment.ts';
import { seqGe, seqGt, seqLe, seqLt } from '../../../src/inetstack/tcp/sequence.ts';
import { SipHash } from '../../../src/inetstack/tcp/siphash.ts';
import { TCP_STATE_FIELDS } from '../../../src/inetstack/tcp/state-fields.ts';
import { tcpConfiguration } from '../../../src/inetstack/tcp/tcp-configuration.ts';
import { SeededRandom } from '../../../src/runtime/random.ts';
import { TcpScript } from './tcp-script.ts';

function parse(hex: string): Segment | undefined {
  const bytes = Buffer.from(hex.replaceAll(' ', ''), 'hex');
  const segment = new Segment();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return parseSegment(segment, view, 0, bytes.length) ? segment : undefined;
}

const HEADER = '0fa0 0050 fffffff0 00000001';

test('a plain header', () => {
  const s = parse(`${HEADER} 5018 1000 abcd 0000 010203`)!;
  assert.equal(s.sourcePort, 4000);
  assert.equal(s.destinationPort, 80);
  assert.equal(s.seq, -16);
  assert.equal(s.ack, 1);
  assert.equal(s.flags, 0x18);
  assert.equal(s.window, 0x1000);
  assert.equal(s.payloadOffset, 20);
  assert.equal(s.payloadBytes, 3);
  assert.equal(s.hasTimestamps, 0);
  assert.equal(s.mss, 0);
  assert.equal(s.windowScale, -1);
});

/** Options in hex, and what is made of them: [mss, windowScale, hasTimestamps, tsVal, tsEcr]. */
const OPTIONS: [string, [number, number, number, number, number]][] = [
  ['020405b4', [1460, -1, 0, 0, 0]],
  ['020405b4 01030307', [1460, 7, 0, 0, 0]],
  ['020405b4 0402 080a 00000011 00000022 01030307', [1460, 7, 1, 0x11, 0x22]],
  ['0101080a 80000000 7fffffff', [0, -1, 1, -0x80000000, 0x7fffffff]],
  ['080a 00000001 00000002 0101', [0, -1, 1, 1, 2]],
  ['0303ff00', [0, 14, 0, 0, 0]],
  ['00 020405', [0, -1, 0, 0, 0]],
  ['01010100', [0, -1, 0, 0, 0]],
  ['0200 0204', [0, -1, 0, 0, 0]],
  ['0201 0204', [0, -1, 0, 0, 0]],
  ['020305b4', [0, -1, 0, 0, 0]],
  ['02050000 00000000', [0, -1, 0, 0, 0]],
  ['0101010802000000', [0, -1, 0, 0, 0]],
  ['08ff0000', [0, -1, 0, 0, 0]],
  ['fd060000 0000 0101 020400ff', [255, -1, 0, 0, 0]],
  ['0101 0102', [0, -1, 0, 0, 0]],
];

for (const [hex, expected] of OPTIONS) {
  test(`options ${hex}`, () => {
    const bytes = Buffer.from(hex.replaceAll(' ', ''), 'hex');
    const words = ((20 + bytes.length) / 4).toString(16);
    const s = parse(`${HEADER} ${words}002 1000 abcd 0000 ${hex}`)!;
    assert.deepEqual([s.mss, s.windowScale, s.hasTimestamps, s.tsVal, s.tsEcr], expected);
  });
}

test('headers that do not fit are refused', () => {
  assert.equal(parse(HEADER), undefined);
  assert.equal(parse(`${HEADER} 4010 1000 abcd 0000`), undefined);
  assert.equal(parse(`${HEADER} 6010 1000 abcd 0000`), undefined);
  assert.equal(parse(`${HEADER} f010 1000 abcd 0000 00000000`), undefined);
  assert.equal(parse(''), undefined);
});

test('options of a SYN are written as they are read', () => {
  const bytes = Buffer.alloc(20);
  writeSynOptions(new DataView(bytes.buffer, bytes.byteOffset), 0, 1460, 7, false, true, 0x01020304, -1);
  assert.equal(bytes.toString('hex'), '020405b4010303070101080a01020304ffffffff');
  writeSynOptions(new DataView(bytes.buffer, bytes.byteOffset), 0, 1460, 7, true, true, 0x01020304, -1);
  assert.equal(bytes.toString('hex'), '020405b4010303070402080a01020304ffffffff');
  const short = Buffer.alloc(8);
  writeSynOptions(new DataView(short.buffer, short.byteOffset), 0, 1460, -1, true, false, 0, 0);
  assert.equal(short.toString('hex'), '020405b404020101');
});

test('sequence numbers compare across the wrap', () => {
  const high = 0xfffffff0 | 0;
  assert.ok(seqLt(high, 5) && seqGt(5, high) && seqLe(high, high) && seqGe(high, high));
  assert.ok(!seqLt(5, high) && !seqGt(high, 5));
  assert.ok(seqLt(0x7fffffff, 0x80000000 | 0));
});

test('SipHash-2-4 of the reference', () => {
  // Key 00 01 … 0f; messages 00 01 … of 0, 4, 8 and 12 bytes (Aumasson and Bernstein, appendix A and vectors.h).
  const hash = new SipHash(0x03020100, 0x07060504, 0x0b0a0908, 0x0f0e0d0c);
  const of = (words: number[]): string => {
    hash.hash(Int32Array.from(words));
    const bytes = Buffer.alloc(8);
    bytes.writeInt32LE(hash.low, 0);
    bytes.writeInt32LE(hash.high, 4);
    return bytes.toString('hex');
  };
  assert.equal(of([]), '310e0edd47db6f72');
  assert.equal(of([0x03020100]), 'b7877127e09427cf');
  assert.equal(of([0x03020100, 0x07060504]), '6224939a79f5f593');
});

test('reassembly holds every byte once, whatever overlaps', () => {
  for (let seed = 1; seed <= 300; seed++) {
    const random = new SeededRandom(seed);
    const pool = new SlotPool(heapRegion(128 * 256), { slotSizeBytes: 256, headroomBytes: 0 });
    const reassembly = new Reassembly();
    const base = 0xffffff00 | 0;
    const have = new Set<number>();
    for (let i = 0; i < 40; i++) {
      const start = 1 + random.below(400);
      const slice = pool.alloc(1 + random.below(60))!;
      for (let j = 0; j < slice.length; j++) {
        pool.region.bytes[slice.offset + j] = (start + j) * 31;
        have.add(start + j);
      }
      assert.ok(reassembly.insert((base + start) | 0, slice, 100));
    }
    assert.equal(reassembly.bytes, have.size, `seed ${seed}`);
    for (let at = 0; at < 500; ) {
      const slice = reassembly.take((base + at) | 0);
      if (slice === undefined) {
        assert.ok(!have.has(at), `seed ${seed}`);
        at++;
        continue;
      }
      for (let j = 0; j < slice.length; j++) {
        assert.equal(pool.region.bytes[slice.offset + j], ((at + j) * 31) & 255, `seed ${seed}`);
        assert.ok(have.delete(at + j));
      }
      at += slice.length;
      slice.release();
    }
    assert.equal(have.size, 0);
    assert.equal(reassembly.count, 0);
    assert.equal(pool.freeSlots, pool.slotCount);
  }
});

test('reassembly is bounded, and says so', () => {
  const pool = new SlotPool(heapRegion(16 * 256), { slotSizeBytes: 256, headroomBytes: 0 });
  const reassembly = new Reassembly();
  for (let i = 0; i < 3; i++) assert.ok(reassembly.insert(i * 10, pool.alloc(5)!, 3));
  assert.ok(!reassembly.insert(100, pool.alloc(5)!, 3));
  assert.ok(reassembly.insert(0, pool.alloc(5)!, 3)); // nothing new in it
  assert.equal(pool.freeSlots, 13);
  reassembly.clear();
  assert.equal(pool.freeSlots, 16);
});

test('the table finds what it holds through growth and removal', () => {
  const random = new SeededRandom(3);
  const table = new Demultiplexer(random);
  const all = Array.from({ length: 5000 }, (_, i) => ({
    remoteAddress: random.int32(),
    localAddress: 0x0a000001,
    ports: (80 << 16) | (i & 0xffff),
  })) as unknown as TcpConnection[];
  for (const c of all) table.add(c);
  assert.equal(table.count, 5000);
  for (const c of all) assert.equal(table.find(c.remoteAddress, c.localAddress, c.ports), c);
  for (let i = 0; i < all.length; i += 2) table.remove(all[i]!);
  table.remove(all[0]!); // gone already
  assert.equal(table.count, 2500);
  for (let i = 0; i < all.length; i++) {
    const c = all[i]!;
    assert.equal(table.find(c.remoteAddress, c.localAddress, c.ports), i % 2 === 0 ? undefined : c);
  }
});

test('the estimator converges, and the time-out stays within its bounds', () => {
  const script = new TcpScript();
  script.reach('ESTABLISHED');
  const c = script.connection;
  const configuration = tcpConfiguration();
  c.srttUs8 = 0;
  sampleRtt(c, configuration, 100);
  assert.equal(c.srttUs8, 800);
  assert.equal(c.rttvarUs4, 200);
  assert.equal(c.rtoUs, 5000);
  for (let i = 0; i < 100; i++) sampleRtt(c, configuration, 40_000);
  assert.ok(Math.abs((c.srttUs8 >> 3) - 40_000) < 100);
  assert.ok(c.rtoUs >= 40_000 && c.rtoUs < 60_000);
  sampleRtt(c, configuration, 2_000_000_000);
  for (let i = 0; i < 50; i++) sampleRtt(c, configuration, 2_000_000_000);
  assert.equal(c.rtoUs, 60_000_000);
  script.finishAll();
});

test('every field of a connection is exported or said to be derived', () => {
  const script = new TcpScript();
  script.reach('ESTABLISHED');
  const c = script.connection;
  const fields = Object.keys(c);
  const listed = new Set(Object.keys(TCP_STATE_FIELDS));
  for (const field of fields) assert.ok(listed.has(field), `${field} is on no list`);
  for (const field of listed) assert.ok(field in c, `${field} is no field`);
  for (const [field, kind] of Object.entries(TCP_STATE_FIELDS)) {
    const value = c[field as keyof TcpConnection];
    if (['int32', 'time32', 'timeMs', 'timeSeconds'].includes(kind)) {
      assert.ok(typeof value === 'number' && value === (value | 0), `${field} is an int32`);
    }
  }
  script.finishAll();
});

test('counters: one index and one name each', () => {
  const indices = Object.values(counters).filter(value => typeof value === 'number');
  assert.deepEqual(
    indices.sort((a, b) => a - b),
    TCP_COUNTERS.map((_, i) => i),
  );
  assert.equal(new Set(TCP_COUNTERS).size, TCP_COUNTERS.length);
});
