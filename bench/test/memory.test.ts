// What an echo over Catmem allocates: the row of `bench -- memory`, beside a planted allocation.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { ALLOCATION_FLAGS } from '@demikernel/lab';
import { platformRefusal } from '@demikernel/native/kernel';
import type { Allocation } from '../src/memory/allocation.ts';
import { scriptPath } from './run-command.ts';

const ECHOES = 20_000;

test('an echo over shared memory allocates less than a byte', { skip: platformRefusal() ?? false }, t => {
  const args = [...ALLOCATION_FLAGS, scriptPath('memory/child')];
  const output = execFileSync(process.execPath, [...args, 'allocate', String(ECHOES)], { encoding: 'utf8' });
  const { bytesPerEcho, plantedBytesPerEcho, collections } = JSON.parse(output) as Allocation;
  t.diagnostic(`${bytesPerEcho.toFixed(4)} bytes per echo, ${plantedBytesPerEcho.toFixed(4)} planted`);
  assert.equal(collections, 0);
  assert.ok(bytesPerEcho < 1, `${bytesPerEcho} bytes per echo`);
  const found = plantedBytesPerEcho - bytesPerEcho;
  assert.ok(found > 0.02 && found < 0.5, `planted 0.04 bytes per echo, found ${found}`);
});
