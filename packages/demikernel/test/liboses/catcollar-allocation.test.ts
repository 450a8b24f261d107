// An echo over Catcollar allocates less than a byte; and the reading would see it if it did.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ALLOCATION_FLAGS } from '@demikernel/lab';
import { socketStage } from './socket-stage.ts';

test('an echo allocates nothing', { timeout: 120_000 }, t => {
  try {
    socketStage('catcollar').open().shutDown();
  } catch (error) {
    t.skip((error as Error).message);
    return;
  }
  const probe = fileURLToPath(new URL('./catcollar-allocation-probe.js', import.meta.url));
  const args = [...ALLOCATION_FLAGS, probe];
  const { bare, planted } = JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' })) as {
    bare: number;
    planted: number;
  };
  t.diagnostic(`${bare.toFixed(3)} bytes per echo, ${planted.toFixed(3)} with a planted object`);
  assert.ok(planted > 1, `a planted allocation was read as ${planted} bytes per echo`);
  assert.ok(bare < 1, `${bare} bytes per echo`);
});
