// The steady state allocates nothing: resuming a coroutine, waiting on a set, a message through Catnap.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

test('a resume, a wait and a Catnap round allocate less than a byte', { timeout: 120_000 }, () => {
  const probe = fileURLToPath(new URL('./allocation-probe.js', import.meta.url));
  // Compiled code must come when the loop is due for it, not when another thread has had time on a busy machine.
  const flags = [
    '--no-concurrent-recompilation',
    '--expose-gc',
    '--min-semi-space-size=256',
    '--max-semi-space-size=256',
  ];
  const output = execFileSync(process.execPath, [...flags, probe], { encoding: 'utf8', timeout: 100_000 });
  const { planted, resume, waitSet, catnap, collections, collectionsAsked } = JSON.parse(output) as Record<
    string,
    number
  >;
  assert.ok(planted! > 1, `the method must see what is there: ${output}`);
  assert.equal(collections, collectionsAsked, 'only the collections that were asked for');
  assert.ok(resume! < 0.5, `resume: ${output}`);
  assert.ok(waitSet! < 0.5, `wait set: ${output}`);
  assert.ok(catnap! < 1, `catnap: ${output}`);
});
