// Streams through a wire that loses, reorders, duplicates and corrupts arrive byte for byte, both ways, and leave nothing.
//
// TRANSFER_SEEDS=200 TRANSFER_MIB=64 runs the long form, HARSH_SEEDS=n more under harsh conditions, TRANSFER_FIRST=n begins
// at another seed.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeCounters } from './ledger.ts';
import { harshConditionsOf, runTransfer, type TransferReport } from './transfer.ts';

const SEEDS = Number(process.env['TRANSFER_SEEDS'] ?? 12);
const FIRST = Number(process.env['TRANSFER_FIRST'] ?? 1);
const MIB = Number(process.env['TRANSFER_MIB'] ?? 1);
const HARSH_SEEDS = Number(process.env['HARSH_SEEDS'] ?? 40);
const HARSH_BYTES = 80_000;
const COMMAND = 'node --test packages/demikernel/dist/test/torture/transfer.test.js';

test(`${MIB} MiB each way through a hostile wire, ${SEEDS} seeds`, t => {
  const totals = {
    frames: 0,
    steps: 0,
    lost: 0,
    reordered: 0,
    duplicated: 0,
    corrupted: 0,
    retransmitted: 0,
  };
  const startMs = Date.now();
  for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
    const seedMs = Date.now();
    const report = transfer(seed);
    totals.frames += report.frames;
    totals.steps += report.steps;
    totals.lost += report.wire['lost']!;
    totals.reordered += report.wire['reordered']!;
    totals.duplicated += report.wire['duplicated']!;
    totals.corrupted += report.wire['corrupted']!;
    for (const counters of report.counters) totals.retransmitted += counters['tcp']!['retransmitted']!;
    if (process.env['TRANSFER_VERBOSE'] !== undefined) {
      const { simulatedUs, frames, steps } = report;
      t.diagnostic(
        `seed ${seed}: ${Date.now() - seedMs} ms, ${Math.round(simulatedUs / 1000)} simulated ms, ${frames} frames, ${steps} steps`,
      );
      if (process.env['TRANSFER_VERBOSE'] === '2') t.diagnostic(describe(report));
    }
  }
  const ms = Date.now() - startMs;
  const gib = (SEEDS * MIB * 2) / 1024;
  t.diagnostic(`${JSON.stringify(totals)}; ${ms} ms, ${Math.round(ms / gib)} ms per simulated GiB`);
  if (SEEDS > 0) assert.ok(totals.lost > 0 && totals.reordered > 0 && totals.duplicated > 0);
});

test(`${HARSH_SEEDS} seeds of links that are hardly there and hosts with hardly any memory`, t => {
  let slowest = { seed: 0, simulatedUs: 0 };
  for (let seed = FIRST; seed < FIRST + HARSH_SEEDS; seed++) {
    try {
      const report = runTransfer({ seed, bytes: HARSH_BYTES, conditions: harshConditionsOf(seed) });
      if (report.simulatedUs > slowest.simulatedUs) slowest = report;
    } catch (error) {
      const again = `TRANSFER_SEEDS=0 TRANSFER_FIRST=${seed} HARSH_SEEDS=1 ${COMMAND}`;
      throw new Error(`seed ${seed} fails: ${(error as Error).stack}\nagain with: ${again}`);
    }
  }
  t.diagnostic(`slowest: seed ${slowest.seed}, ${Math.round(slowest.simulatedUs / 1_000_000)} simulated s`);
});

test('lost acknowledgements do not slow a long connection down for good', t => {
  // Two seeds on which time-outs that were not needed once raised the least time-out, for ever, to a quarter of a second.
  for (const [seed, limitUs] of [
    [1, 1_000_000],
    [7, 1_800_000],
  ] as const) {
    const { simulatedUs } = runTransfer({ seed, bytes: 8 * 1_048_576 });
    t.diagnostic(`seed ${seed}: ${Math.round(simulatedUs / 1000)} simulated ms`);
    assert.ok(simulatedUs < limitUs, `seed ${seed} takes ${simulatedUs} simulated µs`);
  }
});

function transfer(seed: number): TransferReport {
  try {
    return runTransfer({ seed, bytes: Math.floor(MIB * 1_048_576) });
  } catch (error) {
    const again = `TRANSFER_MIB=${MIB} TRANSFER_FIRST=${seed} TRANSFER_SEEDS=1 ${COMMAND}`;
    throw new Error(`seed ${seed} fails: ${(error as Error).stack}\nagain with: ${again}`);
  }
}

function describe(report: TransferReport): string {
  return `${JSON.stringify(report.conditions)}\n${report.counters.map(describeCounters).join('\n')}`;
}
