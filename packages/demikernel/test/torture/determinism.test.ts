// The same seed puts the same frames on the wire at the same moments: twice in one process, and in another one.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { traceHash } from './trace.ts';

const PROGRAM = fileURLToPath(new URL('./trace.js', import.meta.url));

test('the same seed, the same frames', () => {
  for (const seed of [1, 2]) {
    const first = traceHash(seed);
    assert.equal(traceHash(seed), first, `seed ${seed}, twice in one process`);
    // Another heap and other compilation must not matter.
    const flags = ['--max-semi-space-size=1', '--max-lazy'];
    const elsewhere = execFileSync(process.execPath, [...flags, PROGRAM, String(seed)], { encoding: 'utf8' });
    assert.equal(elsewhere, first, `seed ${seed}, in another process`);
  }
});

test('another seed, other frames', () => {
  assert.notEqual(traceHash(1), traceHash(2));
});
