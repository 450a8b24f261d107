// A get request and its reply make at most 64 bytes of garbage.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

test('a get request and its reply allocate at most 64 bytes', () => {
  const probe = fileURLToPath(new URL('./allocation-probe.js', import.meta.url));
  const options = ['--expose-gc', '--min-semi-space-size=512', '--max-semi-space-size=512', probe];
  const output = execFileSync(process.execPath, options, { encoding: 'utf8' });
  const results = JSON.parse(output) as Record<string, number>;
  console.log(`# bytes: ${output.trim()}`);
  assert.ok(results['planted']! > 1 && results['planted']! < 40, 'the planted object was not found');
  assert.ok(results['getByReference']! <= 64);
  assert.ok(results['getByCopy']! <= 64);
  assert.ok(results['tick']! <= 64);
});
