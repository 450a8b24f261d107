// The guest itself, and in one boot of it every test that needs its devices. Part of full runs; by hand:
// DEMIKERNEL_TEST_FULL=1 node --test lab/dist/test/guest/guest.test.js. Runs alone.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Guest, GuestError } from '../../src/guest/guest.ts';
import { isFullRun, requirePeer } from '../../src/peers.ts';
import { WORKSPACE_ROOT } from '../../src/test-files.ts';
import type { FileOutcome } from '../../src/test-process.ts';

const PROGRAM = join(WORKSPACE_ROOT, 'lab/dist/src/guest/main.js');
const RUN_TESTS = 'node lab/dist/src/guest/run-guest-tests.js --json';
const NOT_FULL = 'the guest boots in full runs: npm run test:full';

let guest: Guest | undefined;

/** Runs a command in the guest. */
async function inGuest(command: string): Promise<{ status: number; stdout: string; stderr: string }> {
  const heard = { stdout: '', stderr: '' };
  const status = await guest!.run(command, {
    folder: WORKSPACE_ROOT,
    onStdout: bytes => void (heard.stdout += bytes.toString()),
    onStderr: bytes => void (heard.stderr += bytes.toString()),
  });
  return { status, ...heard };
}

/** Children of a process, their children too. */
function descendants(pid: number): number[] {
  const found: number[] = [];
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const parent = Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${name}/status`, 'utf8'))?.[1]);
      if (parent === pid) found.push(Number(name), ...descendants(Number(name)));
    } catch {
      // Gone meanwhile.
    }
  }
  return found;
}

function isQemu(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith(`${requireQemuPath}\0`);
  } catch {
    return false;
  }
}
let requireQemuPath = '';

async function until(what: string, condition: () => boolean): Promise<void> {
  for (let waitedMs = 0; !condition(); waitedMs += 50) {
    if (waitedMs > 60_000) throw new Error(`waited in vain until ${what}`);
    await sleep(50);
  }
}

function hasPeers(t: TestContext): boolean {
  if (!isFullRun()) {
    t.skip(NOT_FULL);
    return false;
  }
  requireQemuPath = requirePeer(t, 'qemu-system-x86_64') ?? '';
  return requireQemuPath !== '' && requirePeer(t, 'busybox') !== undefined;
}

describe('the guest', { skip: isFullRun() ? false : NOT_FULL }, () => {
  before(async () => {
    guest = await Guest.boot({ say: line => process.stdout.write(`${line}\n`) });
  });
  after(() => guest?.close());

  test('streams output and errors apart, and gives the exit status', async () => {
    const { status, stdout, stderr } = await inGuest('echo out; echo error >&2; exit 7');
    assert.deepEqual({ status, stdout, stderr }, { status: 7, stdout: 'out\n', stderr: 'error\n' });
    assert.equal((await inGuest('kill -TERM $$')).status, 128 + 15);
    assert.equal((await inGuest('no-such-command')).status, 127);
  });

  test('carries bytes as they are, many of them', async () => {
    const { stdout } = await inGuest('i=0; while [ $i -lt 20000 ]; do echo "line $i"; i=$((i+1)); done');
    assert.equal(stdout, Array.from({ length: 20000 }, (_, i) => `line ${i}\n`).join(''));
  });

  test('runs in this repository, sees the host and cannot write to it', async () => {
    const probe = join(WORKSPACE_ROOT, 'lab/dist/written-by-the-guest');
    const { status, stdout } = await inGuest(`pwd; cat package.json; echo hello >${probe} && cat ${probe}`);
    assert.equal(status, 0);
    const here = readFileSync(join(WORKSPACE_ROOT, 'package.json'), 'utf8');
    assert.equal(stdout, `${WORKSPACE_ROOT.replace(/\/$/, '')}\n${here}hello\n`);
    assert.equal(existsSync(probe), false);
  });

  test('kills what a command leaves, before the next one', async () => {
    const { status, stdout } = await inGuest('sleep 4711 & (trap "" TERM HUP; sleep 4712) & echo left');
    assert.deepEqual({ status, stdout }, { status: 0, stdout: 'left\n' });
    const left = await inGuest("cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -o 'sleep 471[0-9] '");
    assert.equal(left.stdout, '');
  });

  test('has the devices', async () => {
    const { stdout } = await inGuest(
      'uname -n; cat /sys/class/infiniband/rxe0/ports/1/state; ls /dev/nvme0n1 /dev/nvme0n2 /dev/vfio/vfio; ' +
        'cat /sys/class/net/eth[0-3]/operstate; ls /sys/class/iommu',
    );
    const lines = stdout.trim().split('\n');
    assert.deepEqual(lines.slice(0, 5), [
      'demikernel-guest',
      '4: ACTIVE',
      '/dev/nvme0n1',
      '/dev/nvme0n2',
      '/dev/vfio/vfio',
    ]);
    assert.deepEqual(lines.slice(5, 9), ['up', 'up', 'up', 'up']);
    assert.match(lines.slice(9).join(' '), /dmar/);
  });

  test('keeps time', async () => {
    const now = async (): Promise<{ hostMs: number; guestMs: number }> => {
      const { stdout } = await inGuest('date +%s%3N');
      return { hostMs: Date.now(), guestMs: Number(stdout) };
    };
    const start = await now();
    await sleep(3000);
    const end = await now();
    const ratio = (end.guestMs - start.guestMs) / (end.hostMs - start.hostMs);
    assert.ok(ratio > 0.5 && ratio < 2, `the guest's clock runs at ${ratio.toFixed(2)} of the host's`);
  });

  test('passes every test that needs its devices', async t => {
    // In a full run they are there, or this fails by name.
    for (const library of ['librdmacm', 'providers of verbs']) requirePeer(t, library);
    const { status, stdout, stderr } = await inGuest(RUN_TESTS);
    let failed = false;
    for (const line of stdout.split('\n')) {
      if (!line.startsWith('{')) continue;
      const outcome = JSON.parse(line) as FileOutcome;
      failed = true;
      await t.test(outcome.file.source, file => report(file, outcome));
      failed = false;
    }
    assert.equal(failed, false);
    assert.equal(status, 0, stderr);
  });

  test('ends with a command that takes too long', async () => {
    const late = guest!.run('sleep 1000', { timeoutMs: 100 });
    await assert.rejects(late, (error: GuestError) => error instanceof GuestError && error.timedOut);
    await assert.rejects(guest!.run('true'), /has ended/);
  });
});

async function report(t: TestContext, outcome: FileOutcome): Promise<void> {
  // Suites and their tests alike, flat: a leaf tells its own story.
  for (const record of outcome.records) {
    await t.test(record.name, leaf => {
      if (record.outcome === 'fail') throw new Error(record.failure);
      if (record.outcome !== 'pass') leaf.skip(record.reason || record.outcome);
    });
  }
  // What a test measures in there it prints.
  for (const line of outcome.output.split('\n')) if (line !== '') t.diagnostic(line);
  t.diagnostic(`${(outcome.durationMs / 1000).toFixed(1)} s in the guest`);
  assert.equal(outcome.trouble, '', outcome.output);
  assert.ok(outcome.records.length > 0, 'no test was run');
}

/** A guest of its own process, as soon as QEMU runs. */
async function startProgram(...args: string[]): Promise<{ child: ChildProcess; qemu: number }> {
  const child = spawn(process.execPath, [PROGRAM, ...args], { stdio: 'ignore' });
  let qemu: number | undefined;
  await until('QEMU runs', () => (qemu = descendants(child.pid!).find(isQemu)) !== undefined);
  return { child, qemu: qemu! };
}

for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
  test(`no guest is left of a process that ends by ${signal}`, async t => {
    if (!hasPeers(t)) return;
    const { child, qemu } = await startProgram('sleep', '1000');
    child.kill(signal);
    await until('QEMU is gone', () => !isQemu(qemu));
  });
}

test('the command says what is wrong', async t => {
  if (!hasPeers(t)) return;
  const run = async (
    args: string[],
    environment: NodeJS.ProcessEnv,
  ): Promise<{ status: number; said: string }> => {
    const child = spawn(process.execPath, [PROGRAM, ...args], { env: environment });
    let said = '';
    child.stderr.on('data', chunk => void (said += chunk));
    child.stdout.on('data', chunk => void (said += chunk));
    const status = await new Promise<number>(resolve => child.once('close', code => resolve(code ?? -1)));
    return { status, said };
  };
  assert.equal((await run([], process.env)).status, 2);
  const absurd = await run(['--timeout', 'soon', 'true'], process.env);
  assert.equal(absurd.status, 125);
  assert.match(absurd.said, /--timeout soon: want a number/);
  const dead = await run(['--memory', '8', 'true'], process.env);
  assert.equal(dead.status, 125);
  assert.match(dead.said, /did not boot/);
});
