// The steady state of the key-value service allocates nothing on the heap, beyond what its library OS does.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ALLOCATION_FLAGS } from '@demikernel/lab';

test('a command and its reply allocate less than a byte', { timeout: 120_000 }, () => {
  const probe = fileURLToPath(new URL('./allocation-probe.js', import.meta.url));
  const text = execFileSync(process.execPath, [...ALLOCATION_FLAGS, probe], {
    encoding: 'utf8',
    timeout: 100_000,
  });
  const { bare, planted } = JSON.parse(text) as { bare: number; planted: number };
  assert.ok(planted > 1, `the method must see what is there: ${text}`);
  assert.ok(bare < 1, text);
});
