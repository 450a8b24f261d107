// Peers that vanish, windows that never open, applications that give nothing back: everything ends in time, and recovers.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ICMP_COUNTERS } from '../../src/inetstack/icmp/icmp.ts';
import type { TcpQueue } from '../../src/inetstack/tcp/tcp-queue.ts';
import { EHOSTUNREACH, ETIMEDOUT } from '../../src/runtime/errno.ts';
import { OP_PUSH, type Operation, PUSH_ACKED, PUSH_TO } from '../../src/runtime/operation.ts';
import type { Queue } from '../../src/runtime/queue.ts';
import { SeededRandom } from '../../src/runtime/random.ts';
import { parseSocketAddress } from '../../src/runtime/socket-address.ts';
import { Timer, type TimerOwner, TimerWheel } from '../../src/runtime/timer-wheel.ts';
import { connected, done, type Pair, type Peer, pair, pattern } from '../inetstack/tcp/simulated-pair.ts';
import { echoRequest } from './echo-request.ts';
import { assertNothingLeft, assertQuiet } from './ledger.ts';

const HOUR_US = 3_600_000_000;

function closeBooks(p: Pair): void {
  p.world.runFor(HOUR_US);
  for (const peer of [p.a, p.b]) assertQuiet(peer.host.stack, peer.host.device.name);
  for (const peer of [p.a, p.b]) assertNothingLeft(peer.host.stack, peer.host.device.name);
}

/** Cuts a host off: what it sends is lost, and what is sent to it. */
function cut(peer: Peer): void {
  peer.host.device.closed = true;
}

test('a peer that vanishes in mid-transfer is given up after the retransmissions', () => {
  const p = pair({ link: { delayUs: 20 } });
  const { client, server, listener } = connected(p);
  const push = p.a.push(client, pattern(200_000), PUSH_ACKED)!;
  const pop = p.a.pop(client);
  p.world.runFor(200);
  cut(p.b);
  const startUs = p.world.nowUs;
  assert.ok(p.world.run(() => done(push) && done(pop)));
  // Its neighbour entry has aged meanwhile, and ARP knows the better reason (RFC 1122 section 4.2.3.9).
  assert.equal(p.a.finish(push), EHOSTUNREACH);
  assert.equal(p.a.finish(pop), EHOSTUNREACH);
  // 15 retransmissions from 5 ms up, doubled until 60 s: between two and fifteen minutes.
  const gaveUpS = (p.world.nowUs - startUs) / 1_000_000;
  assert.ok(gaveUpS > 60 && gaveUpS < 900, `gave up after ${gaveUpS} s`);
  assert.equal(p.a.counter('timedOut'), 1);
  for (const [peer, queue] of [
    [p.a, client],
    [p.b, server],
    [p.b, listener],
  ] as const)
    peer.close(queue);
  closeBooks(p);
});

test('the user time-out ends it sooner', () => {
  const p = pair({ link: { delayUs: 20 } });
  const { client, server, listener } = connected(p);
  assert.equal(client.setOption('userTimeoutUs', 2_000_000), 0);
  const push = p.a.push(client, pattern(200_000), PUSH_ACKED)!;
  p.world.runFor(200);
  cut(p.b);
  const startUs = p.world.nowUs;
  assert.ok(p.world.run(() => done(push)));
  assert.equal(p.a.finish(push), ETIMEDOUT);
  const gaveUpS = (p.world.nowUs - startUs) / 1_000_000;
  assert.ok(gaveUpS >= 1.9 && gaveUpS < 3, `gave up after ${gaveUpS} s`);
  for (const [peer, queue] of [
    [p.a, client],
    [p.b, server],
    [p.b, listener],
  ] as const)
    peer.close(queue);
  closeBooks(p);
});

