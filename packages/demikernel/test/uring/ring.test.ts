// The ring that owners share: dispatch, full rings, cancelling, owners that leave, sleeping, closing.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  closeDescriptor,
  ECANCELED,
  IORING_CQE_F_MORE,
  IORING_OP_NOP,
  IORING_OP_POLL_ADD,
  IORING_POLL_ADD_MULTI,
  libc,
  mapAnonymous,
  openDescriptors,
  PollSet,
  SQE_LENGTH,
  SQE_OPERATION_FLAGS,
} from '@demikernel/native/kernel';
import { MonotonicClock } from '../../src/runtime/monotonic-clock.ts';
import { SystemRandom } from '../../src/runtime/random.ts';
import { Runtime } from '../../src/runtime/runtime.ts';
import { type CompletionOwner, Ring } from '../../src/uring/ring.ts';
import { UringWaiter } from '../../src/uring/uring-waiter.ts';

/**
 * A pipe to be polled. Not an eventfd: the kernel does not signal the ring's own out of another's wake-up, but later or
 * never (eventfd_signal_allowed).
 */
class Bell {
  readonly fd: number;
  private readonly end: number;

  constructor() {
    const SYS_PIPE2 = 293;
    const map = mapAnonymous({ lengthBytes: 8 });
    assert.equal(libc().syscall(SYS_PIPE2, map.addressNumber, 0, 0, 0, 0, 0), 0);
    const ends = map.signedWords(0, 2);
    this.fd = ends[0]!;
    this.end = ends[1]!;
    map.release();
  }

  signal(): void {
    libc().writeBuffer(this.end, Uint8Array.of(1), 1);
  }

  drain(): void {
    libc().readBuffer(this.fd, new Uint8Array(1), 1);
  }

  close(): void {
    closeDescriptor(this.fd);
    closeDescriptor(this.end);
  }
}

class Recorder implements CompletionOwner {
  readonly seen: { tag: number; result: number; more: boolean }[] = [];
  completed(tag: number, result: number, flags: number): void {
    this.seen.push({ tag, result, more: (flags & IORING_CQE_F_MORE) !== 0 });
  }
}

const runtime: Runtime = new Runtime({ clock: new MonotonicClock(), random: new SystemRandom() });

function makeRing(entries = 8): Ring | undefined {
  try {
    return new Ring(runtime, { entries, completionEntries: 64 });
  } catch {
    return undefined;
  }
}

function available(): false | string {
  const ring = makeRing();
  ring?.close();
  return ring === undefined ? 'io_uring is not available here' : false;
}

function pollEvent(ring: Ring, owner: number, tag: number, event: Bell, multi = 0): void {
  const at = ring.prepare(IORING_OP_POLL_ADD, event.fd, owner, tag);
  ring.words[at + SQE_OPERATION_FLAGS] = 1;
  ring.words[at + SQE_LENGTH] = multi;
}

describe('ring', { skip: available() }, () => {
  test('completions find their owners, more of them than the ring has entries', () => {
    const ring = makeRing()!;
    const owners = Array.from({ length: 200 }, () => new Recorder());
    const ids = owners.map(owner => ring.attach(owner));
    for (let round = 0; round < 3; round++) {
      for (const [i, id] of ids.entries()) ring.prepare(IORING_OP_NOP, -1, id, i * 3 + round);
    }
    ring.flush();
    while (ring.poll() > 0);
    assert.equal(ring.underWay, 0);
    for (const [i, owner] of owners.entries()) {
      assert.deepEqual(
        owner.seen.map(({ tag }) => tag),
        [i * 3, i * 3 + 1, i * 3 + 2],
      );
      ring.detach(ids[i]!);
    }
    assert.equal(ring.close(), 0);
  });

  test('a cancelled request completes with ECANCELED; what was not meant goes on', () => {
    const ring = makeRing()!;
    const event = new Bell();
    const owner = new Recorder();
    const id = ring.attach(owner);
    pollEvent(ring, id, 1, event);
    pollEvent(ring, id, 2, event, IORING_POLL_ADD_MULTI);
    ring.flush();
    ring.cancel(id, 1);
    ring.flush();
    ring.poll();
    assert.deepEqual(owner.seen, [{ tag: 1, result: -ECANCELED, more: false }]);
    event.signal();
    ring.poll();
    assert.deepEqual(owner.seen[1], { tag: 2, result: 1, more: true });
    assert.equal(ring.pendingOf(id), 1);
    assert.equal(ring.close(), 0);
    assert.equal(owner.seen.length, 3, 'closing ended the last one');
    event.close();
  });

  test('an owner that leaves hears nothing, and its number waits for its last request', () => {
    const ring = makeRing()!;
    const event = new Bell();
    const gone = new Recorder();
    const id = ring.attach(gone);
    pollEvent(ring, id, 1, event);
    ring.flush();
    ring.detach(id);
    const next = new Recorder();
    assert.notEqual(ring.attach(next), id);
    event.signal();
    ring.poll();
    assert.equal(gone.seen.length, 0);
    assert.equal(ring.attach(next), id);
    ring.close();
    event.close();
  });

  test('a sleeper wakes: on the descriptor, and in the kernel', () => {
    const ring = makeRing()!;
    const event = new Bell();
    const owner = new Recorder();
    const id = ring.attach(owner);
    const poll = new PollSet(1);
    poll.add(ring.descriptor, 1);
    for (let round = 0; round < 3; round++) {
      pollEvent(ring, id, round, event);
      assert.ok(!ring.sleepable(), 'something is prepared');
      ring.flush();
      assert.ok(ring.sleepable());
      assert.equal(poll.wait(1000), 0);
      event.signal();
      assert.ok(!ring.sleepable());
      assert.equal(poll.wait(1_000_000), 1);
      assert.equal(ring.poll(), 1);
      event.drain();
      assert.equal(poll.wait(1000), 0, 'quiet again');
    }
    const waiter = new UringWaiter(ring);
    // libuv hears from its first turn on; the loop looks before it sleeps.
    assert.equal(waiter.checkSignal(), 0);
    waiter.sleep(1000);
    pollEvent(ring, id, 9, event);
    event.signal();
    waiter.sleep(Number.POSITIVE_INFINITY);
    ring.poll();
    assert.equal(owner.seen.at(-1)!.tag, 9);
    process.kill(process.pid, 'SIGHUP');
    waiter.sleep(Number.POSITIVE_INFINITY);
    ring.poll();
    waiter.sleep(Number.POSITIVE_INFINITY);
    assert.equal(waiter.checkSignal(), 1);
    assert.equal(waiter.checkSignal(), 0);
    waiter.close();
    assert.equal(ring.close(), 0);
    poll.close();
    event.close();
  });

  test('closing leaves no descriptor', () => {
    const before = openDescriptors().size;
    for (let i = 0; i < 20; i++) {
      const ring = makeRing()!;
      const event = new Bell();
      const id = ring.attach(new Recorder());
      for (let n = 0; n < 30; n++) pollEvent(ring, id, n, event);
      if (i % 2 === 0) ring.flush();
      assert.equal(ring.close(), 0);
      event.close();
    }
    assert.equal(openDescriptors().size, before);
  });
});
