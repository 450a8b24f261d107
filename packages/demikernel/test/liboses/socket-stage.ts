// Library OSes over kernel sockets for tests: opened over this machine's loopback, closed with a check that nothing is left behind.

import assert from 'node:assert/strict';
import { openDescriptors, POLLIN, PollSet } from '@demikernel/native/kernel';
import { type CatcollarOptions, createCatcollar } from '../../src/liboses/catcollar/catcollar.ts';
import { type CatnapOptions, createCatnap } from '../../src/liboses/catnap/catnap.ts';
import { Demikernel } from '../../src/pdpix/demikernel.ts';
import { MonotonicClock } from '../../src/runtime/monotonic-clock.ts';
import type { QueueToken } from '../../src/runtime/operation.ts';
import type { WaitMode } from '../../src/runtime/poll-loop.ts';
import { SystemRandom } from '../../src/runtime/random.ts';
import type { Result } from '../../src/runtime/result.ts';
import { Runtime } from '../../src/runtime/runtime.ts';
import type { Waiter } from '../../src/runtime/waiter.ts';

/** Longest that a test waits for anything: only a broken one gets there. */
export const PATIENCE_US = 10_000_000;

/** Sleeps on the descriptors and leaves signals to Node. */
class DescriptorWaiter implements Waiter {
  private readonly pollSet: PollSet;

  constructor(descriptors: readonly number[]) {
    this.pollSet = new PollSet(Math.max(descriptors.length, 1));
    for (const descriptor of descriptors) this.pollSet.add(descriptor, POLLIN);
  }

  checkSignal(): number {
    return 0;
  }

  sleep(timeoutUs: number): void {
    this.pollSet.wait(Math.min(timeoutUs, PATIENCE_US));
  }

  close(): void {
    this.pollSet.close();
  }
}

export type SocketOptions = CatnapOptions & CatcollarOptions;

/** One of the library OSes, for tests that all of them pass. */
export interface SocketStage {
  readonly name: 'catnap' | 'catcollar';
  open(options?: SocketOptions, mode?: WaitMode): Demikernel;
  /** Runs a test on a fresh one; afterwards every operation, slot and descriptor must be back. */
  on(test: (os: Demikernel) => void, options?: SocketOptions, mode?: WaitMode): () => void;
}

export function openCatnap(options: SocketOptions = {}, mode: WaitMode = 'interrupt'): Demikernel {
  return openSockets('catnap', options, mode);
}

export function openSockets(
  name: SocketStage['name'],
  options: SocketOptions = {},
  mode: WaitMode = 'interrupt',
): Demikernel {
  const clock = new MonotonicClock();
  const runtime = new Runtime({ clock, random: new SystemRandom(), operations: 4096, queues: 1024 });
  const create = name === 'catnap' ? createCatnap : createCatcollar;
  const library = create(runtime, { memoryBytes: 8 * 1024 * 1024, ...options });
  return new Demikernel(library, { mode, makeWaiter: () => new DescriptorWaiter(library.descriptors) });
}

/** @param always options that every test of this stage gets */
export function socketStage(name: SocketStage['name'], always: SocketOptions = {}): SocketStage {
  return {
    name,
    open: (options, mode) => openSockets(name, { ...always, ...options }, mode),
    on: (test, options, mode) => onSockets(name, test, { ...always, ...options }, mode),
  };
}

function onSockets(
  name: SocketStage['name'],
  test: (os: Demikernel) => void,
  options: SocketOptions = {},
  mode?: WaitMode,
): () => void {
  return () => {
    const before = openDescriptors().size;
    const os = openSockets(name, options, mode);
    const { runtime, pool } = os.libraryOs;
    const free = pool.freeSlots;
    try {
      test(os);
      runtime.queues.forEach(({ qd }) => {
        os.close(qd);
      });
      // What a test did not wait for has ended all the same.
      runtime.operations.forEachLive(operation => {
        assert.notEqual(operation.state, 1, `operation ${operation.opcode} still pending after close`);
        operation.array?.free();
        runtime.operations.retire(operation);
      });
      // The receiver keeps some slots ready, and after a shortage fewer than at the start.
      // What leaves without a copy is held until the card, or the peer, has it; what a thread of the kernel sends, until that has
      // looked at it: an operation that a reset has ended may be over before its send is.
      const later = options.zeroCopyBytes !== undefined || options.sqPollIdleMs !== undefined;
      const untilMs = Date.now() + (later ? 5000 : 0);
      while (pool.freeSlots < free && Date.now() < untilMs) os.poll();
      const missing = free - pool.freeSlots;
      assert.ok(
        missing === 0 || (options.memoryBytes !== undefined && missing < 0),
        `${missing} slots are lost`,
      );
      assert.equal(runtime.timers.armedCount, 0, 'no timer is left');
    } finally {
      os.shutDown();
    }
    assert.equal(openDescriptors().size, before, 'descriptors are back');
  };
}

/** Waits for one token; failing to get it is the test's failure. */
export function take(os: Demikernel, token: QueueToken): Result {
  const result = os.wait(token, PATIENCE_US);
  assert.ok(result !== undefined, 'nothing happened');
  return result;
}

export interface Pair {
  client: number;
  server: number;
  listener: number;
}

/** Two connected stream sockets, and the listener they met at. */
export function connectedPair(
  os: Demikernel,
  address = '127.0.0.1:0',
  prepare?: (client: number, listener: number) => void,
): Pair {
  const listener = os.socket('stream');
  const client = os.socket('stream');
  prepare?.(client, listener);
  os.bind(listener, address);
  os.listen(listener);
  const accepted = os.accept(listener);
  assert.equal(take(os, os.connect(client, os.getsockname(listener))).errno, 0);
  const result = take(os, accepted);
  assert.equal(result.errno, 0);
  return { client, server: result.acceptedQd, listener };
}

/** Bytes whose place can be told from their value. */
export function pattern(lengthBytes: number, start = 0): Uint8Array {
  const bytes = new Uint8Array(lengthBytes);
  for (let i = 0; i < lengthBytes; i++) bytes[i] = ((start + i) * 31 + ((start + i) >> 8)) & 255;
  return bytes;
}

/** Pops until `lengthBytes` have come, or the stream ends. */
export function receive(os: Demikernel, qd: number, lengthBytes: number, sizeBytes = 0): Uint8Array {
  const bytes = new Uint8Array(lengthBytes);
  let at = 0;
  while (at < lengthBytes) {
    const { errno, array, lengthBytes: length } = take(os, os.pop(qd, sizeBytes));
    assert.equal(errno, 0);
    if (sizeBytes > 0) assert.ok(length <= sizeBytes);
    array!.copyTo(bytes, at);
    array!.free();
    if (length === 0) break;
    at += length;
  }
  assert.ok(at <= lengthBytes, 'more than was sent');
  return bytes.subarray(0, at);
}

/** Pops once and gives the bytes. */
export function popBytes(os: Demikernel, qd: number, sizeBytes = 0): Uint8Array {
  const { errno, array } = take(os, os.pop(qd, sizeBytes));
  assert.equal(errno, 0);
  const bytes = array!.toBytes();
  array!.free();
  return bytes;
}