test('a peer that vanishes while nothing is under way is found by keepalive', () => {
  const p = pair({ link: { delayUs: 20 } });
  const { client, server, listener } = connected(p);
  client.setOption('keepAliveIdleUs', 10_000_000);
  client.setOption('keepAliveIntervalUs', 1_000_000);
  client.setOption('keepAliveProbes', 3);
  client.setOption('keepAlive', true);
  const pop = p.a.pop(client);
  p.world.runFor(60_000_000);
  assert.ok(!done(pop), 'a live peer answers the probes');
  cut(p.b);
  assert.ok(p.world.run(() => done(pop)));
  assert.equal(p.a.finish(pop), ETIMEDOUT);
  for (const [peer, queue] of [
    [p.a, client],
    [p.b, server],
    [p.b, listener],
  ] as const)
    peer.close(queue);
  closeBooks(p);
});

function shutWindow(p: Pair): {
  client: TcpQueue;
  server: TcpQueue;
  listener: ReturnType<Peer['listen']>;
  push: Operation;
} {
  const { client, server, listener } = connected(p);
  const push = p.a.push(client, pattern(300_000), PUSH_ACKED, 1448)!;
  p.world.runFor(5_000_000);
  assert.ok(!done(push));
  assert.equal(client.state!.sndWnd, 0, 'the window is shut');
  return { client, server, listener, push };
}

test('a window that stays shut is probed ever more rarely, and is never given up while the peer answers', () => {
  const p = pair({ link: { delayUs: 20 } }, { tcp: { receiveBufferBytes: 32_768 } });
  const { client, server, listener, push } = shutWindow(p);
  p.world.runFor(3 * HOUR_US);
  assert.ok(!done(push));
  const probes = p.a.counter('windowProbe');
  assert.ok(probes > 100 && probes < 400, `${probes} probes in three hours`);
  // The reader comes back: everything arrives.
  let got = 0;
  let pop = p.b.pop(server);
  assert.ok(
    p.world.run(() => {
      if (got < 300_000 && done(pop)) {
        got += p.b.bytes(pop).length;
        if (got < 300_000) pop = p.b.pop(server);
      }
      return got === 300_000 && done(push);
    }),
  );
  assert.equal(p.a.finish(push), 0);
  for (const [peer, queue] of [
    [p.a, client],
    [p.b, server],
    [p.b, listener],
  ] as const)
    peer.close(queue);
  closeBooks(p);
});

test('a shut window of a peer that has vanished is given up after the user time-out', () => {
  const p = pair({ link: { delayUs: 20 } }, { tcp: { receiveBufferBytes: 32_768 } });
  const { client, server, listener, push } = shutWindow(p);
  assert.equal(client.setOption('userTimeoutUs', 5_000_000), 0);
  const startUs = p.world.nowUs;
  cut(p.b);
  assert.ok(p.world.run(() => done(push)));
  assert.equal(p.a.finish(push), ETIMEDOUT);
  const gaveUpS = (p.world.nowUs - startUs) / 1_000_000;
  assert.ok(gaveUpS < 130, `gave up after ${gaveUpS} s`);
  for (const [peer, queue] of [
    [p.a, client],
    [p.b, server],
    [p.b, listener],
  ] as const)
    peer.close(queue);
  closeBooks(p);
});

/** How many of some echo requests to `b` are answered, a millisecond apart. */
function answeredPings(p: Pair, count: number): number {
  const { device, pool, stack, address } = p.b.host;
  const before = stack.icmp.counters[ICMP_COUNTERS.indexOf('echoReplies')]!;
  for (let i = 0; i < count; i++) {
    const frame = echoRequest(device.macAddress, p.a.host.device.macAddress, p.a.host.address, address, i);
    const offset = device.reserve(frame.length);
    if (offset >= 0) {
      pool.region.bytes.set(frame, offset);
      device.commit();
    }
    p.world.runFor(1000);
  }
  return stack.icmp.counters[ICMP_COUNTERS.indexOf('echoReplies')]! - before;
}

