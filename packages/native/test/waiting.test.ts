// Descriptors one can wait for, and the ways to wait: eventfd, timerfd, pidfd, memfd; poll, epoll, Node's event loop.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { test } from 'node:test';
import { closeDescriptor, openDescriptors, setNonBlocking } from '../src/kernel/descriptor.ts';
import { EPOLLIN, EPOLLOUT, EpollSet } from '../src/kernel/epoll.ts';
import { EBADF, EBUSY, EEXIST, EPERM, ESRCH } from '../src/kernel/errno.ts';
import { EventFd } from '../src/kernel/event-fd.ts';
import { watchDescriptor } from '../src/kernel/event-loop.ts';
import { addSeals, createMemfd, F_SEAL_SEAL, F_SEAL_WRITE, getSeals } from '../src/kernel/memfd.ts';
import { mapDescriptor } from '../src/kernel/memory-map.ts';
import { POLLIN, POLLNVAL, PollSet } from '../src/kernel/poll-set.ts';
import { copyDescriptorOf, openProcess, signalProcess } from '../src/kernel/process-fd.ts';
import { TimerFd } from '../src/kernel/timer-fd.ts';

test('an eventfd counts signals and is drained whole', () => {
  const event = new EventFd();
  assert.equal(event.drain(), 0);
  for (let i = 0; i < 3; i++) assert.equal(event.signal(), 0);
  assert.equal(event.drain(), 3);
  assert.equal(event.drain(), 0);
  event.close();
  event.close();
  assert.equal(event.drain(), -EBADF);
  assert.equal(event.fd, -1);
});

test('a poll set finds the ready ones and passes over removed places', () => {
  const set = new PollSet(3);
  const events = [new EventFd(), new EventFd(), new EventFd()];
  const places = events.map(event => set.add(event.fd, POLLIN));
  assert.deepEqual(places, [0, 1, 2]);
  assert.throws(() => set.add(0, POLLIN), { code: 'ERR_DEMI_RANGE' });
  assert.equal(set.wait(0), 0);
  assert.equal(set.wait(200), 0);
  events[1]!.signal();
  assert.equal(set.wait(-1), 1);
  assert.deepEqual(
    places.map(place => set.ready(place)),
    [0, POLLIN, 0],
  );
  set.setEvents(1, 0);
  assert.equal(set.wait(0), 0);
  set.remove(1);
  events[2]!.signal();
  assert.equal(set.wait(1_500_000), 1);
  assert.equal(set.ready(2), POLLIN);
  assert.equal(set.add(events[1]!.fd, POLLIN), 1);
  assert.equal(set.wait(0), 2);
  events[0]!.close();
  assert.equal(set.wait(0), 3);
  assert.equal(set.ready(0), POLLNVAL);
  set.remove(99);
  for (const place of places) set.remove(place);
  assert.equal(set.wait(0), 0);
  set.close();
  for (const event of events) event.close();
  assert.throws(() => new PollSet(0), { code: 'ERR_DEMI_RANGE' });
});

test('a poll waits in microseconds', () => {
  const set = new PollSet(1);
  const start = process.hrtime.bigint();
  for (let i = 0; i < 20; i++) assert.equal(set.wait(50), 0);
  // Never shorter than asked; a millisecond grain would take 20 ms at least, were the machine idle.
  assert.ok(process.hrtime.bigint() - start >= 20n * 50_000n);
  set.close();
});

test('an epoll set returns keys, at most its capacity at a time', () => {
  const set = new EpollSet(2);
  const events = [new EventFd(), new EventFd(), new EventFd()];
  for (let i = 0; i < 3; i++) assert.equal(set.add(events[i]!.fd, EPOLLIN, -7 + i), 0);
  assert.equal(set.add(events[0]!.fd, EPOLLIN, 1), -EEXIST);
  assert.equal(set.wait(0), 0);
  assert.equal(set.wait(200), 0);
  events[2]!.signal();
  assert.equal(set.wait(-1), 1);
  assert.equal(set.key(0), -5);
  assert.equal(set.events(0), EPOLLIN);
  for (const event of events) event.signal();
  assert.equal(set.wait(1_000_000), 2);
  assert.equal(set.modify(events[2]!.fd, EPOLLOUT, 2_000_000_000), 0);
  assert.equal(set.remove(events[0]!.fd), 0);
  assert.equal(set.remove(events[1]!.fd), 0);
  assert.equal(set.wait(0), 1);
  assert.equal(set.key(0), 2_000_000_000);
  assert.equal(set.events(0), EPOLLOUT);
  set.close();
  set.close();
  assert.equal(set.wait(0), -EBADF);
  for (const event of events) event.close();
});

test('a timer fires once, or again and again, or not at all', () => {
  const timer = new TimerFd();
  const set = new PollSet(1);
  set.add(timer.fd, POLLIN);
  assert.equal(timer.drain(), 0);
  assert.equal(timer.arm(0), 0);
  assert.equal(set.wait(-1), 1);
  assert.equal(timer.drain(), 1);
  assert.equal(timer.arm(100, 50), 0);
  let expiries = 0;
  while (expiries < 5) {
    assert.equal(set.wait(-1), 1);
    expiries += timer.drain();
  }
  assert.equal(timer.disarm(), 0);
  timer.drain();
  assert.equal(set.wait(1000), 0);
  assert.equal(timer.arm(3_600_000_000), 0);
  assert.equal(set.wait(0), 0);
  timer.close();
  set.close();
});

