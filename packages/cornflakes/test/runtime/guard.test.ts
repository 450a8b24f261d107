// Mutated messages around memory that may not be touched, in a process of their own: a byte read beyond a message ends it.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const PROGRAM = fileURLToPath(new URL('./guard-program.js', import.meta.url));

// By hand: CORNFLAKES_FUZZ_MESSAGES=100000000 CORNFLAKES_FUZZ_SEED=$RANDOM
const MESSAGES = Number(process.env['CORNFLAKES_FUZZ_MESSAGES'] ?? 2_000_000);
const SEED = Number(process.env['CORNFLAKES_FUZZ_SEED'] ?? 1);

function run(...args: (string | number)[]): { status: number | null; signal: string | null; stdout: string } {
  const { status, signal, stdout } = spawnSync(process.execPath, [PROGRAM, ...args.map(String)], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return { status, signal, stdout };
}

for (const misdeed of ['over-read', 'under-read']) {
  test(`an ${misdeed} of one byte ends the process`, () => {
    assert.equal(run(0, SEED, misdeed).signal, 'SIGSEGV');
  });
}

test('mutated messages around guard pages', () => {
  const { status, signal, stdout } = run(MESSAGES, SEED);
  assert.equal(signal, null, 'something was read that is no part of the message');
  assert.equal(status, 0);
  console.log(`# ${stdout.trim()}`);
  const counted = JSON.parse(stdout) as Record<string, number>;
  assert.equal(counted['messages'], MESSAGES);
  assert.equal(counted['slotsHeld'], 0, 'slots are still held');
  assert.ok(counted['accepted']! > 0 && counted['accepted']! < MESSAGES);
  // Writing again takes a message of its length and a few times more: sparse tags, headers that were shared.
  assert.ok(counted['mostWritten']! <= 16);
});