test('datagrams that are popped and kept: the stack answers all the same', () => {
  const p = pair({ link: { delayUs: 5 } }, { slots: 512, reserveSlots: 64 });
  const [a, b] = [p.a, p.b].map(peer => {
    const queue = peer.host.libos.createSocket('datagram');
    peer.host.runtime.queues.add(queue);
    assert.equal(queue.bind(parseSocketAddress('*:53')), 0);
    return queue;
  }) as [Queue, Queue];
  const kept: Operation[] = [];
  for (let i = 0; i < 2000; i++) {
    kept.push(p.b.pop(b));
    const array = p.a.host.pool.allocArray(100)!;
    const push = p.a.host.runtime.operations.issue(OP_PUSH, a.qd);
    push.array = array;
    push.flags = PUSH_TO;
    push.address.copyFrom(parseSocketAddress('10.0.0.2:53'));
    a.push(push);
    p.world.runFor(100);
    assert.equal(p.a.finish(push), 0);
  }
  assert.equal(answeredPings(p, 50), 50);
  p.b.close(b);
  p.a.close(a);
  for (const pop of kept) {
    pop.array?.free();
    p.b.finish(pop);
  }
  closeBooks(p);
});

test('a reader that keeps what it pops, while the stack answers', () => {
  const p = pair({ link: { delayUs: 5 } }, { slots: 512, reserveSlots: 64 });
  const { client, server, listener } = connected(p);
  const kept: Operation[] = [];
  const pushes: Operation[] = [];
  for (let i = 0; i < 40; i++) {
    const push = p.a.push(client, pattern(20_000), 0, 1448);
    if (push !== undefined) pushes.push(push);
    kept.push(p.b.pop(server, 1));
    kept.push(p.b.pop(server));
    p.world.runFor(10_000);
  }
  assert.equal(answeredPings(p, 50), 50);
  for (const [peer, queue] of [
    [p.a, client],
    [p.b, server],
    [p.b, listener],
  ] as const)
    peer.close(queue);
  for (const pop of kept) {
    pop.array?.free();
    p.b.finish(pop);
  }
  for (const push of pushes) p.a.finish(push);
  closeBooks(p);
});

test('an application that hoards every slot: the stack answers all the same, and recovers', () => {
  const p = pair({ link: { delayUs: 5 } }, { slots: 512, reserveSlots: 64 });
  const { client, server, listener } = connected(p);
  const { pool } = p.b.host;
  const hoard = [];
  for (let array = pool.allocArray(100); array !== undefined; array = pool.allocArray(100)) hoard.push(array);
  assert.equal(pool.freeSlots, 64);
  assert.equal(answeredPings(p, 50), 50, 'echo requests are answered');
  // A peer that sends on finds acknowledgements, a shut window at worst, and nothing lost in the end.
  const push = p.a.push(client, pattern(100_000), PUSH_ACKED, 1448)!;
  p.world.runFor(2_000_000);
  assert.ok(!done(push) || push.errno === 0, 'the connection lives');
  assert.equal(answeredPings(p, 50), 50, 'echo requests are answered while data waits');
  p.world.runFor(HOUR_US);
  assert.ok(!done(push), 'a peer that answers is not given up');
  for (const array of hoard) array.free();
  let got = 0;
  let pop = p.b.pop(server);
  const limitUs = p.world.nowUs + 120_000_000;
  p.world.run(() => {
    while (got < 100_000 && done(pop)) {
      got += p.b.bytes(pop).length;
      if (got < 100_000) pop = p.b.pop(server);
    }
    return (got === 100_000 && done(push)) || p.world.nowUs > limitUs;
  });
  assert.equal(got, 100_000, 'everything arrives once the slots are back');
  assert.equal(p.a.finish(push), 0);
  for (const [peer, queue] of [
    [p.a, client],
    [p.b, server],
    [p.b, listener],
  ] as const)
    peer.close(queue);
  closeBooks(p);
});

