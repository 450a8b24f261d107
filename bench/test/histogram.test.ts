// The histogram's arithmetic: buckets, percentiles, merging, limits.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Histogram } from '../src/histogram.ts';

test('an empty histogram has no percentiles', () => {
  const histogram = new Histogram();
  assert.equal(histogram.percentileUs(0.5), 0);
  assert.deepEqual(histogram.toSparse(), []);
});

test('below 256 ns every nanosecond has a bucket of its own', () => {
  for (const value of [0, 1, 127, 128, 200, 255]) {
    const histogram = new Histogram();
    histogram.record(value);
    assert.equal(histogram.percentileUs(0.5), value / 1000);
  }
});

test('percentiles are within the width of a bucket of the exact ones', () => {
  const histogram = new Histogram();
  const values: number[] = [];
  let state = 1;
  for (let i = 0; i < 20_000; i++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff;
    const value = 1000 + (state % 900_000);
    values.push(value);
    histogram.record(value);
  }
  values.sort((a, b) => a - b);
  for (const fraction of [0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 1]) {
    const exactUs = values[Math.ceil(fraction * values.length) - 1]! / 1000;
    const readUs = histogram.percentileUs(fraction);
    assert.ok(Math.abs(readUs - exactUs) <= exactUs * 0.008, `${fraction}: ${readUs} for ${exactUs}`);
  }
});

test('merging is the same as recording everything in one', () => {
  const all = new Histogram();
  const parts = [new Histogram(), new Histogram()];
  for (let i = 0; i < 5000; i++) {
    const value = (i * i) % 3_000_000;
    all.record(value);
    parts[i & 1]!.record(value);
  }
  const merged = new Histogram();
  for (const part of parts) merged.add(JSON.parse(JSON.stringify(part.toSparse())) as number[]);
  assert.equal(merged.count, all.count);
  assert.deepEqual(merged.toSparse(), all.toSparse());
});

test('what no int32 of nanoseconds holds counts as the longest', () => {
  const histogram = new Histogram();
  histogram.record(1e15);
  histogram.record(-5);
  assert.equal(histogram.count, 2);
  assert.equal(histogram.percentileUs(0.5), 0);
  assert.ok(histogram.percentileUs(1) > 2_100_000);
  assert.equal(histogram.countFromUs(1_000_000), 1);
});

test('a sparse histogram with nonsense in it is taken for what it is worth', () => {
  const histogram = new Histogram();
  histogram.add([-1, 5, 1e9, 5, 3, 2, 7]);
  assert.equal(histogram.count, 2);
});
