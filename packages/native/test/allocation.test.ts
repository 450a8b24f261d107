// The doors of the data path allocate nothing: run apart, with the heap's semi-spaces fixed, beside a planted object.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ALLOCATION_FLAGS } from '@demikernel/lab';
import type { DoorFigures } from './measure-doors.ts';

test('no door of the data path allocates', () => {
  const script = fileURLToPath(new URL('./measure-doors.js', import.meta.url));
  const child = spawnSync(process.execPath, [...ALLOCATION_FLAGS, script, '--json', '20000'], {
    timeout: 60_000,
  });
  assert.equal(child.status, 0, child.stderr.toString());
  const figures = JSON.parse(child.stdout.toString()) as DoorFigures[];
  assert.ok(figures.length > 10);
  for (const { door, bytesPerCall } of figures) {
    if (door.startsWith('planted'))
      assert.ok(bytesPerCall > 3 && bytesPerCall < 5, `${door}: ${bytesPerCall} B`);
    else assert.ok(bytesPerCall < 1, `${door}: ${bytesPerCall} B`);
  }
});
