// Metrics: what the writer stores the reader finds; what is no metrics memory, or broken, is never an exception.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Metrics, metricsBytes, readMetrics } from '../../src/runtime/metrics.ts';

function filled(): ArrayBuffer {
  const buffer = new ArrayBuffer(metricsBytes(16));
  const metrics = new Metrics(buffer, { pid: 7, libos: 'catnap' });
  const counters = metrics.counters('tcp', ['segments', 'dropped']);
  counters[0] = 5;
  counters[1] = 2 ** 53;
  const table = metrics.table('connections', ['id', 'state', 'port'], 3);
  table.set([1, 4, 80], 0);
  table.set([9, 5, 443], 6);
  const histogram = metrics.histogram('turn');
  for (let i = 0; i < 100; i++) histogram.record(i);
  return buffer;
}

/** Where the directory of `filled` ends. */
function directoryBytes(buffer: ArrayBuffer): number {
  return new Uint32Array(buffer)[2]!;
}

function withDirectory(value: unknown): ArrayBuffer {
  const buffer = filled();
  const text = new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value));
  new Uint8Array(buffer).set(text, 16);
  new Uint32Array(buffer)[2] = text.length;
  return buffer;
}

test('a reader finds what a writer wrote', () => {
  const snapshot = readMetrics(filled())!;
  assert.deepEqual(snapshot.info, { pid: 7, libos: 'catnap' });
  assert.deepEqual(snapshot.counters, { tcp: { segments: 5, dropped: 2 ** 53 } });
  assert.deepEqual(snapshot.tables, {
    connections: [
      { id: 1, state: 4, port: 80 },
      { id: 9, state: 5, port: 443 },
    ],
  });
  assert.equal(snapshot.histograms.turn!.count, 100);
});

test('counters are live: a later reading sees later values', () => {
  const buffer = new ArrayBuffer(metricsBytes(0));
  const counters = new Metrics(buffer).counters('udp', ['in']);
  assert.equal(readMetrics(buffer)!.counters.udp!.in, 0);
  counters[0]!++;
  counters[0]! += 2;
  assert.equal(readMetrics(buffer)!.counters.udp!.in, 3);
});

test('quantiles are at most a sixteenth off, from 1 to the largest value', () => {
  const value = fc.oneof(
    fc.integer({ min: -5, max: 40 }),
    fc.integer({ min: 0, max: 0x7fff_ffff }),
    fc.constantFrom(2 ** 31 - 1, 2 ** 31, 2 ** 32 + 5, 1e12),
  );
  fc.assert(
    fc.property(
      fc.array(value, { minLength: 1, maxLength: 50 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (values, fraction) => {
        const buffer = new ArrayBuffer(metricsBytes(0));
        const histogram = new Metrics(buffer).histogram('h');
        for (const each of values) histogram.record(each);
        const sorted = values.map(each => Math.min(Math.max(each, 1), 2 ** 31 - 1)).sort((a, b) => a - b);
        const exact = sorted[Math.max(Math.ceil(fraction * sorted.length) - 1, 0)]!;
        const { count, quantile } = readMetrics(buffer)!.histograms.h!;
        assert.equal(count, values.length);
        const found = quantile(fraction);
        assert.ok(found >= exact && found <= exact * (1 + 1 / 16), `${found} for ${exact}`);
      },
    ),
  );
});

test('an empty histogram answers 0', () => {
  const buffer = new ArrayBuffer(metricsBytes(0));
  new Metrics(buffer).histogram('h');
  assert.equal(readMetrics(buffer)!.histograms.h!.quantile(0.99), 0);
});

test('room that is used up is an error by name', () => {
  const metrics = new Metrics(new ArrayBuffer(metricsBytes(0)));
  assert.throws(() => metrics.table('too-big', ['a'], 1e6), { code: 'ERR_DEMI_METRICS_FULL' });
  assert.throws(() => metrics.counters('n'.repeat(70_000), ['a']), { code: 'ERR_DEMI_METRICS_FULL' });
});

test('memory that is none, of another version or just changing is undefined', () => {
  assert.equal(readMetrics(new ArrayBuffer(0)), undefined);
  assert.equal(readMetrics(new ArrayBuffer(100)), undefined);
  assert.equal(readMetrics(new ArrayBuffer(100_000)), undefined);
  for (const [word, value] of [
    [0, 1],
    [1, 99],
    [2, 0xffff_ffff],
    [2, 1],
    [3, 1],
  ]) {
    const buffer = filled();
    new Uint32Array(buffer)[word!] = value!;
    assert.equal(readMetrics(buffer), undefined, `word ${word} = ${value}`);
  }
  assert.equal(readMetrics(filled().slice(0, 65536)), undefined, 'cut off before the values');
});

test('a directory of the wrong shape is undefined', () => {
  const entry = { kind: 'counters', name: 'x', index: 0, names: ['a'], rows: 1 };
  assert.ok(readMetrics(withDirectory({ info: {}, entries: [entry] })), 'the right shape is read');
  const shapes: unknown[] = [
    'null',
    '1',
    '"text"',
    '[]',
    '{',
    { entries: [] },
    { info: null, entries: [] },
    { info: {}, entries: {} },
    { info: {}, entries: [null] },
    { info: {}, entries: [{ ...entry, names: undefined }] },
    { info: {}, entries: [{ ...entry, names: [1] }] },
    { info: {}, entries: [{ ...entry, index: -1 }] },
    { info: {}, entries: [{ ...entry, index: 0.5 }] },
    { info: {}, entries: [{ ...entry, index: 1e300 }] },
    { info: {}, entries: [{ ...entry, rows: -2 }] },
    { info: {}, entries: [{ ...entry, rows: 1e9 }] },
    { info: {}, entries: [{ ...entry, kind: 'sorcery' }] },
  ];
  for (const shape of shapes)
    assert.equal(readMetrics(withDirectory(shape)), undefined, JSON.stringify(shape));
});

test('a table without columns but with many rows does not hang the reader', () => {
  const entry = { kind: 'table', name: 'x', index: 0, names: [], rows: Number.MAX_SAFE_INTEGER };
  assert.deepEqual(readMetrics(withDirectory({ info: {}, entries: [entry] }))?.tables.x, []);
});

test('flipped bytes never make the reader throw', () => {
  const original = filled();
  const end = 16 + directoryBytes(original);
  const flip = fc.record({
    at: fc.integer({ min: 0, max: end + 64 }),
    value: fc.integer({ min: 0, max: 255 }),
  });
  fc.assert(
    fc.property(fc.array(flip, { minLength: 1, maxLength: 6 }), flips => {
      const copy = original.slice(0);
      const bytes = new Uint8Array(copy);
      for (const { at, value } of flips) bytes[at] = value;
      readMetrics(copy);
    }),
    { numRuns: 2000 },
  );
});