test('a sealed memfd cannot shrink under its maps', () => {
  const fd = createMemfd({ name: 'demi-test', lengthBytes: 4096 });
  const one = mapDescriptor({ fd, lengthBytes: 4096 });
  const other = mapDescriptor({ fd, lengthBytes: 4096 });
  one.bytes()[5] = 55;
  assert.equal(other.bytes()[5], 55);
  assert.equal(getSeals(fd), 6);
  assert.equal(addSeals(fd, F_SEAL_WRITE), -EBUSY);
  assert.equal(addSeals(fd, F_SEAL_SEAL), 0);
  assert.equal(addSeals(fd, F_SEAL_WRITE), -EPERM);
  assert.equal(getSeals(-1), -EBADF);
  one.release();
  assert.equal(other.bytes()[5], 55);
  other.release();
  assert.equal(closeDescriptor(fd), 0);
  assert.equal(closeDescriptor(fd), -EBADF);
  assert.throws(() => createMemfd({ name: 'x'.repeat(300), lengthBytes: 1 }), { errnoName: 'EINVAL' });
});

test('the end of a process is seen on its descriptor', async () => {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e6)'], { stdio: 'ignore' });
  const ended = new Promise(resolve => child.once('exit', resolve));
  const fd = openProcess(child.pid!);
  assert.ok(fd > 0);
  const set = new PollSet(1);
  set.add(fd, POLLIN);
  assert.equal(set.wait(0), 0);
  assert.equal(signalProcess(fd, 0), 0);
  const copied = copyDescriptorOf(fd, 0);
  assert.ok(copied > 0 || copied === -EPERM, `${copied}`);
  if (copied > 0) closeDescriptor(copied);
  assert.equal(signalProcess(fd, 9), 0);
  assert.equal(set.wait(5_000_000), 1);
  await ended;
  assert.equal(signalProcess(fd, 0), -ESRCH);
  closeDescriptor(fd);
  set.close();
  assert.equal(openProcess(child.pid!), -ESRCH);
});

test('Node’s event loop calls back for a descriptor', async () => {
  const event = new EventFd();
  let calls = 0;
  await new Promise<void>(resolve => {
    const watch = watchDescriptor(event.fd, {}, () => {
      calls++;
      assert.equal(event.drain(), 1);
      if (calls < 3) event.signal();
      else {
        watch.close();
        watch.close();
        resolve();
      }
    });
    event.signal();
  });
  assert.equal(calls, 3);
  event.signal();
  await new Promise(resolve => setTimeout(resolve, 10));
  assert.equal(calls, 3);
  event.close();
});

test('an exception in a watch surfaces as an uncaught one', async () => {
  const entry = new URL('../src/kernel/index.js', import.meta.url).href;
  const script = `const { EventFd, watchDescriptor } = await import(${JSON.stringify(entry)});
    const event = new EventFd(); event.signal();
    process.on('uncaughtException', error => process.exit(error.message === 'mine' ? 9 : 1));
    watchDescriptor(event.fd, { readable: true }, () => { event.drain(); throw new Error('mine'); });`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'inherit' });
  assert.equal(await new Promise(resolve => child.once('exit', resolve)), 9);
});

test('a watch nobody holds survives garbage collection', async () => {
  const entry = new URL('../src/kernel/index.js', import.meta.url).href;
  const script = `const { EventFd, watchDescriptor } = await import(${JSON.stringify(entry)});
    const event = new EventFd();
    watchDescriptor(event.fd, { readable: true }, () => process.exit(8));
    let turns = 0;
    const timer = setInterval(() => { gc(); if (++turns === 10) event.signal(); if (turns === 500) process.exit(1); }, 2);`;
  const args = ['--expose-gc', '--input-type=module', '-e', script];
  const child = spawn(process.execPath, args, { stdio: 'inherit' });
  assert.equal(await new Promise(resolve => child.once('exit', resolve)), 8);
});

test('an unreferenced watch lets the process end', async () => {
  const entry = new URL('../src/kernel/index.js', import.meta.url).href;
  const script = `const { EventFd, watchDescriptor } = await import(${JSON.stringify(entry)});
    watchDescriptor(new EventFd().fd, { ref: false }, () => {});`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'inherit' });
  assert.equal(await new Promise(resolve => child.once('exit', resolve)), 0);
});

test('non-blocking mode is switched', () => {
  const fd = openSync('/dev/null', 'r');
  assert.equal(setNonBlocking(fd), 0);
  assert.equal(setNonBlocking(fd, false), 0);
  closeSync(fd);
  assert.equal(setNonBlocking(fd), -EBADF);
});

test('opening and closing every kind leaves no descriptor behind', () => {
  const count = (): number => openDescriptors().size;
  const before = count();
  for (let i = 0; i < 50; i++) {
    new EventFd().close();
    new TimerFd().close();
    new EpollSet(4).close();
    new PollSet(4).close();
    closeDescriptor(createMemfd({ name: 'demi-test', lengthBytes: 1 }));
    closeDescriptor(openProcess(process.pid));
  }
  assert.equal(count(), before);
});
