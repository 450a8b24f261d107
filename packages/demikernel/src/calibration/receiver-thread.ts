// The thread of a ThreadReceiver: opens the other end, accepts one connection, receives when it is told to.

import { parentPort, workerData } from 'node:worker_threads';
import { setAffinity } from '@demikernel/native/kernel';
import { open } from '../pdpix/open.ts';
import { Inbox } from './receiver.ts';
import {
  COMMAND,
  COMMAND_BYTES,
  COMMAND_NONE,
  COMMAND_RECEIVE,
  COMMAND_WORDS,
  NANOSECONDS_AT,
  STATE,
  STATE_DONE,
  type ThreadOptions,
} from './thread-protocol.ts';

async function main({ shared, libos, processor }: ThreadOptions): Promise<void> {
  const words = new Int32Array(shared, 0, COMMAND_WORDS);
  const nanoseconds = new Float64Array(shared, NANOSECONDS_AT, 1);
  const done = (): void => {
    Atomics.store(words, STATE, STATE_DONE);
    Atomics.notify(words, STATE);
  };
  const awaitCommand = (): number => {
    while (Atomics.load(words, COMMAND) === COMMAND_NONE) Atomics.wait(words, COMMAND, COMMAND_NONE);
    return Atomics.exchange(words, COMMAND, COMMAND_NONE);
  };
  setAffinity([processor]);
  const os = await open({ libos, calibration: 'off', wait: 'spin' });
  try {
    const listener = os.socket('stream');
    os.bind(listener, '127.0.0.1:0');
    os.listen(listener);
    const accepting = os.accept(listener);
    parentPort!.postMessage(String(os.getsockname(listener)));
    // A close may come instead of a connection.
    while (!os.isComplete(accepting)) {
      if (os.poll() === 0 && Atomics.load(words, COMMAND) !== COMMAND_NONE) return;
    }
    const inbox = new Inbox(os, os.wait(accepting, 0)!.acceptedQd);
    done();
    while (awaitCommand() === COMMAND_RECEIVE) {
      const started = performance.now();
      inbox.take(words[COMMAND_BYTES]!, () => {});
      // What was freed goes back at the end of a turn.
      os.poll();
      nanoseconds[0] = (performance.now() - started) * 1e6;
      done();
    }
  } finally {
    os.shutDown();
  }
}

await main(workerData as ThreadOptions);
