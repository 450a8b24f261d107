// The steady state of a whole service allocates nothing: echoes over TCP and UDP, by wait sets and by coroutines, through
// both stacks and the wire.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ALLOCATION_FLAGS } from '@demikernel/lab';

const PROGRAM = fileURLToPath(new URL('./allocation-program.js', import.meta.url));

test('an echo allocates less than a byte per packet', { timeout: 120_000 }, t => {
  const output = execFileSync(process.execPath, [...ALLOCATION_FLAGS, PROGRAM], {
    encoding: 'utf8',
    timeout: 100_000,
  });
  const { planted, ...echoes } = JSON.parse(output) as Record<string, number>;
  t.diagnostic(`bytes per packet: ${output.trim()}`);
  for (const [name, bytesPerPacket] of Object.entries(echoes)) {
    assert.ok(bytesPerPacket < 1, `${name} allocates ${bytesPerPacket} bytes per packet`);
  }
  // 40 bytes in some 32 packets: what is planted would break the bound.
  assert.ok(planted! > 1, `the planted object is not seen: ${output}`);
});
