// The steady state of the object protocol allocates nothing on the heap: in Cornflakes, and framed by hand.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ALLOCATION_FLAGS } from '@demikernel/lab';

/** What a request and its reply may allocate; none has been seen to allocate a whole byte. */
const MOST_BYTES = 16;

test('a request and its reply allocate next to nothing', { timeout: 120_000 }, () => {
  const probe = fileURLToPath(new URL('./allocation-probe.js', import.meta.url));
  const text = execFileSync(process.execPath, [...ALLOCATION_FLAGS, probe], {
    encoding: 'utf8',
    timeout: 100_000,
  });
  const { planted, ...found } = JSON.parse(text) as Record<string, number>;
  assert.ok(planted! > 1, `the method must see what is there: ${text}`);
  assert.equal(Object.keys(found).length, 38, text);
  for (const [name, bytes] of Object.entries(found))
    assert.ok(bytes < MOST_BYTES, `${name}: ${bytes}; ${text}`);
});
