// demikernel calibrate as a user types it: short real runs, what they leave, and how they end.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { canCreateNamespaces, createNamespace, listNamespaces } from '@demikernel/native/kernel';
import { calibrateCommand } from '../../src/cli/calibrate.ts';
import { UsageError } from '../../src/cli/command.ts';
import { FAR_ADDRESS, NEAR_ADDRESS, NEAR_DEVICE, VethPair } from '../devices/af-veth.ts';
import { line, stop } from '../liboses/kernel-peer.ts';

const PROGRAM = fileURLToPath(new URL('../../../bin/demikernel.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'demi-calibrate-'));
const file = join(folder, 'calibration.json');
const environment = { ...process.env, DEMIKERNEL_CALIBRATION: file };
const QUICK = ['--fields', '1,4', '--sizes', '256,4096', '--seconds', '0.2'];

after(() => rmSync(folder, { recursive: true }));

interface Outcome {
  status: number | null;
  stdout: string;
  stderr: string;
}

function calibrate(...args: string[]): Outcome {
  const { status, stdout, stderr } = spawnSync(process.execPath, [PROGRAM, 'calibrate', ...args], {
    env: environment,
    encoding: 'utf8',
    timeout: 60_000,
  });
  return { status, stdout, stderr };
}

interface Report {
  machine: string;
  stored: string;
  devices: {
    place: string;
    identity: { libos: string; device: string; interface: string; driver: string };
    copyThresholdBytes: number | string;
    descriptorThresholdBytes: number | string;
    decided: boolean;
    rounds: number;
    cells: { copyNs: number; gatherNs: number; hybridNs: number }[];
  }[];
}

function checkCells(report: Report, count = 4): void {
  for (const device of report.devices) {
    assert.equal(device.cells.length, count);
    assert.ok(device.rounds >= 20);
    for (const { copyNs, gatherNs, hybridNs } of device.cells) {
      for (const ns of [copyNs, gatherNs, hybridNs]) assert.ok(ns > 0 && Number.isFinite(ns));
    }
  }
}

test('kernel sockets and shared memory, measured, stored, drawn', () => {
  const picture = join(folder, 'map.svg');
  const { status, stdout, stderr } = calibrate(
    '--device',
    'catnap,catmem',
    ...QUICK,
    '--json',
    '--svg',
    picture,
  );
  assert.equal(status, 0, stderr);
  const report = JSON.parse(stdout) as Report;
  assert.deepEqual(
    report.devices.map(device => device.place),
    ['catnap', 'catmem'],
  );
  checkCells(report);
  const decided = report.devices.filter(device => device.decided);
  assert.equal(existsSync(file), decided.length > 0);
  if (decided.length > 0) {
    assert.equal(report.stored, file);
    const kept = JSON.parse(readFileSync(file, 'utf8')) as {
      version: number;
      thresholds: { libos: string; copyThresholdBytes: number | string }[];
    };
    assert.equal(kept.version, 1);
    for (const device of decided) {
      const own = kept.thresholds.find(each => each.libos === device.place)!;
      assert.equal(own.copyThresholdBytes, device.copyThresholdBytes);
    }
  }
  for (const place of ['catnap', 'catmem'])
    assert.match(readFileSync(join(folder, `map-${place}.svg`), 'utf8'), /^<svg [\s\S]*<\/svg>\n$/);
});

test('what is printed: two tables and a sentence; with --no-store nothing is kept', () => {
  rmSync(file, { force: true });
  const { status, stdout, stderr } = calibrate('--device', 'catcollar', ...QUICK, '--no-store');
  if (status !== 0 && /ERR_DEMI_IO_URING_DISABLED/.test(stderr)) return;
  assert.equal(status, 0, stderr);
  assert.equal(stdout.match(/^fields {2}256 B {2}4096 B$/gm)?.length, 2);
  assert.match(stdout, /^within 5 %: \d of 4 cells/m);
  assert.match(stdout, /^catcollar: (values|no cell)/m);
  assert.equal(stderr, '', 'no progress where nobody looks');
  assert.ok(!existsSync(file));
});

test('packets, over interfaces of its own that are gone afterwards', t => {
  if (!canCreateNamespaces()) {
    t.skip('network namespaces need CAP_SYS_ADMIN: run as root');
    return;
  }
  // Of a process that is no more: there are fewer numbers than that.
  const abandoned = 'demi-4194999-calibrate';
  if (!listNamespaces().includes(abandoned)) createNamespace(abandoned);
  for (const device of ['af-xdp', 'af-packet']) {
    const { status, stdout, stderr } = calibrate('--device', device, ...QUICK, '--json', '--no-store');
    assert.equal(status, 0, stderr);
    const report = JSON.parse(stdout) as Report;
    checkCells(report);
    assert.deepEqual(report.devices[0]!.identity, {
      libos: 'catpowder',
      device,
      interface: '',
      driver: 'veth',
    });
    assert.deepEqual(ownNamespaces(), [], 'the abandoned one is removed, too');
  }
});

test('packets, on an interface of the host’s, to a peer that reads', async t => {
  const pair = VethPair.create();
  if (typeof pair === 'string') {
    t.skip(pair);
    return;
  }
  const sink = pair.node(`
    import net from 'node:net';
    net.createServer(socket => socket.on('error', () => {}).resume()).listen(9000, '${FAR_ADDRESS}', () => console.log('up'));
  `);
  try {
    await line(sink);
    for (const device of ['af-xdp', 'af-packet']) {
      const place = [
        '--interface',
        NEAR_DEVICE,
        '--address',
        `${NEAR_ADDRESS}/24`,
        '--to',
        `${FAR_ADDRESS}:9000`,
      ];
      // A kernel acknowledges the last segment of a burst late: one cell is enough.
      const cell = ['--fields', '2', '--sizes', '512', '--seconds', '0.2'];
      const outcome: Outcome = pair.insideNear(() =>
        calibrate('--device', device, ...place, ...cell, '--json', '--no-store'),
      );
      assert.equal(outcome.status, 0, outcome.stderr);
      const report = JSON.parse(outcome.stdout) as Report;
      checkCells(report, 1);
      assert.equal(report.devices[0]!.identity.interface, NEAR_DEVICE);
      assert.equal(report.devices[0]!.identity.device, device);
    }
  } finally {
    await stop(sink);
    pair.remove();
  }
});

function ownNamespaces(): string[] {
  return listNamespaces().filter(name => /^demi-\d+-calibrate$/.test(name));
}

test('Ctrl-C at any moment ends it and leaves nothing', async t => {
  const devices = canCreateNamespaces() ? ['catmem', 'af-xdp'] : ['catmem'];
  if (devices.length === 1) t.diagnostic('only shared memory: network namespaces need CAP_SYS_ADMIN');
  const before = readdirSync(folder);
  await Promise.all(
    devices.flatMap(device =>
      [400, 1500].map(async delayMs => {
        const child: ChildProcess = spawn(
          process.execPath,
          [PROGRAM, 'calibrate', '--device', device, '--seconds', '60'],
          { env: environment, stdio: ['ignore', 'pipe', 'pipe'] },
        );
        const closed = once(child, 'close') as Promise<[number | null, string | null]>;
        let text = '';
        for (const stream of [child.stdout!, child.stderr!]) stream.on('data', chunk => (text += chunk));
        await setTimeout(delayMs);
        child.kill('SIGINT');
        const [status, signal] = await closed;
        // Before it listens for signals there is nothing to clear away.
        assert.ok(status === 130 || signal === 'SIGINT', `${device}: ${status} ${signal} ${text}`);
        assert.equal(text, '');
      }),
    ),
  );
  assert.deepEqual(ownNamespaces(), []);
  assert.deepEqual(readdirSync(folder), before);
});

test('without privilege a device that was asked for is refused by name, the others are left out', t => {
  if (process.geteuid?.() !== 0) {
    t.skip('only root can become somebody without privilege');
    return;
  }
  const home = mkdtempSync(join(folder, 'nobody-'));
  chmodSync(folder, 0o755);
  chmodSync(home, 0o777);
  const run = (...args: string[]): Outcome =>
    spawnSync(process.execPath, [PROGRAM, 'calibrate', ...args], {
      env: { ...process.env, DEMIKERNEL_CALIBRATION: join(home, 'calibration.json') },
      encoding: 'utf8',
      timeout: 60_000,
      uid: 65534,
      gid: 65534,
    });
  const probe = run('--help');
  if (probe.status !== 0) {
    t.skip('somebody without privilege cannot read this checkout');
    return;
  }
  const refused = run('--device', 'af-xdp', ...QUICK);
  assert.equal(refused.status, 1);
  assert.match(refused.stderr, /^demikernel: .*CAP_\w+.*\(ERR_DEMI_PERMISSION\)\n$/s);
  const rest = run(...QUICK, '--fields', '1', '--sizes', '256', '--json');
  assert.equal(rest.status, 0, rest.stderr);
  assert.match(rest.stderr, /^demikernel: af-xdp is left out: /m);
  const report = JSON.parse(rest.stdout) as Report;
  assert.ok(report.devices.some(device => device.place === 'catnap'));
  assert.ok(!report.devices.some(device => device.place === 'af-xdp'));
});

function multiplesOf64(count: number): string {
  return Array.from({ length: count }, (_, i) => 64 * (i + 1)).join();
}

test('wrong usage says what is wrong', async () => {
  for (const [args, said] of [
    [['--device', 'rdma'], /'rdma' is no device/],
    [['--fields', '0'], /--fields takes/],
    [['--fields', '1,,2'], /--fields takes/],
    [['--fields', '65'], /--fields takes/],
    [['--sizes', '1e3'], /--sizes takes/],
    [['--sizes', '65537'], /--sizes takes/],
    [['--fields', '3', '--sizes', '256'], /can be divided/],
    [['--fields', '1,2,4,8,16,32,64', '--sizes', multiplesOf64(64)], /at most 400 cells/],
    [['--seconds', '0'], /--seconds takes/],
    [['--working-set', '1'], /--working-set takes/],
    [['--to', '10.0.0.1:9'], /go with --interface/],
    [['--interface', 'eth0'], /needs --to/],
    [['--interface', 'eth0', '--to', '10.0.0.1:9'], /needs --device/],
    [['--interface', 'eth0', '--to', '10.0.0.1:9', '--device', 'catnap'], /needs --device/],
  ] as const) {
    await assert.rejects(calibrateCommand.run([...args]), (error: Error) => {
      assert.ok(error instanceof UsageError);
      assert.match(error.message, said);
      return true;
    });
  }
  const { status, stderr } = calibrate(
    '--device',
    'af-xdp',
    '--interface',
    'demi-none',
    '--to',
    '10.0.0.1:9',
  );
  assert.equal(status, 1);
  assert.match(stderr, /demi-none.*\(ERR_DEMI_\w+\)\n$/);
});
