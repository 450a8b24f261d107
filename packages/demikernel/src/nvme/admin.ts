// The admin queue: commands one asks for and waits for, a step per poll. Which commands, and when, is start-up.ts's and the
// controller's business.

import { DemiError } from '@demikernel/memory';
import type { CompletionSink, QueuePair } from './queue-pair.ts';
import { STATUS_LOST, statusText } from './status.ts';

/** A command that is asked for and waited for. */
interface AdminCall {
  done: boolean;
  status: number;
  result: number;
}

/** A generator that yields while it waits for the device; it is resumed once per poll. */
export type NvmeWork<T> = Generator<undefined, T, void>;

/** Encodes a command into the words of an entry. */
export type Encode = (words: Int32Array, at: number) => void;

const failed = (what: string, why: string): DemiError =>
  new DemiError('ERR_DEMI_DEVICE', `NVMe: ${what}: ${why}`);

export class AdminQueue implements CompletionSink {
  readonly pair: QueuePair;
  /** After so long an answer is not waited for any more. */
  private readonly timeoutMs: number;
  private readonly calls: (AdminCall | undefined)[];

  constructor(pair: QueuePair, timeoutMs: number) {
    this.pair = pair;
    this.timeoutMs = timeoutMs;
    this.calls = new Array<AdminCall | undefined>(pair.entries).fill(undefined);
  }

  /** Sends a command if there is a place; nobody hears of its end. Returns whether it was sent. */
  send(encode: Encode, nowMs: number, call?: AdminCall): boolean {
    const { pair } = this;
    const at = pair.entry;
    const place = pair.prepare();
    if (place < 0) return false;
    encode(pair.words, at);
    this.calls[place] = call;
    pair.submit(place, nowMs);
    pair.ring();
    return true;
  }

  /**
   * Sends a command and waits for its answer's result.
   *
   * @param what for the error
   * @throws DemiError `ERR_DEMI_DEVICE` when the device refuses, does not answer, or was reset meanwhile
   */
  *ask(what: string, encode: Encode, nowMs: () => number): NvmeWork<number> {
    const call: AdminCall = { done: false, status: 0, result: 0 };
    const startedMs = nowMs();
    let sent = false;
    for (; !call.done; yield undefined) {
      if (!sent) sent = this.send(encode, nowMs(), call);
      if (((nowMs() - startedMs) | 0) > this.timeoutMs) throw failed(what, 'no answer');
    }
    if (call.status !== 0) throw failed(what, statusText(call.status));
    return call.result;
  }

  commandDone(_pair: QueuePair, place: number, status: number, result: number): void {
    const call = this.calls[place];
    this.calls[place] = undefined;
    if (call === undefined) return;
    call.done = true;
    call.status = status;
    call.result = result;
  }

  /** The controller has been disabled: nothing is under way any more. */
  reset(): void {
    for (const call of this.calls) {
      if (call === undefined) continue;
      call.done = true;
      call.status = STATUS_LOST;
    }
    this.calls.fill(undefined);
    this.pair.reset();
  }
}
