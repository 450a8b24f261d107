// Coroutines: generators that `yield*` operations and are resumed, within the turn, when these complete.

import type { LogOptions } from '../runtime/library-os.ts';
import {
  type CompletionSink,
  OP_COMPLETE,
  type Operation,
  type OperationTable,
  type QueueToken,
} from '../runtime/operation.ts';
import type { ContinuationRunner } from '../runtime/poll-loop.ts';
import { Result } from '../runtime/result.ts';
import { Timer, type TimerOwner, type TimerWheel } from '../runtime/timer-wheel.ts';
import type { AddressLike, Demikernel, Payload } from './demikernel.ts';
import { tokenTaken } from './errors.ts';
import { pollUntil } from './poll-until.ts';

/** What a coroutine's generator function returns. */
export type Coroutine<T = void> = Generator<unknown, T, void>;

/** Something to `yield*`: suspends the coroutine until it is over, and evaluates to its outcome. */
export interface Awaitable<T> {
  [Symbol.iterator](): Iterator<unknown, T, void>;
}

/** Coroutines resumed in one turn; the rest waits, so that the device is not starved. */
const RESUMES_PER_TURN = 256;

/** The iterator results that a suspension hands out: V8 passes them through `yield*` as they are. */
interface Step {
  done: boolean;
  value: Result | undefined;
}

/** A coroutine that has been spawned. */
export class Task implements CompletionSink, TimerOwner {
  /** True once it has returned or thrown. */
  done: boolean;
  /** What it threw, if it did. */
  error: unknown;
  readonly result: Result;
  private readonly scheduler: Coroutines;
  private readonly generator: Coroutine<unknown>;
  private readonly timer: Timer;
  /** What it returned. */
  value: unknown;
  queued: boolean;
  /** What it waits for; set while that is pending, and perhaps for longer. @internal */
  waitingFor: Operation | undefined;
  private readonly joiners: Task[];

  constructor(scheduler: Coroutines, generator: Coroutine<unknown>) {
    this.done = false;
    this.error = undefined;
    this.result = new Result();
    this.scheduler = scheduler;
    this.generator = generator;
    this.timer = new Timer(this, 0);
    this.value = undefined;
    this.queued = false;
    this.waitingFor = undefined;
    this.joiners = [];
  }

  /** @internal */
  completed(operation: Operation): void {
    if (!this.done) {
      this.scheduler.enqueue(this);
      return;
    }
    // Abandoned while it waited: nobody will take the result.
    operation.array?.free();
    if (operation.acceptedQd >= 0) this.scheduler.os.close(operation.acceptedQd);
    this.scheduler.operations.retire(operation);
  }

  /** @internal */
  onTimer(): void {
    this.scheduler.enqueue(this);
  }

  /** @internal */
  sleep(timers: TimerWheel, delayUs: number): void {
    timers.arm(this.timer, delayUs);
  }

  /** @internal */
  resume(): void {
    try {
      const step = this.generator.next();
      if (step.done === true) this.finish(step.value);
    } catch (error) {
      this.error = error;
      this.finish(undefined);
      if (this.joiners.length === 0) throw error;
    }
  }

  private finish(value: unknown): void {
    this.done = true;
    this.value = value;
    this.scheduler.ended(this);
    for (const joiner of this.joiners) this.scheduler.enqueue(joiner);
  }

  /** Runs the coroutine's `finally` blocks and ends it. What it waited for is cancelled, or dropped when it comes. */
  abandon(): void {
    if (this.done) return;
    const { waitingFor } = this;
    this.finish(undefined);
    this.scheduler.cancelTimer(this.timer);
    if (waitingFor !== undefined && waitingFor.sink === this) this.scheduler.drop(waitingFor);
    this.generator.return(undefined);
  }

  /** Waits, in another coroutine, until this one is over; throws what it threw. */
  *join(): Coroutine<unknown> {
    if (!this.done) {
      this.joiners.push(this.scheduler.current!);
      yield undefined;
    }
    if (this.error !== undefined) throw this.error;
    return this.value;
  }
}

/** One outstanding operation as something to `yield*`; one per operation slot, reused. */
class Suspension implements Awaitable<Result> {
  private readonly scheduler: Coroutines;
  private readonly operation: Operation;
  private token: QueueToken;
  private readonly pending: Step;
  private readonly over: Step;

  constructor(scheduler: Coroutines, operation: Operation) {
    this.scheduler = scheduler;
    this.operation = operation;
    this.token = operation.token;
    this.pending = { done: false, value: undefined };
    this.over = { done: true, value: undefined };
  }

  begin(): this {
    this.token = this.operation.token;
    return this;
  }

  [Symbol.iterator](): this {
    return this;
  }

  next(): Step & { value: Result } {
    const { operation } = this;
    const task = this.scheduler.current!;
    if (operation.token !== this.token) throw tokenTaken(this.token);
    if (operation.state !== OP_COMPLETE) {
      operation.sink = task;
      task.waitingFor = operation;
      return this.pending as Step & { value: Result };
    }
    task.result.readFrom(operation);
    this.scheduler.operations.retire(operation);
    this.over.value = task.result;
    return this.over as Step & { value: Result };
  }
}

/**
 * Runs coroutines on a library OS.
 *
 * ```ts
 * const co = coroutines(os);
 * co.spawn(function* () {
 *   for (;;) {
 *     const { array, errno } = yield* co.pop(qd);
 *     …
 *   }
 * });
 * co.run();
 * ```
 *
 * A result is valid until the coroutine's next `yield*`. Resuming allocates nothing.
 */
