// Workloads against the distributions they claim: shares, means and bounds of many seeded draws. No time is asserted.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SeededRandom } from 'demikernel/stack';
import { CDN_SEGMENT_BYTES, cdnLike, MOST_SEGMENTS } from '../src/workloads/cdn-like.ts';
import { isValue, keyText, valueContent } from '../src/workloads/content.ts';
import { Buckets, exponential, logNormal, normal, shuffled, Zipf } from '../src/workloads/distributions.ts';
import {
  GOOGLE_BUCKETS,
  googleLike,
  googleSizes,
  MOST_BYTES,
  MOST_VALUES,
} from '../src/workloads/google-like.ts';
import {
  GET_SHARE,
  KEY_MEAN_BYTES,
  SEGMENT_BYTES,
  SIGMAS,
  twitterBytes,
  twitterLike,
  VALUE_MEAN_BYTES,
  ZIPF_EXPONENT,
} from '../src/workloads/twitter-like.ts';
import { GET, GET_LIST, PUT, storedBytes, totalBytes, type Workload } from '../src/workloads/workload.ts';
import { evenSizes, YCSB_FIELDS, YCSB_TOTAL_BYTES, ycsbC } from '../src/workloads/ycsb.ts';

const SEED = 20_261_123;
const DRAWS = 200_000;

/** How far `hits` of `draws` lie from `share`, in standard deviations. */
function deviations(hits: number, draws: number, share: number): number {
  return Math.abs(hits - draws * share) / Math.sqrt(draws * share * (1 - share));
}

function meanOf(draw: () => number, draws = DRAWS): number {
  let total = 0;
  for (let i = 0; i < draws; i++) total += draw();
  return total / draws;
}

test('exponential, normal and lognormal draws have the mean and spread they were asked for', () => {
  const random = new SeededRandom(SEED);
  assert.ok(Math.abs(meanOf(() => exponential(random, 50)) - 50) < 0.5);
  // Of an exponential distribution 1 / e lies beyond the mean.
  const beyond = meanOf(() => (exponential(random, 1) > 1 ? 1 : 0));
  assert.ok(deviations(beyond * DRAWS, DRAWS, Math.exp(-1)) < 4);
  assert.ok(Math.abs(meanOf(() => normal(random))) < 0.01);
  assert.ok(Math.abs(meanOf(() => normal(random) ** 2) - 1) < 0.02);
  assert.ok(Math.abs(meanOf(() => logNormal(random, 100, 0.5)) - 100) < 1);
  const logs = meanOf(() => Math.log(logNormal(random, 1, 2)));
  assert.ok(Math.abs(logs - -2) < 0.03, 'the median of a lognormal is its mean times exp(-sigma²/2)');
});

test('Zipf: the share of every rank, also beside a sum made by hand', () => {
  const random = new SeededRandom(SEED);
  const zipf = new Zipf(1000, 1.1);
  let total = 0;
  for (let rank = 1; rank <= 1000; rank++) total += rank ** -1.1;
  assert.ok(Math.abs(zipf.share(0) - 1 / total) < 1e-12);
  assert.equal(zipf.share(999), 1);
  const hits = new Int32Array(1000);
  for (let i = 0; i < DRAWS; i++) hits[zipf.draw(random)]!++;
  for (const rank of [0, 1, 2, 9, 99]) {
    assert.ok(deviations(hits[rank]!, DRAWS, (rank + 1) ** -1.1 / total) < 4, `rank ${rank}`);
  }
});

test('Google-like: sizes by the published shares, uniform inside a bucket; messages within 8 values and 8 KiB', () => {
  const random = new SeededRandom(SEED);
  const buckets = new Buckets(GOOGLE_BUCKETS);
  const hits = GOOGLE_BUCKETS.map(() => 0);
  const sums = GOOGLE_BUCKETS.map(() => 0);
  for (let i = 0; i < DRAWS; i++) {
    const size = buckets.draw(random);
    const n = GOOGLE_BUCKETS.findIndex(({ least, most }) => size >= least && size <= most);
    assert.ok(n >= 0, `size ${size}`);
    hits[n]!++;
    sums[n]! += size;
  }
  assert.ok(Math.abs(buckets.totalPercent - 99.96) < 1e-9);
  for (const [n, { least, most, percent }] of GOOGLE_BUCKETS.entries()) {
    assert.ok(deviations(hits[n]!, DRAWS, percent / buckets.totalPercent) < 4, `${least} to ${most}`);
    const middle = (least + most) / 2;
    const error = (most - least + 1) / Math.sqrt(12 * hits[n]!);
    assert.ok(Math.abs(sums[n]! / hits[n]! - middle) < 4 * error, `uniform from ${least} to ${most}`);
  }
  const counts = new Int32Array(MOST_VALUES + 1);
  for (let i = 0; i < 20_000; i++) {
    const sizes = googleSizes(random, buckets);
    assert.ok(sizes.reduce((total, each) => total + each, 0) <= MOST_BYTES);
    counts[sizes.length]!++;
  }
  assert.equal(counts[0], 0);
  // Large messages are drawn again, so that long lists are a little rarer than short ones; not by more.
  for (let n = 1; n <= MOST_VALUES; n++) assert.ok(Math.abs(counts[n]! / 20_000 - 1 / MOST_VALUES) < 0.02);
});

