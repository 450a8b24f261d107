// Network namespaces, against the kernel and, where it is installed, against `ip netns`.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readlinkSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { closeDescriptor, openDescriptors } from '../src/kernel/descriptor.ts';
import {
  canCreateNamespaces,
  createNamespace,
  deleteNamespace,
  listNamespaces,
  openNamespace,
  runInNamespace,
  spawnInNamespace,
} from '../src/kernel/namespaces.ts';

const NAME = `demi-${process.pid}-ns`;
const allowed: boolean = canCreateNamespaces();
const hasIp: boolean = spawnSync('ip', ['-V']).status === 0;

const inside = (): string => readlinkSync('/proc/thread-self/ns/net');

function within(t: TestContext, action: () => void | Promise<void>): void | Promise<void> {
  if (!allowed) return t.skip('creating network namespaces is not permitted here');
  t.after(() => deleteNamespace(NAME));
  return action();
}

test('a namespace is created, listed, entered, left and deleted', t =>
  within(t, () => {
    const home = inside();
    createNamespace(NAME);
    assert.equal(inside(), home);
    assert.ok(listNamespaces().includes(NAME));
    const there = runInNamespace(NAME, inside);
    assert.notEqual(there, home);
    assert.equal(inside(), home);
    const fd = openNamespace(NAME);
    assert.equal(runInNamespace(fd, inside), there);
    assert.equal(inside(), home);
    closeDescriptor(fd);
    assert.throws(() => createNamespace(NAME), { code: 'ERR_DEMI_EXISTS' });
    assert.equal(deleteNamespace(NAME), true);
    assert.equal(deleteNamespace(NAME), false);
    assert.ok(!listNamespaces().includes(NAME));
    assert.throws(() => openNamespace(NAME), { errnoName: 'ENOENT' });
  }));

test('one comes back from a namespace whatever happens inside', t =>
  within(t, () => {
    createNamespace(NAME);
    const home = inside();
    const thrown = new Error('mine');
    assert.throws(
      () =>
        runInNamespace(NAME, () => {
          throw thrown;
        }),
      thrown,
    );
    assert.equal(inside(), home);
    assert.throws(() => runInNamespace(NAME, async () => {}), { code: 'ERR_DEMI_ASYNC' });
    assert.throws(() => runInNamespace(NAME, () => Promise.reject(thrown)), { code: 'ERR_DEMI_ASYNC' });
    assert.equal(inside(), home);
  }));

test('nested entry returns step by step', t =>
  within(t, () => {
    createNamespace(NAME);
    const home = openNamespace(process.pid);
    const seen = runInNamespace(NAME, () => [inside(), runInNamespace(home, inside), inside()]);
    closeDescriptor(home);
    assert.equal(seen[0], seen[2]);
    assert.equal(seen[1], inside());
  }));

test('children started inside live there, with their own pid', t =>
  within(t, async () => {
    createNamespace(NAME);
    const there = runInNamespace(NAME, inside);
    const sync = runInNamespace(NAME, () => spawnSync('readlink', ['/proc/self/ns/net']));
    assert.equal(sync.stdout.toString().trim(), there);
    const child = spawnInNamespace(NAME, 'sleep', ['30'], { stdio: 'ignore' });
    assert.equal(readlinkSync(`/proc/${child.pid}/ns/net`), there);
    const ended = new Promise(resolve => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
    const missing = spawnInNamespace(NAME, 'no-such-program');
    const error = await new Promise<NodeJS.ErrnoException>(resolve => missing.once('error', resolve));
    assert.equal(error.code, 'ENOENT');
  }));

test('names are those of `ip netns`, both ways', t =>
  within(t, () => {
    if (!hasIp) return t.skip('ip(8) is not installed');
    createNamespace(NAME);
    const listed = spawnSync('ip', ['netns', 'list']).stdout.toString();
    assert.ok(listed.includes(NAME));
    const there = runInNamespace(NAME, inside);
    const said = spawnSync('ip', ['netns', 'exec', NAME, 'readlink', '/proc/self/ns/net']).stdout.toString();
    assert.equal(said.trim(), there);
    assert.equal(spawnSync('ip', ['netns', 'delete', NAME]).status, 0);
    assert.ok(!existsSync(`/run/netns/${NAME}`));
    assert.equal(spawnSync('ip', ['netns', 'add', NAME]).status, 0);
    runInNamespace(NAME, inside);
    assert.equal(deleteNamespace(NAME), true);
  }));

test('names that are paths are refused', () => {
  for (const name of ['', '.', '..', 'a/b', '../net', 'x\0y', 'n'.repeat(256)]) {
    assert.throws(() => createNamespace(name), { code: 'ERR_DEMI_NAME' });
    assert.throws(() => deleteNamespace(name), { code: 'ERR_DEMI_NAME' });
    assert.throws(() => openNamespace(name), { code: 'ERR_DEMI_NAME' });
  }
});

test('without privilege the error names the capability', t => {
  if (process.getuid?.() !== 0) return t.skip('only root can start a process with less');
  const entry = new URL('../src/kernel/index.js', import.meta.url).href;
  const script = `const { createNamespace } = await import(${JSON.stringify(entry)});
    try { createNamespace('${NAME}-no'); } catch (error) {
      console.log(error.code, error.message); process.exit(error.code === 'ERR_DEMI_PERMISSION' ? 7 : 1); }`;
  const wrapped = [
    '--bounding-set',
    '-all',
    '--inh-caps',
    '-all',
    process.execPath,
    '--input-type=module',
    '-e',
    script,
  ];
  if (spawnSync('setpriv', ['--version']).status !== 0) return t.skip('setpriv(1) is not installed');
  const child = spawnSync('setpriv', wrapped);
  assert.equal(child.status, 7, child.stdout.toString() + child.stderr.toString());
  assert.match(child.stdout.toString(), /CAP_SYS_ADMIN.*setcap cap_sys_admin/);
});

test('no descriptor and no name is left behind', t =>
  within(t, () => {
    const before = openDescriptors().size;
    for (let i = 0; i < 5; i++) {
      createNamespace(NAME);
      runInNamespace(NAME, inside);
      deleteNamespace(NAME);
    }
    assert.equal(openDescriptors().size, before);
    assert.ok(!listNamespaces().some(name => name.startsWith(`demi-${process.pid}-`)));
  }));