export class Coroutines implements ContinuationRunner {
  readonly os: Demikernel;
  /** @internal */
  readonly operations: OperationTable;
  /** The coroutine that is running. @internal */
  current: Task | undefined;
  private readonly live: Set<Task>;
  private readonly timers: TimerWheel;
  private readonly suspensions: (Suspension | undefined)[];
  // A ring that grows: tasks ready to run are ready[head … head + count - 1], modulo its length.
  private ready: (Task | undefined)[];
  private head: number;
  private count: number;

  constructor(os: Demikernel) {
    this.os = os;
    const { runtime } = os.libraryOs;
    this.operations = runtime.operations;
    this.current = undefined;
    this.live = new Set();
    this.timers = runtime.timers;
    this.suspensions = [];
    this.ready = new Array<Task | undefined>(256).fill(undefined);
    this.head = 0;
    this.count = 0;
    os.loop.continuations = this;
  }

  /** Starts a coroutine; it first runs in the next turn. What it throws, unless joined, comes out of the turn. */
  spawn<T>(body: () => Coroutine<T>): Task {
    const task = new Task(this, body());
    this.live.add(task);
    this.enqueue(task);
    return task;
  }

  /** Runs until every coroutine is over, or the process is asked to stop. */
  run(): void {
    if (!pollUntil(this.os.loop, this, Number.POSITIVE_INFINITY)) this.abandonAll();
  }

  /** Ends every coroutine where it stands, running its `finally` blocks. */
  abandonAll(): void {
    for (const task of this.live) task.abandon();
  }

  /** Coroutines that are not over. */
  get liveCount(): number {
    return this.live.size;
  }

  /** Whether every coroutine is over. */
  get satisfied(): boolean {
    return this.live.size === 0;
  }

  accept(qd: number): Awaitable<Result> {
    return this.wait(this.os.accept(qd));
  }

  connect(qd: number, address: AddressLike): Awaitable<Result> {
    return this.wait(this.os.connect(qd, address));
  }

  pop(qd: number, sizeBytes = 0): Awaitable<Result> {
    return this.wait(this.os.pop(qd, sizeBytes));
  }

  push(qd: number, payload: Payload, flags = 0): Awaitable<Result> {
    return this.wait(this.os.push(qd, payload, flags));
  }

  pushTo(qd: number, payload: Payload, address: AddressLike): Awaitable<Result> {
    return this.wait(this.os.pushTo(qd, payload, address));
  }

  /** Opens a log. */
  open(name: string, options?: LogOptions): Awaitable<Result> {
    return this.wait(this.os.open(name, options));
  }

  truncate(qd: number, position: number): Awaitable<Result> {
    return this.wait(this.os.truncate(qd, position));
  }

  /** Any token as something to `yield*`. */
  wait(token: QueueToken): Awaitable<Result> {
    const operation = this.operations.lookup(token);
    if (operation.sink !== undefined) throw tokenTaken(token);
    const { index } = operation;
    while (this.suspensions.length <= index) this.suspensions.push(undefined);
    let suspension = this.suspensions[index];
    if (suspension === undefined) {
      suspension = new Suspension(this, operation);
      this.suspensions[index] = suspension;
    }
    return suspension.begin();
  }

  /** Suspends the coroutine for `delayUs` microseconds; 0 gives way to the others once. */
  *sleep(delayUs: number): Coroutine {
    const task = this.current!;
    if (delayUs > 0) task.sleep(this.timers, delayUs);
    else this.enqueue(task);
    yield undefined;
  }

  /** @internal */
  cancelTimer(timer: Timer): void {
    this.timers.cancel(timer);
  }

  /** Gives an operation up whose coroutine is over: cancelled, or its result thrown away now or when it comes. @internal */
  drop(operation: Operation): void {
    if (operation.state === OP_COMPLETE) operation.sink!.completed(operation);
    else this.os.cancel(operation.token);
  }

  /** @internal */
  ended(task: Task): void {
    this.live.delete(task);
  }

  /** @internal */
  enqueue(task: Task): void {
    if (task.queued) return;
    task.queued = true;
    if (this.count === this.ready.length) this.grow();
    this.ready[(this.head + this.count) & (this.ready.length - 1)] = task;
    this.count++;
  }

  private grow(): void {
    const old = this.ready;
    this.ready = new Array<Task | undefined>(old.length * 2).fill(undefined);
    for (let i = 0; i < this.count; i++) this.ready[i] = old[(this.head + i) & (old.length - 1)];
    this.head = 0;
  }

  get hasReady(): boolean {
    return this.count > 0;
  }

  /** @internal */
  runReady(): number {
    const budget = Math.min(this.count, RESUMES_PER_TURN);
    for (let i = 0; i < budget; i++) {
      const task = this.ready[this.head]!;
      this.ready[this.head] = undefined;
      this.head = (this.head + 1) & (this.ready.length - 1);
      this.count--;
      task.queued = false;
      if (task.done) continue;
      this.current = task;
      try {
        task.resume();
      } finally {
        this.current = undefined;
      }
    }
    return budget;
  }
}

/** Coroutines on a library OS; one scheduler per open library OS. */
export function coroutines(os: Demikernel): Coroutines {
  return new Coroutines(os);
}