test('Twitter-like: value mean and spread, key mean, share of gets, skew, long values in pieces', () => {
  for (const sigma of SIGMAS) {
    const random = new SeededRandom(SEED);
    const logs = meanOf(() => Math.log(twitterBytes(random, sigma)));
    const median = Math.log(VALUE_MEAN_BYTES) - (sigma * sigma) / 2;
    assert.ok(Math.abs(logs - median) < 0.05, `sigma ${sigma}: ${logs} beside ${median}`);
  }
  const random = new SeededRandom(SEED);
  assert.ok(Math.abs(meanOf(() => twitterBytes(random, 1.5)) / VALUE_MEAN_BYTES - 1) < 0.05);

  const keys = 20_000;
  const workload = twitterLike(keys, SEED);
  assert.equal(workload.firstValue[keys], keys);
  assert.ok(workload.valueBytes.every(each => each >= 1 && each <= SEGMENT_BYTES));
  const keyMean = workload.keyBytes.reduce((total, each) => total + each, 0) / keys;
  assert.ok(Math.abs(keyMean - KEY_MEAN_BYTES) < 0.5);

  const request = { kind: GET, key: 0 };
  let gets = 0;
  const hits = new Map<number, number>();
  for (let i = 0; i < DRAWS; i++) {
    workload.next(random, request);
    assert.ok(request.kind === GET || request.kind === PUT);
    if (request.kind === GET) gets++;
    hits.set(request.key, (hits.get(request.key) ?? 0) + 1);
  }
  // Pieces of one value share their kind, so that requests are not independent: a wide margin.
  assert.ok(Math.abs(gets / DRAWS - GET_SHARE) < 0.01, `${gets / DRAWS} gets`);
  const popular = [...hits.values()].sort((a, b) => b - a);
  // Somewhat more than the objects' skew, since pieces of a value share its popularity.
  assert.ok(popular[0]! / popular[9]! > 0.5 * 10 ** ZIPF_EXPONENT);
});

test('a long value of the Twitter-like workload is fetched piece by piece, in order', () => {
  const workload = twitterLike(5000, SEED, 2.3);
  const random = new SeededRandom(SEED);
  const request = { kind: GET, key: 0 };
  let pieces = 0;
  let before = -1;
  for (let i = 0; i < 20_000; i++) {
    workload.next(random, request);
    if (before >= 0 && workload.valueBytes[before] === SEGMENT_BYTES && request.key === before + 1) pieces++;
    before = request.key;
  }
  assert.ok(pieces > 100, `${pieces} pieces`);
});

test('CDN-like: segments of one size, objects in order from their first one', () => {
  const workload = cdnLike(4000, SEED);
  const random = new SeededRandom(SEED);
  assert.ok(workload.valueBytes.every(each => each === CDN_SEGMENT_BYTES));
  const request = { kind: PUT, key: -1 };
  let run = 0;
  let longest = 0;
  let before = -2;
  for (let i = 0; i < DRAWS; i++) {
    workload.next(random, request);
    assert.equal(request.kind, GET);
    run = request.key === before + 1 ? run + 1 : 1;
    longest = Math.max(longest, run);
    before = request.key;
  }
  assert.ok(longest >= MOST_SEGMENTS, `${longest} in a row`);
});

test('YCSB-C: every cell of the grid adds up', () => {
  const random = new SeededRandom(SEED);
  const request = { kind: PUT, key: -1 };
  for (const bytes of YCSB_TOTAL_BYTES) {
    for (const fields of YCSB_FIELDS) {
      const workload = ycsbC(10, SEED, bytes, fields);
      assert.equal(totalBytes(workload, 3), bytes);
      assert.equal(workload.firstValue[1], fields);
      workload.next(random, request);
      assert.equal(request.kind, fields > 1 ? GET_LIST : GET);
    }
  }
  assert.deepEqual(evenSizes(10, 4), [3, 3, 2, 2]);
});

test('the same seed makes the same workload and the same requests; another seed another', () => {
  const trace = (make: (seed: number) => Workload, seed: number): string => {
    const workload = make(seed);
    const random = new SeededRandom(seed + 1);
    const request = { kind: 0, key: 0 };
    const keys: number[] = [storedBytes(workload)];
    for (let i = 0; i < 50; i++) {
      workload.next(random, request);
      keys.push(request.kind, request.key);
    }
    return keys.join();
  };
  for (const make of [
    (seed: number) => googleLike(1000, seed),
    (seed: number) => twitterLike(1000, seed),
    (seed: number) => cdnLike(1000, seed),
    (seed: number) => ycsbC(1000, seed, 1024, 4),
  ]) {
    assert.equal(trace(make, 7), trace(make, 7));
    assert.notEqual(trace(make, 7), trace(make, 8));
  }
});

test('keys are distinct and as long as asked; values are known from their index', () => {
  const texts = new Set(Array.from({ length: 5000 }, (_, key) => keyText(key, 44)));
  assert.equal(texts.size, 5000);
  for (const text of texts) assert.equal(text.length, 44);
  const value = valueContent(17, 2, 300);
  assert.equal(value.length, 300);
  assert.ok(isValue(value, 0, 300, 17, 2));
  assert.ok(!isValue(value, 0, 300, 18, 2));
  assert.ok(!isValue(value, 0, 300, 17, 3));
  assert.deepEqual(
    [...shuffled(new SeededRandom(1), 100)].sort((a, b) => a - b),
    [...Array(100).keys()],
  );
});
