// The command line as a user types it: help, wrong usage, and looking into a service that spins.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, mkdtempSync, openSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const PROGRAM = fileURLToPath(new URL('../../../bin/demikernel.js', import.meta.url));

interface Outcome {
  status: number | null;
  stdout: string;
  stderr: string;
}

function demikernel(...args: string[]): Outcome {
  return demikernelIn(undefined, ...args);
}

function demikernelIn(directory: string | undefined, ...args: string[]): Outcome {
  const { status, stdout, stderr } = spawnSync(process.execPath, [PROGRAM, ...args], {
    cwd: directory,
    encoding: 'utf8',
    timeout: 30_000,
  });
  return { status, stdout, stderr };
}

let server: ChildProcess;
let address = '';

before(async () => {
  server = spawn(process.execPath, [PROGRAM, 'echo', 'server', '--bind', '127.0.0.1:0', '--wait', 'spin'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let text = '';
  for await (const chunk of server.stderr!) {
    text += String(chunk);
    const match = /tcp on (\S+) by catnap/.exec(text);
    if (match === null) continue;
    address = match[1]!;
    break;
  }
  assert.notEqual(address, '', `the server did not start: ${text}`);
});

after(async () => {
  server.kill('SIGINT');
  if (server.exitCode === null) await once(server, 'exit');
  assert.equal(server.exitCode, 0, 'Ctrl-C ends a spinning server cleanly');
});

test('every command has help, and the list names them all', () => {
  const { status, stdout } = demikernel('--help');
  assert.equal(status, 0);
  for (const name of ['devices', 'calibrate', 'echo', 'capture', 'top', 'ss', 'metrics']) {
    assert.match(stdout, new RegExp(`^  ${name} `, 'm'));
    const own = demikernel(name, '--help');
    assert.equal(own.status, 0);
    assert.match(own.stdout, new RegExp(`^Usage: demikernel ${name}`));
  }
});

test('wrong usage says what is wrong and exits with 2', () => {
  for (const args of [
    [],
    ['nonsense'],
    ['echo'],
    ['echo', 'client'],
    ['echo', 'server', '--protocol', 'sctp'],
    ['capture', '--interface', 'lo'],
    ['top', '--interval', '0'],
    ['ss', '--unknown'],
    ['metrics', 'extra'],
  ]) {
    const { status, stdout, stderr } = demikernel(...args);
    assert.equal(status, 2, `demikernel ${args.join(' ')}`);
    assert.notEqual(stdout + stderr, '');
    assert.doesNotMatch(stderr, /at .*\.js:\d+/, 'no stack trace');
  }
});

test('a failure to open is one line and exits with 1', () => {
  const { status, stderr } = demikernel('echo', 'server', '--libos', 'catpowder', '--interface', 'demi-none');
  assert.equal(status, 1);
  assert.match(stderr, /^demikernel: .*demi-none.*\(ERR_DEMI_\w+\)\n$/);
});

test('devices finds by trying', () => {
  const { status, stdout } = demikernel('devices', '--json');
  assert.equal(status, 0);
  const { features, interfaces } = JSON.parse(stdout) as {
    features: { libos: string; works: boolean; missing: string; provide: string }[];
    interfaces: { name: string; usable: string }[];
  };
  assert.ok(features.some(one => one.libos === 'catnap' && one.works));
  for (const one of features) assert.ok(one.works || (one.missing !== '' && one.provide !== ''));
  assert.match(interfaces.find(one => one.name === 'lo')!.usable, /not Ethernet/);
});

test('devices says whether logs go past the page cache where it is run, and leaves nothing there', () => {
  const directory = mkdtempSync(join(tmpdir(), 'demi-devices-'));
  try {
    assert.equal(directWorks(demikernelIn(directory, 'devices', '--json')), canOpenDirectly(directory));
    assert.deepEqual(readdirSync(directory), []);
    // Where no file can be made, whoever asks.
    const nowhere = demikernelIn('/proc', 'devices', '--json');
    assert.equal(directWorks(nowhere), false);
    const text = demikernelIn('/proc', 'devices').stdout;
    assert.match(text, /^storage +O_DIRECT .* missing: E[A-Z]+$/m);
    assert.match(text, /^ {2}for logs past the page cache, a directory on /m);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

function directWorks({ status, stdout, stderr }: Outcome): boolean {
  assert.equal(status, 0, stderr);
  const { features } = JSON.parse(stdout) as {
    features: { libos: string; needs: string; works: boolean }[];
  };
  const storage = features.filter(one => one.libos === 'storage');
  assert.equal(storage.length, 3);
  assert.match(storage[0]!.needs, /^io_uring/);
  assert.match(storage[1]!.needs, /^O_DIRECT/);
  assert.match(storage[2]!.needs, /^vfio/);
  return storage[1]!.works;
}

function canOpenDirectly(directory: string): boolean {
  const path = join(directory, 'direct');
  writeFileSync(path, '');
  try {
    closeSync(openSync(path, constants.O_RDWR | constants.O_DIRECT));
    return true;
  } catch {
    return false;
  } finally {
    rmSync(path);
  }
}

test('the client measures the server', () => {
  const { status, stdout, stderr } = demikernel(
    'echo',
    'client',
    '--to',
    address,
    '--count',
    '500',
    '--size',
    '4000',
    '--json',
  );
  assert.equal(status, 0, stderr);
  const figures = JSON.parse(stdout) as { received: number; lost: number; p50Us: number; p999Us: number };
  assert.equal(figures.received, 500);
  assert.equal(figures.lost, 0);
  assert.ok(figures.p50Us > 0 && figures.p50Us <= figures.p999Us);
});

test('top, ss and metrics look into the spinning server without its help', () => {
  const { stdout } = demikernel('top', '--count', '1', '--interval', '0.2', '--json');
  const looks = stdout
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as { pid: number; libos: string; counters: Record<string, number> })
    .filter(look => look.pid === server.pid);
  assert.equal(looks.length, 2);
  assert.equal(looks[0]!.libos, 'catnap');
  assert.ok(looks[1]!.counters['loop.turns']! > looks[0]!.counters['loop.turns']!, 'it spins');
  assert.equal(demikernel('ss', '--json').status, 0);
  const text = demikernel('metrics').stdout;
  assert.match(
    text,
    new RegExp(`^demikernel_loop_turns_total\\{pid="${server.pid}",libos="catnap"\\} \\d+$`, 'm'),
  );
  assert.match(text, /^# TYPE demikernel_loop_work_per_turn summary$/m);
});

test('metrics are served over HTTP', async () => {
  const exporter = spawn(process.execPath, [PROGRAM, 'metrics', '--listen', '127.0.0.1:0'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  try {
    const [chunk] = (await once(exporter.stderr!, 'data')) as [Buffer];
    const url = /http:\S+\/metrics/.exec(String(chunk))![0];
    const response = await fetch(url);
    assert.equal(response.status, 200);
    assert.match(await response.text(), /^demikernel_loop_turns_total/m);
    assert.equal((await fetch(url.replace('/metrics', '/other'))).status, 404);
  } finally {
    exporter.kill('SIGINT');
    const [status] = (await once(exporter, 'exit')) as [number | null];
    assert.equal(status, 0);
  }
});
