// A receiver in a thread, and a processor, of its own: where receiving depends on how the message was sent, it must find the
// bytes where another processor has left them. Sender and receiver take turns, so that each is measured alone.
// The thread's side is receiver-thread.ts.

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { getAffinity, setAffinity } from '@demikernel/native/kernel';
import { broken, type Receiver } from './receiver.ts';
import {
  COMMAND,
  COMMAND_BYTES,
  COMMAND_CLOSE,
  COMMAND_RECEIVE,
  COMMAND_WORDS,
  NANOSECONDS_AT,
  SHARED_BYTES,
  STATE,
  STATE_DONE,
  type ThreadOptions,
} from './thread-protocol.ts';

const PATIENCE_MS = 8_000;

/** A processor that shares no core with the first; the first where there is no other. */
function otherCore(processors: readonly number[]): number {
  const [first] = processors;
  const rest = processors.slice(1);
  let siblings: string[] = [];
  try {
    const path = `/sys/devices/system/cpu/cpu${first}/topology/thread_siblings_list`;
    siblings = readFileSync(path, 'utf8').trim().split(/[,-]/);
  } catch {
    // A container without /sys: any other will do.
  }
  return rest.find(each => !siblings.includes(String(each))) ?? rest[0] ?? first!;
}

export class ThreadReceiver implements Receiver {
  readonly counts: boolean;
  /** Where the receiver listens. */
  address: string;
  private readonly worker: Worker;
  private readonly words: Int32Array;
  private readonly nanoseconds: Float64Array;
  private readonly processors: readonly number[];

  /** Use {@link ThreadReceiver.start}. */
  constructor(libos: 'catmem') {
    const shared = new SharedArrayBuffer(SHARED_BYTES);
    this.counts = true;
    this.address = '';
    this.words = new Int32Array(shared, 0, COMMAND_WORDS);
    this.nanoseconds = new Float64Array(shared, NANOSECONDS_AT, 1);
    this.processors = getAffinity();
    const [here] = this.processors;
    const workerData: ThreadOptions = { shared, libos, processor: otherCore(this.processors) };
    this.worker = new Worker(new URL('./receiver-thread.js', import.meta.url), { workerData });
    // Whoever forgets to close it can still end.
    this.worker.unref();
    // While it starts, `start` hears of it; afterwards whoever waits for an answer does, in vain.
    this.worker.on('error', () => {});
    setAffinity([here!]);
  }

  /** Starts the thread, and gives it when it listens. @throws what opening the library OS there says */
  static async start(libos: 'catmem'): Promise<ThreadReceiver> {
    const receiver = new ThreadReceiver(libos);
    try {
      receiver.worker.ref();
      const [address] = (await once(receiver.worker, 'message')) as [string];
      receiver.worker.unref();
      receiver.address = address;
      return receiver;
    } catch (error) {
      receiver.close();
      throw error;
    }
  }

  /** Waits until the thread has accepted the connection. */
  accepted(): void {
    this.awaitDone();
  }

  receive(lengthBytes: number): number {
    const { words } = this;
    words[COMMAND_BYTES] = lengthBytes;
    this.command(COMMAND_RECEIVE);
    this.awaitDone();
    return this.nanoseconds[0]!;
  }

  turn(): number {
    return 0;
  }

  private command(command: number): void {
    Atomics.store(this.words, STATE, 0);
    Atomics.store(this.words, COMMAND, command);
    Atomics.notify(this.words, COMMAND);
  }

  private awaitDone(): void {
    const { words } = this;
    const end = performance.now() + PATIENCE_MS;
    while (Atomics.load(words, STATE) !== STATE_DONE) {
      if (performance.now() > end) throw broken('the receiver does not answer');
      Atomics.wait(words, STATE, 0, 1000);
    }
  }

  close(): void {
    this.command(COMMAND_CLOSE);
    setAffinity(this.processors);
  }
}
