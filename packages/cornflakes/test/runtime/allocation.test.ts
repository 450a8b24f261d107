// A get request and its reply make at most 64 bytes of garbage; in fact none, and neither does what else is done per message.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ALLOCATION_FLAGS } from '@demikernel/lab';

test('a get request and its reply allocate at most 64 bytes', { timeout: 120_000 }, () => {
  const probe = fileURLToPath(new URL('./allocation-probe.js', import.meta.url));
  const output = execFileSync(process.execPath, [...ALLOCATION_FLAGS, probe], {
    encoding: 'utf8',
    timeout: 100_000,
  });
  const { planted, ...results } = JSON.parse(output) as Record<string, number>;
  console.log(`# bytes: ${output.trim()}`);
  assert.ok(planted! > 1 && planted! < 40, 'the planted object was not found');
  for (const [name, bytes] of Object.entries(results)) assert.ok(bytes <= 64, `${name}: ${bytes}`);
});
