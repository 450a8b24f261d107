// The steady state allocates nothing: resuming a coroutine, waiting on a set, a message through Catnap.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ALLOCATION_FLAGS } from '@demikernel/lab';

test('a resume, a wait and a Catnap round allocate less than a byte', { timeout: 120_000 }, () => {
  const probe = fileURLToPath(new URL('./allocation-probe.js', import.meta.url));
  const output = execFileSync(process.execPath, [...ALLOCATION_FLAGS, probe], {
    encoding: 'utf8',
    timeout: 100_000,
  });
  const { planted, resume, waitSet, catnap } = JSON.parse(output) as Record<string, number>;
  assert.ok(planted! > 1, `the method must see what is there: ${output}`);
  assert.ok(resume! < 0.5, `resume: ${output}`);
  assert.ok(waitSet! < 0.5, `wait set: ${output}`);
  assert.ok(catnap! < 1, `catnap: ${output}`);
});
