// One connection, and the time that sending over it takes. Which device it is over: places.ts; who is at the other end:
// receiver.ts.

import type { Demikernel } from '../pdpix/demikernel.ts';
import type { WaitSet } from '../pdpix/wait-set.ts';
import { errnoName } from '../runtime/errno.ts';
import { PUSH_ACKED } from '../runtime/operation.ts';
import { FieldArray, ValueMemory } from './field-array.ts';
import { broken, Deadline, REMOTE_RECEIVER, type Receiver } from './receiver.ts';

/** Sends batches of {@link FieldArray}s and measures them. */
export class Exchange {
  readonly near: Demikernel;
  private readonly qd: number;
  private readonly receiver: Receiver;
  private readonly flags: number;
  private readonly pushes: WaitSet;
  private readonly memory: ValueMemory;
  private readonly messages: FieldArray[];
  private readonly turnNear: () => void;

  /** Takes both ends over: `close` ends them. */
  constructor(near: Demikernel, qd: number, receiver: Receiver, workingSetBytes: number) {
    this.near = near;
    this.qd = qd;
    this.receiver = receiver;
    this.flags = receiver === REMOTE_RECEIVER ? PUSH_ACKED : 0;
    this.pushes = near.waitSet();
    this.memory = new ValueMemory(near.libraryOs, workingSetBytes);
    this.messages = [];
    this.turnNear = () => {
      near.poll();
      this.takePushes();
    };
  }

  /** Bytes of values that are sent. */
  get workingSetBytes(): number {
    return this.memory.lengthBytes;
  }

  /** The message of so many fields; made once. */
  message(fields: number, fieldBytes: number): FieldArray {
    let found = this.messages.find(each => each.fields === fields && each.fieldBytes === fieldBytes);
    if (found === undefined) {
      found = new FieldArray(this.memory, fields, fieldBytes);
      this.messages.push(found);
    }
    return found;
  }

  /**
   * Sends `count` messages as one burst, and waits until they have arrived.
   *
   * @returns nanoseconds per message from the first push until the device has everything, and, where it counts, what receiving and
   *   taking memory back took
   * @throws ERR_DEMI_CALIBRATION when the connection breaks or stands still
   */
  batch(message: FieldArray, count: number): number {
    const { near, pushes, receiver } = this;
    message.choose(count);
    const started = performance.now();
    for (let i = 0; i < count; i++) {
      pushes.add(near.push(this.qd, message, this.flags));
      message.advance();
    }
    while (near.poll() > 0) this.takePushes();
    this.takePushes();
    const sentMs = performance.now() - started;
    const receivedNs = receiver.receive(count * message.lengthBytes, this.turnNear);
    const received = performance.now();
    this.settle();
    const settledMs = receiver.counts ? performance.now() - received : 0;
    return ((sentMs + settledMs) * 1e6 + receivedNs) / count;
  }

  private takePushes(): void {
    for (let result = this.pushes.take(); result !== undefined; result = this.pushes.take()) {
      if (result.errno !== 0) throw broken(errnoName(result.errno));
    }
  }

  /** Turns both ends until nothing is under way any more: acknowledgements, memory that comes back. */
  private settle(): void {
    const deadline = new Deadline();
    for (;;) {
      const work = this.receiver.turn() + this.near.poll();
      this.takePushes();
      if (work === 0 && this.pushes.size === 0) return;
      deadline.check();
    }
  }

  close(): void {
    for (const message of this.messages) message.release();
    this.memory.release();
    this.near.shutDown();
    this.receiver.close();
  }
}