test('a reader that keeps what it pops: the sender waits, then goes on', () => {
  const p = pair({ link: { delayUs: 5 } }, { slots: 512, reserveSlots: 64 });
  const { client, server, listener } = connected(p);
  const kept: Operation[] = [];
  const total = 2_000_000;
  let pushed = 0;
  let got = 0;
  let push: Operation | undefined;
  let pop = p.b.pop(server);
  const turn = (keeping: boolean): void => {
    if (push !== undefined && done(push)) {
      assert.equal(p.a.finish(push), 0);
      push = undefined;
    }
    if (push === undefined && pushed < total) {
      push = p.a.push(client, pattern(20_000), 0, 1448);
      if (push !== undefined) pushed += 20_000;
    }
    while (got < total && done(pop)) {
      assert.equal(pop.errno, 0);
      got += pop.array!.lengthBytes;
      if (keeping) kept.push(pop);
      else p.b.bytes(pop);
      if (got < total) pop = p.b.pop(server);
    }
  };
  for (let i = 0; i < 3000; i++) {
    turn(true);
    p.world.step();
    p.world.advance(1000);
  }
  assert.ok(got < total && got > 0, `${got} bytes fit into the pool`);
  for (const operation of kept) p.b.bytes(operation);
  const limitUs = p.world.nowUs + 300_000_000;
  p.world.run(() => {
    turn(false);
    return (got === total && push === undefined) || p.world.nowUs > limitUs;
  });
  assert.equal(got, total);
  for (const [peer, queue] of [
    [p.a, client],
    [p.b, server],
    [p.b, listener],
  ] as const)
    peer.close(queue);
  closeBooks(p);
});

class Alarm implements TimerOwner {
  readonly timer: Timer;
  readonly dueUs: Float64Array;
  fired: number;
  earliestUs: number;
  latestUs: number;
  private readonly nowUs: Float64Array;

  constructor(nowUs: Float64Array) {
    this.timer = new Timer(this, 0);
    this.dueUs = new Float64Array(1);
    this.fired = 0;
    this.earliestUs = 0;
    this.latestUs = 0;
    this.nowUs = nowUs;
  }

  onTimer(): void {
    this.fired++;
    const late = this.nowUs[0]! - this.dueUs[0]!;
    if (late < this.earliestUs) this.earliestUs = late;
    if (late > this.latestUs) this.latestUs = late;
  }
}

test('a hundred thousand timers, each on time', t => {
  const nowUs = new Float64Array(1);
  const wheel = new TimerWheel(nowUs);
  const random = new SeededRandom(5);
  const alarms = Array.from({ length: 100_000 }, () => new Alarm(nowUs));
  const startMs = performance.now();
  let operations = 0;
  for (let round = 0; round < 10; round++) {
    for (const alarm of alarms) {
      const delayUs = random.below(random.below(2) === 0 ? 100_000 : 100_000_000);
      alarm.dueUs[0] = nowUs[0]! + delayUs;
      wheel.arm(alarm.timer, delayUs);
      operations++;
    }
    for (let i = 0; i < alarms.length; i += 7) wheel.cancel(alarms[i]!.timer);
    const endUs = nowUs[0]! + 1_000_000;
    while (nowUs[0]! < endUs) {
      nowUs[0] = nowUs[0]! + 50;
      wheel.advance();
    }
  }
  while (wheel.armedCount > 0) {
    nowUs[0] = nowUs[0]! + Math.max(1, wheel.untilNextUs());
    wheel.advance();
  }
  const fired = alarms.reduce((sum, alarm) => sum + alarm.fired, 0);
  const latest = alarms.reduce((most, alarm) => Math.max(most, alarm.latestUs), 0);
  t.diagnostic(
    `${operations} armed, ${fired} fired, at most ${latest} µs late, ${Math.round((1e6 * (performance.now() - startMs)) / operations)} ns per timer`,
  );
  assert.ok(
    alarms.every(alarm => alarm.earliestUs >= 0),
    'no timer is early',
  );
  assert.ok(latest <= 64 + 64 + 50, `${latest} µs late`);
  assert.equal(wheel.firedCount, fired);
});
