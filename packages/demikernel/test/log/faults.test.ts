// Logs on a disk that loses power and fails writes, seeded. DEMIKERNEL_LOG_FAULTS says how many faults; default 3000.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Lives, type LivesOptions } from './lives.ts';

const FAULTS = Number(process.env['DEMIKERNEL_LOG_FAULTS'] ?? 3000);
const FIRST_SEED = Number(process.env['DEMIKERNEL_LOG_SEED'] ?? 1);
/** Lives of one disk before a fresh one. */
const LIVES = 20;

function run(share: number, options: Omit<LivesOptions, 'seed'>): string {
  let faults = 0;
  let checked = 0;
  let seed = FIRST_SEED;
  for (; faults < share; seed++) {
    const lives = new Lives({ ...options, seed });
    for (let life = 0; life < LIVES; life++) lives.live();
    faults += lives.faults;
    checked += lives.checked;
  }
  assert.ok(checked > faults);
  return `${faults} faults, ${checked} records checked, seeds ${FIRST_SEED} to ${seed - 1}`;
}

test('power that goes at any moment loses no acknowledged record', t => {
  t.diagnostic(run(FAULTS / 3, {}));
});

test('as does power on a disk with blocks of 4096 bytes', t => {
  t.diagnostic(run(FAULTS / 3, { blockBytes: 4096, segmentBytes: 128 << 10 }));
});

test('nor do writes that fail', t => {
  t.diagnostic(run(FAULTS / 3, { writeErrorRate: 0.05 }));
});
