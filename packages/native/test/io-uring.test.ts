// io_uring at its door: set-up, entries and completions, waiting, provided buffers, refusals. Owners are tested upstairs.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { DemiError } from '@demikernel/memory';
import { ENOBUFS, ENOSYS, EPERM, ETIME } from '../src/kernel/errno.ts';
import { EventFd } from '../src/kernel/event-fd.ts';
import {
  BufferRing,
  closeDescriptor,
  disabledError,
  IoUring,
  libc,
  mapAnonymous,
  openDescriptors,
  PollSet,
} from '../src/kernel/index.ts';
import * as abi from '../src/kernel/io-uring-constants.ts';

function refusal(): string | undefined {
  try {
    new IoUring({ entries: 8 }).close();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

const skip: string | false = refusal() ?? false;

/** A connected pair of UNIX stream sockets. */
function socketPair(): [number, number] {
  const map = mapAnonymous({ lengthBytes: 64 });
  const SYS_SOCKETPAIR = 53;
  assert.equal(libc().syscall(SYS_SOCKETPAIR, 1, 1, 0, map.addressNumber, 0, 0), 0);
  const fds = map.signedWords(0, 2);
  return [fds[0]!, fds[1]!];
}

describe('io_uring', { skip }, () => {
  test('completions bring back what entries were given', () => {
    const ring = new IoUring({ entries: 8 });
    for (let round = 0; round < 100; round++) {
      for (let i = 0; i < 8; i++) assert.ok(ring.prepare(abi.IORING_OP_NOP, -1, i, i * 7 - round) >= 0);
      assert.equal(ring.prepare(abi.IORING_OP_NOP, -1, 0, 0), -1, 'a full ring');
      assert.equal(ring.prepared, 8);
      assert.equal(ring.enter(), 8);
      assert.equal(ring.prepared, 0);
      assert.equal(ring.available(), 8);
      for (let i = 0; i < 8; i++) {
        assert.equal(ring.index(i), i);
        assert.equal(ring.tag(i), i * 7 - round);
        assert.equal(ring.result(i), 0);
      }
      ring.consume(8);
    }
    ring.close();
    ring.close();
  });

  test('work that waits for us is seen in memory, and wakes through the eventfd', () => {
    const ring = new IoUring({ entries: 8 });
    const event = new EventFd();
    const wake = new EventFd();
    assert.equal(ring.registerEvent(wake.fd), 0);
    const at = ring.prepare(abi.IORING_OP_POLL_ADD, event.fd, 5, 6);
    ring.words[at + abi.SQE_OPERATION_FLAGS] = 1;
    ring.enter();
    assert.ok(!ring.needsEnter);
    event.signal();
    const poll = new PollSet(1);
    poll.add(wake.fd, 1);
    assert.equal(poll.wait(1_000_000), 1);
    if (ring.available() === 0) {
      assert.ok(ring.needsEnter);
      ring.enter();
    }
    assert.equal(ring.available(), 1);
    assert.equal(ring.index(0), 5);
    ring.consume(1);
    assert.equal(ring.wait(1000), -ETIME);
    poll.close();
    ring.close();
    event.close();
    wake.close();
  });

  test('a multishot receive takes provided buffers in their order, and says when there are none', () => {
    const ring = new IoUring({ entries: 8 });
    const memory = mapAnonymous({ lengthBytes: 4096 });
    const buffers = new BufferRing(ring, { group: 3, entries: 4, base: memory.addressNumber });
    for (let i = 0; i < 4; i++) buffers.add(i * 256, 256, 40 + i);
    buffers.publish();
    const [a, b] = socketPair();
    const at = ring.prepare(abi.IORING_OP_RECV, a, 1, 2);
    ring.words[at + abi.SQE_HEAD]! |=
      (abi.IOSQE_BUFFER_SELECT << abi.SQE_FLAGS_SHIFT) | (abi.IORING_RECV_MULTISHOT << abi.SQE_IOPRIO_SHIFT);
    ring.words[at + abi.SQE_BUFFER] = 3;
    ring.enter();
    for (let i = 0; i < 4; i++) {
      libc().writeBuffer(b, Uint8Array.of(i, i, i), 3);
      ring.enter(1);
      assert.equal(ring.result(0), 3);
      assert.equal(ring.flags(0) >>> abi.IORING_CQE_BUFFER_SHIFT, 40 + i);
      assert.ok((ring.flags(0) & abi.IORING_CQE_F_MORE) !== 0);
      assert.equal(memory.bytes()[i * 256], i);
      ring.consume(1);
    }
    libc().writeBuffer(b, Uint8Array.of(9), 1);
    ring.enter(1);
    assert.equal(ring.result(0), -ENOBUFS);
    assert.equal(ring.flags(0) & abi.IORING_CQE_F_MORE, 0, 'the receive is over');
    buffers.close();
    ring.close();
    closeDescriptor(a);
    closeDescriptor(b);
    memory.release();
  });

  test('nothing is left of a closed ring', () => {
    const before = openDescriptors().size;
    for (let i = 0; i < 50; i++) {
      const ring = new IoUring({ entries: 64 });
      ring.prepare(abi.IORING_OP_NOP, -1, 0, 0);
      ring.enter();
      ring.close();
    }
    assert.equal(openDescriptors().size, before);
  });

  test('a polling kernel thread takes entries without being entered', () => {
    const ring = new IoUring({ entries: 8, sqPollIdleMs: 1000 });
    const untilMs = Date.now() + 5000;
    ring.prepare(abi.IORING_OP_NOP, -1, 4, 2);
    assert.equal(ring.enter(), 1);
    while (ring.available() === 0 && Date.now() < untilMs) ring.enter();
    assert.equal(ring.index(0), 4);
    ring.close();
  });
});

test('a system that refuses names the switch', () => {
  const message = (number: number, switched: number): string => {
    const error = disabledError(number, switched);
    assert.ok(error instanceof DemiError);
    assert.equal(error.code, 'ERR_DEMI_IO_URING_DISABLED');
    assert.equal(error.errno, number);
    return error.message;
  };
  assert.match(message(EPERM, 2), /kernel\.io_uring_disabled is 2: sudo sysctl kernel\.io_uring_disabled=0/);
  assert.match(message(EPERM, 1), /kernel\.io_uring_group/);
  assert.match(message(EPERM, 0), /seccomp/);
  assert.match(message(ENOSYS, -1), /built without/);
});
