// `bench -- append`: its rows, and that it leaves no files. Runs alone: it fills the disk's queue. No time is asserted.

import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { open } from 'demikernel';
import type { Report } from '../src/rows.ts';
import { outcomeOf, startScript } from './run-command.ts';

test('append --quick --json: ours and every peer, in one run', { timeout: 180_000 }, async t => {
  const directory = mkdtempSync(join(tmpdir(), 'demikernel-append-test-'));
  try {
    try {
      (await open({ libos: 'catnap', storage: { libos: 'catcollar', directory } })).shutDown();
    } catch (error) {
      t.skip((error as Error).message);
      return;
    }
    const args = ['append', '--quick', '--json', '--directory', directory];
    const { code, stderr, stdout } = await outcomeOf(startScript('main', args));
    assert.equal(code, 0, stderr);
    const { bench, rows } = JSON.parse(stdout) as Report;
    assert.equal(bench, 'append');
    const systems = new Set(rows.map(row => row.system));
    assert.equal(systems.size, 4);
    for (const row of rows) {
      for (const figure of ['p50UsPerAppend', 'meanUsPerAppend', 'p99GroupUs', 'cpuUsPerAppend']) {
        assert.ok((row[figure] as number) > 0, `${row.system}: ${figure}`);
      }
    }
    assert.deepEqual(readdirSync(directory), []);
  } finally {
    rmdirSync(directory);
  }
});
