// An append over Cattree allocates nothing. Runs alone: a reading wants a processor.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ALLOCATION_FLAGS } from '@demikernel/lab';

interface Reading {
  bare: number;
  planted: number;
}

test('appends allocate less than a byte each, copied or by reference', t => {
  const probe = fileURLToPath(new URL('./cattree-allocation-probe.js', import.meta.url));
  const text = execFileSync(process.execPath, [...ALLOCATION_FLAGS, probe], { encoding: 'utf8' });
  const { copied, referred } = JSON.parse(text) as { copied: Reading; referred: Reading };
  for (const [how, { bare, planted }] of [
    ['copied', copied],
    ['by reference', referred],
  ] as const) {
    t.diagnostic(`${how}: ${bare.toFixed(3)} bytes per append, ${planted.toFixed(3)} with a planted object`);
    assert.ok(planted > bare + 1, `a planted allocation was read as ${planted} bytes per append`);
    assert.ok(bare < 1, `${how}: ${bare} bytes per append`);
  }
});
