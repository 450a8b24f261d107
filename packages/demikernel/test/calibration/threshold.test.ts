// From measurements to a threshold: medians and their intervals, the heat map's arithmetic, the choice. Made-up numbers only.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type Cell,
  cellOf,
  gainOver,
  hybridCellOf,
  isDecided,
  shapesOf,
} from '../../src/calibration/heat-map.ts';
import { medianEstimate, medianOf, quantileOf } from '../../src/calibration/statistics.ts';
import { chooseThreshold } from '../../src/calibration/threshold.ts';
import { SeededRandom } from '../../src/runtime/random.ts';

const FIELDS = [1, 2, 4, 8, 16, 32];
const SIZES = [256, 512, 1024, 2048, 4096, 8192, 16384];

/** A cell whose gain is known, or about so. */
function cell(fieldBytes: number, gain: number, spread = 0.5): Cell {
  return {
    fields: 1,
    sizeBytes: fieldBytes,
    fieldBytes,
    copyNs: 100 + gain,
    gatherNs: 100,
    gainPercent: { value: gain, low: gain - spread, high: gain + spread },
  };
}

test('quantiles are interpolated', () => {
  assert.equal(quantileOf([1, 2, 3], 0.5), 2);
  assert.equal(quantileOf([1, 2, 3, 4], 0.5), 2.5);
  assert.equal(quantileOf([1, 2, 3], 0), 1);
  assert.equal(quantileOf([1, 2, 3], 1), 3);
  assert.equal(medianOf([9, 1, 5]), 5);
  assert.ok(Number.isNaN(medianOf([])));
});

test('a bootstrap interval holds the median, shrinks with the measurements, and repeats', () => {
  const random = new SeededRandom(3);
  const noisy = (count: number): Float64Array =>
    Float64Array.from({ length: count }, () => 100 + (random.below(2001) - 1000) / 100);
  const few = medianEstimate(noisy(20));
  const many = noisy(2000);
  const sure = medianEstimate(many);
  for (const { low, value, high } of [few, sure]) assert.ok(low <= value && value <= high);
  assert.ok(sure.low < 100.5 && sure.high > 99.5);
  assert.ok(sure.high - sure.low < (few.high - few.low) / 2);
  assert.deepEqual(medianEstimate(many), sure);
  assert.deepEqual(medianEstimate([7, 7, 7]), { value: 7, low: 7, high: 7 });
  assert.deepEqual(medianEstimate([7]), {
    value: 7,
    low: Number.NEGATIVE_INFINITY,
    high: Number.POSITIVE_INFINITY,
  });
});

test('a median does not mind what a preempted round took', () => {
  const copy = Float64Array.from({ length: 99 }, (_, i) => (i % 10 === 0 ? 90_000 : 220));
  const gather = new Float64Array(99).fill(200);
  const found = cellOf({ fields: 1, sizeBytes: 64, fieldBytes: 64 }, copy, gather);
  assert.equal(found.copyNs, 220);
  assert.ok(Math.abs(found.gainPercent.value - 10) < 1e-9);
  assert.ok(isDecided(found));
});

test('shapes give each field a whole number of bytes', () => {
  assert.deepEqual(shapesOf([1, 3], [8, 9]), [
    { fields: 1, sizeBytes: 8, fieldBytes: 8 },
    { fields: 1, sizeBytes: 9, fieldBytes: 9 },
    { fields: 3, sizeBytes: 9, fieldBytes: 3 },
  ]);
  assert.equal(shapesOf(FIELDS, SIZES).length, FIELDS.length * SIZES.length);
});

test('the hybrid is held against the better of the two', () => {
  const shape = { fields: 1, sizeBytes: 64, fieldBytes: 64 };
  const ns = (value: number): Float64Array => new Float64Array(30).fill(value);
  assert.equal(hybridCellOf(shape, ns(100), ns(80), ns(84)).excessPercent.value.toFixed(6), '5.000000');
  assert.equal(hybridCellOf(shape, ns(100), ns(125), ns(110)).excessPercent.value.toFixed(6), '10.000000');
  assert.ok(hybridCellOf(shape, ns(100), ns(80), ns(79)).excessPercent.value < 0);
});

test('two gains over copying make a gain of one over the other, less sure than both', () => {
  const { gainPercent } = gainOver(cell(64, 50, 5), cell(64, 20, 5));
  assert.equal(gainPercent.value.toFixed(6), '25.000000');
  assert.ok(gainPercent.low < 20 && gainPercent.high > 30);
  assert.equal(gainOver(cell(64, 20), cell(64, 20)).gainPercent.value, 0);
});

test('the threshold lies where the gain crosses zero', () => {
  const crossing = [cell(64, -30), cell(128, -20), cell(256, -10), cell(512, 11), cell(1024, 40)];
  const found = chooseThreshold(crossing)!;
  // ln 0.9 and ln 1.11 are about as far from zero: the middle of 256 and 512 on a logarithmic scale.
  assert.ok(found > 344 && found <= 376, String(found));
  assert.equal(found % 8, 0);
  assert.equal(chooseThreshold([cell(256, -50), cell(264, 50)]), 264);
});

test('always one way: the smallest size, or Infinity', () => {
  assert.equal(chooseThreshold([cell(64, 5), cell(128, 20), cell(256, 30)]), 64);
  assert.equal(chooseThreshold([cell(64, -5), cell(128, -20), cell(256, -30)]), Number.POSITIVE_INFINITY);
});

test('nothing decided, nothing said', () => {
  assert.equal(chooseThreshold([cell(64, -5, 9), cell(128, 5, 9)]), undefined);
  assert.equal(chooseThreshold([]), undefined);
});

test('what is not decided weighs little, what is decided and large weighs much', () => {
  // One wild cell of many at a size: the others say copy.
  const wild = [cell(128, 60, 80), cell(128, -4), cell(128, -5), cell(256, 10), cell(256, 12)];
  const found = chooseThreshold(wild)!;
  assert.ok(found > 128 && found <= 256, String(found));
  // A small decided loss is taken for a large decided gain.
  assert.equal(chooseThreshold([cell(128, -2), cell(128, 40), cell(256, 30)]), 128);
});

test('on devices whose costs are linear the threshold is right in every cell', () => {
  fc.assert(
    fc.property(
      fc.double({ min: 100, max: 5000, noNaN: true }),
      fc.double({ min: 5, max: 400, noNaN: true }),
      fc.double({ min: 5, max: 60, noNaN: true }),
      fc.double({ min: 0.01, max: 1, noNaN: true }),
      (base, perReference, perCopy, perByte) => {
        const shapes = shapesOf(FIELDS, SIZES);
        const cells = shapes.map(shape => {
          const copyNs = base + shape.fields * perCopy + shape.sizeBytes * perByte;
          const gatherNs = base + shape.fields * perReference;
          return cellOf(shape, new Float64Array(3).fill(copyNs), new Float64Array(3).fill(gatherNs));
        });
        const threshold = chooseThreshold(cells);
        if (threshold === undefined) return cells.every(each => each.gainPercent.value === 0);
        return cells.every(each => {
          const chosen = each.fieldBytes < threshold ? each.copyNs : each.gatherNs;
          return chosen <= Math.min(each.copyNs, each.gatherNs) * (1 + 1e-9);
        });
      },
    ),
    { seed: 4 },
  );
});
