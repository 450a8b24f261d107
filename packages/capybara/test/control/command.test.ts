// `demikernel capybara switch` as a process: it starts from a file, answers status and top, and leaves nothing on a signal.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { queryXdp } from '@demikernel/ebpf';
import { WORKSPACE_ROOT } from '@demikernel/lab';
import { linkIndex, runInNamespace } from '@demikernel/native/kernel';
import { askStatus } from '../../src/cli/verb.ts';
import * as T from '../switch/testbed.ts';

const COMMAND = join(WORKSPACE_ROOT, 'packages/demikernel/bin/demikernel.js');
const skip = T.testbedRefusal();

test('switch, status and top as commands', { skip, timeout: 60_000 }, async () => {
  const bed = new T.SwitchTestbed(1);
  const folder = mkdtempSync(join(tmpdir(), 'demi-switch-'));
  const path = join(folder, 'orders');
  const fleet = join(folder, 'fleet.json');
  const run = (...args: string[]) =>
    runInNamespace(bed.switch, () =>
      spawn(process.execPath, [COMMAND, 'capybara', ...args, '--socket', path], {
        stdio: ['ignore', 'pipe', 'inherit'],
      }),
    );
  const description = {
    services: [`${T.VIRTUAL_ADDRESS}:80`],
    address: T.SWITCH_ADDRESS,
    ports: [
      { interface: 'sc0', role: 'client' },
      { interface: 'sb0', role: 'backend' },
    ],
    keys: { header: '00'.repeat(16), hash: '11'.repeat(16), fleet: '22'.repeat(32) },
  };
  writeFileSync(fleet, JSON.stringify(description));
  const attached = (): boolean =>
    runInNamespace(bed.switch, () => queryXdp(linkIndex('sc0')).mode !== 'none');
  const service = run('switch', '--fleet', fleet);
  try {
    const [first] = (await once(service.stdout!, 'data')) as [Buffer];
    assert.match(first.toString(), /^switching; orders at /);
    assert.equal(attached(), true);
    assert.equal((await askStatus(path)).connections, 0);
    for (const args of [['status'], ['top', '--count', '1']]) {
      const child = run(...args);
      assert.match(await text(child.stdout!), /^0 connections on 0 backends/);
    }
    const ended = once(service, 'exit');
    service.kill('SIGINT');
    assert.deepEqual(await ended, [0, null]);
    assert.equal(attached(), false);
    assert.equal(existsSync(path), false);
  } finally {
    service.kill('SIGKILL');
    bed.close();
    rmSync(folder, { recursive: true, force: true });
  }
});
