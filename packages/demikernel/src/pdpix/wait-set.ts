// Wait sets: the fast way to wait. Work per wait is proportional to completions, not to what is outstanding.

import {
  type CompletionSink,
  OP_COMPLETE,
  type Operation,
  OperationList,
  type OperationTable,
  type QueueToken,
} from '../runtime/operation.ts';
import type { PollLoop } from '../runtime/poll-loop.ts';
import { Result } from '../runtime/result.ts';
import { tokenTaken } from './errors.ts';
import { pollUntil } from './poll-until.ts';

/** Results handed out between two turns of the loop, so that a ready list that never runs dry starves nobody. */
const RESULTS_PER_TURN = 64;

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
  private readonly ready: OperationList;
  private readonly result: Result;
  private handedOut: number;

  /** Use `Demikernel.waitSet`. */
  constructor(operations: OperationTable, loop: PollLoop) {
    this.size = 0;
    this.operations = operations;
    this.loop = loop;
    this.ready = new OperationList();
    this.result = new Result();
    this.handedOut = 0;
  }

  /** Lets an operation, just issued, complete into this set. @throws ERR_DEMI_TOKEN when another waits for it. */
  add(token: QueueToken): void {
    const operation = this.operations.lookup(token);
    if (operation.sink !== undefined) throw tokenTaken(token);
    operation.sink = this;
    this.size++;
    if (operation.state === OP_COMPLETE) this.ready.push(operation);
  }

  /** @internal */
  completed(operation: Operation): void {
    this.ready.push(operation);
  }

  /**
   * The next result, waiting up to `timeoutUs` microseconds for it. The result is valid until the next call.
   *
   * @returns `undefined` when the time is over, the set is empty, or the process is asked to stop (`os.stopping`).
   */
  wait(timeoutUs: number = Number.POSITIVE_INFINITY): Result | undefined {
    if (this.ready.head === undefined || this.handedOut >= RESULTS_PER_TURN) {
      this.handedOut = 0;
      if (this.ready.head !== undefined) {
        this.loop.turn();
        this.loop.keepHearing();
      } else if (this.size === 0 || !pollUntil(this.loop, this, timeoutUs)) return undefined;
    }
    return this.take();
  }

  /** A result that is there already, without turning the loop. */
  take(): Result | undefined {
    const operation = this.ready.shift();
    if (operation === undefined) return undefined;
    this.handedOut++;
    this.size--;
    this.result.readFrom(operation);
    this.operations.retire(operation);
    return this.result;
  }

  /** Whether a result is there. */
  get satisfied(): boolean {
    return this.ready.head !== undefined;
  }
}
