// Clocks, processor time, affinity and capabilities.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { getAffinity, setAffinity, setProcessAffinity } from '../src/kernel/affinity.ts';
import { hasCapability, missingCapabilities } from '../src/kernel/capabilities.ts';
import { CLOCK_REALTIME, CLOCK_THREAD_CPUTIME_ID, Clock } from '../src/kernel/clock.ts';
import { machineCpuTime, processCpuTime, threadCpuTime } from '../src/kernel/cpu-time.ts';

test('the monotonic clock is Node’s own', () => {
  const clock = new Clock();
  const before = Number(process.hrtime.bigint()) / 1000;
  clock.read();
  const after = Number(process.hrtime.bigint()) / 1000;
  // A float of microseconds is exact to well under a nanosecond here.
  assert.ok(clock.us[0]! >= before - 0.01 && clock.us[0]! <= after + 0.01);
  let last = clock.us[0]!;
  for (let i = 0; i < 10_000; i++) {
    clock.read();
    assert.ok(clock.us[0]! >= last);
    last = clock.us[0]!;
  }
  clock.close();
});

test('other clocks are read the same way', () => {
  const wall = new Clock(CLOCK_REALTIME);
  assert.ok(Math.abs(wall.us[0]! / 1000 - Date.now()) < 10_000);
  const cpu = new Clock(CLOCK_THREAD_CPUTIME_ID);
  const start = cpu.us[0]!;
  for (let i = 0; i < 1e6; i++) Math.sqrt(i);
  cpu.read();
  assert.ok(cpu.us[0]! > start);
});

test('processor time grows with work', () => {
  const process0 = processCpuTime();
  const thread0 = threadCpuTime();
  const end = Date.now() + 20;
  while (Date.now() < end);
  const process1 = processCpuTime();
  const thread1 = threadCpuTime();
  const total = (time: { userUs: number; systemUs: number }): number => time.userUs + time.systemUs;
  assert.ok(total(process1) > total(process0));
  assert.ok(total(thread1) > total(thread0));
  assert.ok(total(thread1) <= total(process1));
  assert.ok(machineCpuTime().busyUs > 0);
});

test('/proc/stat is read by column', () => {
  const text = 'cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 10 0 0 0 0 0 70\nintr 5\n';
  assert.deepEqual(machineCpuTime(undefined, text), {
    userUs: 30_000,
    systemUs: 30_000,
    irqUs: 60_000,
    softirqUs: 70_000,
    stealUs: 80_000,
    idleUs: 90_000,
    busyUs: 190_000,
  });
  assert.equal(machineCpuTime(0, text).softirqUs, 700_000);
  assert.equal(machineCpuTime(7, text).busyUs, 0);
});

test('a thread is pinned and released', () => {
  const all = getAffinity();
  assert.ok(all.length > 0);
  setAffinity([all.at(-1)!]);
  assert.deepEqual(getAffinity(), [all.at(-1)!]);
  setAffinity(all);
  assert.deepEqual(getAffinity(), all);
  assert.throws(() => setAffinity([1023]), { errnoName: 'EINVAL' });
  assert.throws(() => setAffinity([5000]), { code: 'ERR_DEMI_RANGE' });
  setProcessAffinity([all[0]!]);
  assert.deepEqual(getAffinity(), [all[0]!]);
  setProcessAffinity(all);
  assert.deepEqual(getAffinity(), all);
  assert.throws(() => setProcessAffinity(all, 2 ** 22 + 1), { errnoName: 'ESRCH' });
});

test('capabilities are read from the effective set', () => {
  const only = 'CapPrm:\tffffffffffffffff\nCapEff:\t0000008000001000\n';
  assert.equal(hasCapability('CAP_NET_ADMIN', only), true);
  assert.equal(hasCapability('CAP_BPF', only), true);
  assert.equal(hasCapability('CAP_SYS_ADMIN', only), false);
  assert.equal(hasCapability('CAP_UNHEARD_OF', only), false);
  assert.equal(hasCapability('CAP_BPF', 'nothing'), false);
  const names = ['CAP_NET_RAW', 'CAP_IPC_LOCK'];
  assert.deepEqual(
    missingCapabilities(names),
    names.filter(name => !hasCapability(name)),
  );
});
