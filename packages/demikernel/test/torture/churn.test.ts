// Connections that come and go: memory and time stay within bounds. Those that never come are churn-flood.test.ts.
//
// CHURN_CONNECTIONS=n sets another number.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EADDRNOTAVAIL } from '../../src/runtime/errno.ts';
import type { Operation } from '../../src/runtime/operation.ts';
import type { Queue } from '../../src/runtime/queue.ts';
import { SeededRandom } from '../../src/runtime/random.ts';
import { done, type Peer, pair } from '../inetstack/tcp/simulated-pair.ts';
import { liveHeapBytes } from './heap.ts';
import { assertNothingLeft, assertQuiet } from './ledger.ts';

const CYCLES = Number(process.env['CHURN_CONNECTIONS'] ?? 100_000);
const AT_ONCE = 64;

/** One connection at a time: connect, accept, close from one end or the other. */
class Cycle {
  private queue: Queue | undefined;
  private connect: Operation | undefined;
  private accept: Operation | undefined;
  private readonly a: Peer;
  private readonly b: Peer;
  private readonly listener: Queue;
  private readonly random: SeededRandom;

  constructor(a: Peer, b: Peer, listener: Queue, random: SeededRandom) {
    this.a = a;
    this.b = b;
    this.listener = listener;
    this.random = random;
  }

  begin(): void {
    this.queue = this.a.socket();
    this.accept = this.b.accept(this.listener);
    this.connect = this.a.connect(this.queue, '10.0.0.2:80');
  }

  /** 1 when a connection has come and gone, 0 when it has not yet, -1 when every port is in TIME-WAIT. */
  turn(): number {
    const { a, b, connect, accept, queue } = this;
    if (!done(connect!)) return 0;
    if (connect!.errno !== 0) {
      assert.equal(a.finish(connect!), EADDRNOTAVAIL);
      a.close(queue!);
      this.listener.cancel(accept!);
      b.finish(accept!);
      return -1;
    }
    if (!done(accept!)) return 0;
    a.finish(connect!);
    const served = b.accepted(accept!);
    const serverFirst = this.random.below(2) === 0;
    if (serverFirst) b.close(served);
    a.close(queue!);
    if (!serverFirst) b.close(served);
    return 1;
  }
}

test(`${CYCLES} connections opened and closed`, t => {
  const startMs = Date.now();
  const { world, a, b } = pair({ link: { delayUs: 5 } }, { slots: 4096, tcp: { timeWaitUs: 500 } });
  const listener = b.listen(80, 256);
  const random = new SeededRandom(2);
  const cycles = Array.from({ length: AT_ONCE }, () => new Cycle(a, b, listener, random));
  for (const cycle of cycles) cycle.begin();
  let closed = 0;
  let most = 0;
  let heapAfterWarmUp = 0;
  while (closed < CYCLES) {
    world.step();
    world.advance();
    for (const cycle of cycles) {
      const outcome = cycle.turn();
      if (outcome < 0) world.runFor(20_000);
      else closed += outcome;
      if (outcome !== 0) cycle.begin();
    }
    most = Math.max(most, a.host.stack.tcp.connectionCount);
    if (heapAfterWarmUp === 0 && closed > CYCLES / 4) heapAfterWarmUp = liveHeapBytes();
  }
  const grownBytes = liveHeapBytes() - heapAfterWarmUp;
  t.diagnostic(
    `${Math.round(((Date.now() - startMs) * 1000) / CYCLES)} µs per connection, at most ${most} at a time, heap grew by ${grownBytes} bytes over ${CYCLES * 0.75} of them`,
  );
  assert.ok(grownBytes < 16 * CYCLES + 4_000_000, `the heap grew by ${grownBytes} bytes`);
  for (const cycle of cycles) {
    while (cycle.turn() === 0) {
      world.step();
      world.advance();
    }
  }
  b.close(listener);
  world.runFor(100_000_000);
  for (const peer of [a, b]) assertQuiet(peer.host.stack, peer.host.device.name);
  for (const peer of [a, b]) assertNothingLeft(peer.host.stack, peer.host.device.name);
});
