// Signals reaching a thread that spins.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { test } from 'node:test';
import { openDescriptors } from '../src/kernel/descriptor.ts';
import { POLLIN, PollSet } from '../src/kernel/poll-set.ts';
import { SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SignalWatch } from '../src/kernel/signals.ts';

const entry: string = new URL('../src/kernel/index.js', import.meta.url).href;

interface Ended {
  code: number | null;
  signal: string | null;
  output: string;
}

function start(script: string): { child: ChildProcess; ready: Promise<void>; ended: Promise<Ended> } {
  const source = `const { SignalWatch, SIGINT, SIGTERM } = await import(${JSON.stringify(entry)});
    const { writeSync } = await import('node:fs');\n${script}`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', source], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  const ready = new Promise<void>((resolve, reject) => {
    child.stdout!.on('data', data => {
      output += data;
      if (output.includes('ready')) resolve();
    });
    child.once('exit', () => reject(new Error('ended before it was ready')));
  });
  const ended = new Promise<Ended>(resolve => {
    child.once('close', (code, signal) => resolve({ code, signal, output }));
  });
  return { child, ready, ended };
}

test('a spinning process sees 50 interrupts', { timeout: 60_000 }, async () => {
  const { child, ready, ended } = start(`
    const watch = new SignalWatch([SIGINT, SIGTERM]);
    writeSync(1, 'ready\\n');
    let seen = 0;
    for (;;) {
      const signal = watch.check();
      if (signal === SIGINT) writeSync(1, ++seen + '\\n');
      if (signal === SIGTERM) break;
    }
    watch.close();
    process.exit(seen);`);
  await ready;
  for (let i = 1; i <= 50; i++) {
    child.kill('SIGINT');
    let text = '';
    while (!text.includes(`${i}\n`))
      text = String(await new Promise(resolve => child.stdout!.once('data', resolve)));
  }
  child.kill('SIGTERM');
  assert.equal((await ended).code, 50);
});

test('after close the default disposition is back', async () => {
  const { child, ready, ended } = start(`
    const watch = new SignalWatch([SIGTERM]);
    process.kill(process.pid, 'SIGTERM');
    while (watch.check() !== SIGTERM);
    watch.close();
    if (watch.check() !== 0) process.exit(3);
    writeSync(1, 'ready\\n');
    for (;;);`);
  await ready;
  child.kill('SIGTERM');
  assert.equal((await ended).signal, 'SIGTERM');
});

test('Node’s own listeners still hear it', async () => {
  const { ended } = start(`
    process.on('SIGINT', () => { writeSync(1, 'heard'); process.exit(5); });
    const watch = new SignalWatch([SIGINT]);
    process.kill(process.pid, 'SIGINT');
    while (watch.check() !== SIGINT);
    watch.close();
    writeSync(1, 'ready\\n');
    setTimeout(() => process.exit(6), 5000);`);
  const result = await ended;
  assert.equal(result.code, 5);
  assert.match(result.output, /heard/);
});

test('the descriptor wakes a poll, several signals are told apart, nothing leaks', () => {
  const before = openDescriptors().size;
  for (let round = 0; round < 20; round++) {
    const watch = new SignalWatch([SIGUSR2, SIGTERM]);
    const set = new PollSet(1);
    set.add(watch.descriptor, POLLIN);
    assert.equal(watch.check(), 0);
    assert.equal(set.wait(0), 0);
    process.kill(process.pid, 'SIGUSR2');
    process.kill(process.pid, 'SIGTERM');
    let result = set.wait(5_000_000);
    while (result === -4) result = set.wait(5_000_000);
    assert.equal(result, 1);
    const seen: number[] = [];
    while (seen.length < 2) {
      const signal = watch.check();
      if (signal !== 0) seen.push(signal);
    }
    assert.deepEqual(
      seen.sort((a, b) => a - b),
      [SIGUSR2, SIGTERM],
    );
    assert.equal(watch.check(), 0);
    watch.close();
    watch.close();
    set.close();
  }
  // libuv opens one pipe for itself the first time.
  assert.ok(openDescriptors().size <= before + 2);
});

test('signals that cannot be caught are refused', () => {
  assert.throws(() => new SignalWatch([SIGUSR1, 9]), { code: 'ERR_DEMI_SIGNAL' });
  assert.throws(() => new SignalWatch([1000]), { code: 'ERR_DEMI_SIGNAL' });
  assert.throws(() => new SignalWatch([SIGINT, -1]), { code: 'ERR_DEMI_SIGNAL' });
});
