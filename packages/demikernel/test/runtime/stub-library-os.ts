// A library OS for tests: queues that complete what a test tells them to, a clock and a sleeper made by hand.

import { heapRegion, type ScatterGatherArray, SlotPool } from '@demikernel/memory';
import { Demikernel } from '../../src/pdpix/demikernel.ts';
import { ManualClock } from '../../src/runtime/clock.ts';
import { ECANCELED } from '../../src/runtime/errno.ts';
import type { LibraryOs, SocketType } from '../../src/runtime/library-os.ts';
import { type Operation, OperationList, type OperationTable } from '../../src/runtime/operation.ts';
import type { WaitMode } from '../../src/runtime/poll-loop.ts';
import { Queue, type SocketOptionName } from '../../src/runtime/queue.ts';
import { SeededRandom } from '../../src/runtime/random.ts';
import { Runtime } from '../../src/runtime/runtime.ts';
import { SocketAddress } from '../../src/runtime/socket-address.ts';
import type { Waiter } from '../../src/runtime/waiter.ts';

/** Keeps every operation pending until the test ends it. */
export class StubQueue extends Queue {
  override readonly localAddress: SocketAddress = new SocketAddress();
  override readonly remoteAddress: SocketAddress = new SocketAddress();
  readonly pending: OperationList = new OperationList();
  readonly options: Map<SocketOptionName, number | boolean> = new Map();
  operations: OperationTable | undefined;
  /** What `cancel` answers. */
  cancellable = true;
  closed = false;

  constructor(operations?: OperationTable) {
    super();
    this.operations = operations;
  }

  override bind(address: SocketAddress): number {
    this.localAddress.copyFrom(address);
    return 0;
  }

  override listen(): number {
    return 0;
  }

  override accept(operation: Operation): void {
    this.pending.push(operation);
  }

  override connect(operation: Operation): void {
    this.pending.push(operation);
  }

  override push(operation: Operation): void {
    this.pending.push(operation);
  }

  override pop(operation: Operation): void {
    this.pending.push(operation);
  }

  /** Ends the oldest pending operation. */
  finish(errno = 0, array?: ScatterGatherArray): void {
    this.finishOne(this.pending.head!, errno, array);
  }

  finishOne(operation: Operation, errno = 0, array?: ScatterGatherArray): void {
    this.pending.remove(operation);
    operation.array?.free();
    operation.array = array;
    this.operations!.complete(operation, errno);
  }

  override shutdown(): number {
    return 0;
  }

  override cancel(operation: Operation): boolean {
    if (!this.cancellable) return false;
    this.finishOne(operation, ECANCELED);
    return true;
  }

  override close(): void {
    this.closed = true;
    while (this.pending.head !== undefined) this.finish(ECANCELED);
  }

  override getOption(name: SocketOptionName): number | boolean | undefined {
    return this.options.get(name);
  }

  override setOption(name: SocketOptionName, value: number | boolean): number {
    this.options.set(name, value);
    return 0;
  }
}

/** Turns cost a microsecond; what is scheduled happens in `poll` when its time has come. */
export class StubLibraryOs implements LibraryOs {
  readonly name = 'stub';
  readonly clock: ManualClock = new ManualClock(1_000_000);
  readonly runtime: Runtime;
  readonly pool: SlotPool;
  readonly sliceBytes = 1024;
  readonly descriptors: readonly number[] = [];
  readonly sockets: StubQueue[] = [];
  polls = 0;
  flushes = 0;
  closed = false;
  turnUs = 1;
  private readonly events: { atUs: number; action: () => void }[] = [];

  constructor(slots = 64) {
    this.runtime = new Runtime({
      clock: this.clock,
      random: new SeededRandom(1),
      operations: 1024,
      queues: 64,
    });
    this.pool = new SlotPool(heapRegion(slots * 1024), { slotSizeBytes: 1024, headroomBytes: 0 });
  }

  /** Lets something happen `delayUs` from now. */
  later(delayUs: number, action: () => void): void {
    this.events.push({ atUs: this.clock.micros[0]! + delayUs, action });
    this.events.sort((a, b) => a.atUs - b.atUs);
  }

  createSocket(_type: SocketType): Queue {
    const queue = new StubQueue(this.runtime.operations);
    this.sockets.push(queue);
    return queue;
  }

  poll(): number {
    this.polls++;
    this.clock.advance(this.turnUs);
    let work = 0;
    while (this.events.length > 0 && this.events[0]!.atUs <= this.clock.micros[0]!) {
      this.events.shift()!.action();
      work++;
    }
    return work;
  }

  flush(): number {
    this.flushes++;
    return 0;
  }

  untilNextUs(): number {
    return this.events.length === 0
      ? Number.POSITIVE_INFINITY
      : Math.max(0, this.events[0]!.atUs - this.clock.micros[0]!);
  }

  close(): void {
    this.closed = true;
  }
}

/** Sleeps by moving the clock; a sleep that nothing would ever end is an error. */
export class StubWaiter implements Waiter {
  readonly sleeps: number[] = [];
  signal = 0;
  checks = 0;
  closed = 0;
  private readonly clock: ManualClock;

  constructor(clock: ManualClock) {
    this.clock = clock;
  }

  checkSignal(): number {
    this.checks++;
    const { signal } = this;
    this.signal = 0;
    return signal;
  }

  sleep(timeoutUs: number): void {
    if (timeoutUs === Number.POSITIVE_INFINITY) throw new Error('sleeps for ever');
    this.sleeps.push(timeoutUs);
    this.clock.advance(timeoutUs);
  }

  close(): void {
    this.closed++;
  }
}

export interface Stage {
  os: Demikernel;
  library: StubLibraryOs;
  waiter: StubWaiter;
}

/** A Demikernel over a stub. */
export function stage(mode: WaitMode = 'interrupt', spinUs?: number): Stage {
  const library = new StubLibraryOs();
  const waiter = new StubWaiter(library.clock);
  const os = new Demikernel(library, { mode, spinUs, makeWaiter: () => waiter });
  return { os, library, waiter };
}

/** The stub behind a queue descriptor. */
export function stubOf({ library }: Stage, qd: number): StubQueue {
  return library.runtime.queues.lookup(qd) as StubQueue;
}
