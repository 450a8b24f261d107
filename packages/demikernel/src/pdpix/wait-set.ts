// Wait sets: the fast way to wait. Work per wait is proportional to completions, not to what is outstanding.

import {
  type CompletionSink,
  OP_COMPLETE,
  type Operation,
  type OperationTable,
  type QueueToken,
} from '../runtime/operation.ts';
import type { PollLoop } from '../runtime/poll-loop.ts';
import { Result } from '../runtime/result.ts';
import { tokenTaken } from './errors.ts';
import { pollUntil } from './poll-until.ts';

/** Results handed out between two turns of the loop, so that a ready list that never runs dry starves nobody. */
const RESULTS_PER_TURN = 64;
/** Places for complete operations to begin with; a power of two. */
const FIRST_READY = 64;

/**
 * A set of outstanding operations. Results come in the order in which operations complete.
 *
 * ```ts
 * const set = os.waitSet();
 * set.add(os.pop(qd));
 * for (let result = set.wait(); result !== undefined; result = set.wait()) …
 * ```
 */
export class WaitSet implements CompletionSink {
  /** Operations in the set, complete or not. */
  size: number;
  private readonly operations: OperationTable;
  private readonly loop: PollLoop;
  // Complete operations in order, a ring that grows: operations are named by their index, because storing an index is a
  // store, and storing a pointer is that and the garbage collector's book-keeping.
  private ready: Int32Array;
  private readyHead: number;
  private readyCount: number;
  private readonly result: Result;
  private handedOut: number;

  /** Use `Demikernel.waitSet`. */
  constructor(operations: OperationTable, loop: PollLoop) {
    this.size = 0;
    this.operations = operations;
    this.loop = loop;
    this.ready = new Int32Array(FIRST_READY);
    this.readyHead = 0;
    this.readyCount = 0;
    this.result = new Result();
    this.handedOut = 0;
  }

  /** Lets an operation, just issued, complete into this set. @throws ERR_DEMI_TOKEN when another waits for it. */
  add(token: QueueToken): void {
    const operation = this.operations.lookup(token);
    if (operation.sink !== undefined) throw tokenTaken(token);
    operation.sink = this;
    this.size++;
    if (operation.state === OP_COMPLETE) this.completed(operation);
  }

  /** @internal */
  completed(operation: Operation): void {
    if (this.readyCount === this.ready.length) this.grow();
    this.ready[(this.readyHead + this.readyCount) & (this.ready.length - 1)] = operation.index;
    this.readyCount++;
  }

  /**
   * The next result, waiting up to `timeoutUs` microseconds for it. The result is valid until the next call.
   *
   * @returns `undefined` when the time is over, the set is empty, or the process is asked to stop (`os.stopping`).
   */
  wait(timeoutUs: number = Number.POSITIVE_INFINITY): Result | undefined {
    if (this.readyCount === 0 || this.handedOut >= RESULTS_PER_TURN) {
      this.handedOut = 0;
      if (this.readyCount > 0) {
        this.loop.turn();
        this.loop.keepHearing();
      } else if (this.size === 0 || !pollUntil(this.loop, this, timeoutUs)) return undefined;
    }
    return this.take();
  }

  /** A result that is there already, without turning the loop. */
  take(): Result | undefined {
    if (this.readyCount === 0) return undefined;
    const operation = this.operations.at(this.ready[this.readyHead]!);
    this.readyHead = (this.readyHead + 1) & (this.ready.length - 1);
    this.readyCount--;
    this.handedOut++;
    this.size--;
    this.result.readFrom(operation);
    this.operations.retire(operation);
    return this.result;
  }

  private grow(): void {
    const { ready, readyHead, readyCount } = this;
    this.ready = new Int32Array(ready.length * 2);
    for (let i = 0; i < readyCount; i++) this.ready[i] = ready[(readyHead + i) & (ready.length - 1)]!;
    this.readyHead = 0;
  }

  /** Whether a result is there. */
  get satisfied(): boolean {
    return this.readyCount > 0;
  }
}
