// `npm start`: with and without permission, and interrupted.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { networkRefusal } from '@demikernel/lab';
import { alive, childrenOf, namespacesOf, outcomeOf, scriptPath, startScript } from './run-command.ts';

const SETPRIV = '/usr/bin/setpriv';
const AS_NOBODY = [SETPRIV, '--reuid=65534', '--regid=65534', '--clear-groups'];

test('a table with Catpowder, Catnap and both kinds of node:net', async t => {
  const refusal = networkRefusal();
  if (refusal !== undefined) return t.skip(refusal);
  const child = startScript('start/main', ['--quick']);
  const { code, stdout, stderr } = await outcomeOf(child);
  assert.equal(code, 0, stdout + stderr);
  for (const line of ['catpowder spin', 'catpowder adaptive', 'catnap spin', 'node:net-spin', 'node:net']) {
    assert.match(stdout, new RegExp(`^${line} +spins +[\\d.]+`, 'm'));
    assert.match(stdout, new RegExp(`^${line} +blocks +[\\d.]+`, 'm'));
  }
  assert.match(stdout, /Live migration: .* 200 times/);
  assert.match(stdout, /\d us +the switch says yes/);
  assert.deepEqual(namespacesOf(child.pid!), []);
});

test('without permission: what is allowed, what is missing, and the command that grants it', async t => {
  if (process.getuid?.() !== 0 || !existsSync(SETPRIV))
    return t.skip('becoming nobody needs root and setpriv');
  try {
    execFileSync(
      AS_NOBODY[0]!,
      [
        ...AS_NOBODY.slice(1),
        process.execPath,
        '-e',
        `require('fs').readFileSync(${JSON.stringify(scriptPath('start/main'))})`,
      ],
      { stdio: 'ignore' },
    );
  } catch {
    return t.skip('nobody may not read this checkout');
  }
  const { code, stdout, stderr } = await outcomeOf(startScript('start/main', ['--quick'], AS_NOBODY));
  assert.equal(code, 0, stdout + stderr);
  assert.match(stdout, /^catnap spin +spins/m);
  assert.match(stdout, /^node:net +blocks/m);
  assert.match(stdout, /Simulator: 10000 echoes/);
  assert.match(stdout, /Migration on a wire in this process: .* 200 times/);
  assert.match(stdout, /Missing: .*CAP_SYS_ADMIN/);
  assert.match(stdout, /sudo npm start/);
});

test('SIGINT leaves no namespace and no process', async t => {
  const refusal = networkRefusal();
  if (refusal !== undefined) return t.skip(refusal);
  const child = startScript('start/main', []);
  const outcome = outcomeOf(child);
  const pid = child.pid!;
  for (let i = 0; i < 200 && childrenOf(pid).length < 4; i++) await sleep(50);
  assert.ok(namespacesOf(pid).length > 0);
  const children = childrenOf(pid);
  child.kill('SIGINT');
  const { code } = await outcome;
  assert.equal(code, 130);
  assert.deepEqual(namespacesOf(pid), []);
  for (let i = 0; i < 100 && children.some(alive); i++) await sleep(20);
  assert.deepEqual(children.filter(alive), []);
});
