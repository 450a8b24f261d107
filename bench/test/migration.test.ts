// `bench -- migration`: rows of every system, arguments, and nothing left behind. No time is asserted.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { networkRefusal } from '@demikernel/lab';
import { checkReport, namespacesOf, outcomeOf, startScript } from './run-command.ts';

test('migration --json: every system, with and without bytes in them', async t => {
  const refusal = networkRefusal();
  if (refusal !== undefined) return t.skip(refusal);
  const child = startScript('main', ['migration', '--quick', '--json', '--moves', '20', '--kib', '0,16']);
  const { code, stdout, stderr } = await outcomeOf(child);
  assert.equal(code, 0, stderr);
  assert.deepEqual(namespacesOf(child.pid!), []);
  const { rows } = checkReport(stdout, 'migration');
  assert.deepEqual(
    rows.map(row => [row.system, row['bufferedKib'], row['moves']]),
    [
      ['migration protocol', 0, 20],
      ['migration protocol, in-process wire', 0, 20],
      ['TCP_REPAIR', 0, 20],
      ['migration protocol', 16, 20],
      ['migration protocol, in-process wire', 16, 20],
      ['TCP_REPAIR', 16, 20],
    ],
  );
  for (const row of rows) {
    assert.ok((row['blackoutP50Us'] as number) > 0);
    assert.ok((row['blackoutP99Us'] as number) >= (row['blackoutP50Us'] as number));
  }
  for (const phase of ['prepare', 'export', 'send', 'import', 'commit', 'firstByte'])
    assert.ok((rows[0]![`${phase}P50Us`] as number) > 0, phase);
});

test('migration: arguments that make no sense', async t => {
  const refusal = networkRefusal();
  if (refusal !== undefined) return t.skip(refusal);
  for (const args of [
    ['--kib', '200'],
    ['--moves', '0'],
  ]) {
    const { code, stderr } = await outcomeOf(startScript('main', ['migration', '--quick', ...args]));
    assert.equal(code, 2);
    assert.match(stderr, /wants/);
  }
});

test('migration: Ctrl-C leaves no namespace', async t => {
  const refusal = networkRefusal();
  if (refusal !== undefined) return t.skip(refusal);
  const child = startScript('main', ['migration', '--quick', '--moves', '1000000', '--kib', '0']);
  const outcome = outcomeOf(child);
  for (let i = 0; i < 200 && namespacesOf(child.pid!).length < 8; i++) await sleep(50);
  assert.ok(namespacesOf(child.pid!).length > 0);
  child.kill('SIGINT');
  assert.equal((await outcome).code, 130);
  assert.deepEqual(namespacesOf(child.pid!), []);
});
