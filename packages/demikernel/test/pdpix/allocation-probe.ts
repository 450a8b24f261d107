// Run in a process of its own by allocation.test.ts: prints the bytes that one round of each loop allocates.
// The first loop plants an object that must be found.

import { bytesPerOperation } from '@demikernel/lab';
import { coroutines } from '../../src/pdpix/coroutines.ts';
import { connectedPair, openCatnap } from '../liboses/socket-stage.ts';
import { stage, stubOf } from '../runtime/stub-library-os.ts';

const ROUNDS = 20_000;
/** One planted object of 24 bytes in this many rounds, to show that the reading would see it. */
const PLANT_EVERY = 10;
/** V8 may compile a loop once more after hundreds of thousands of rounds, and allocates until then. */
const WARM_UP = 300_000;

function bytesPerRound(round: (i: number) => void): number {
  const run = (count: number): void => {
    for (let i = 0; i < count; i++) round(i);
  };
  run(WARM_UP);
  return bytesPerOperation(ROUNDS, run);
}

const results: Record<string, number> = {};

const planted: { value: number }[] = [];
results.planted = bytesPerRound(i => {
  if (i % PLANT_EVERY === 0) planted[0] = { value: i };
});

{
  const scene = stage('spin');
  const co = coroutines(scene.os);
  const { pool } = scene.library;
  const qd = scene.os.socket('stream');
  const stub = stubOf(scene, qd);
  co.spawn(function* () {
    for (;;) {
      const { array } = yield* co.pop(qd);
      array!.free();
    }
  });
  scene.os.poll();
  results.resume = bytesPerRound(() => {
    const array = pool.array();
    array.append(pool.alloc(64)!);
    stub.finish(0, array);
    co.runReady();
  });
}

{
  const scene = stage('spin');
  const qd = scene.os.socket('stream');
  const stub = stubOf(scene, qd);
  const set = scene.os.waitSet();
  results.waitSet = bytesPerRound(() => {
    set.add(scene.os.pop(qd));
    stub.finish(0);
    set.wait();
  });
}

{
  const os = openCatnap({}, 'spin');
  const { client, server } = connectedPair(os);
  const message = os.alloc(64)!;
  const set = os.waitSet();
  results.catnap = bytesPerRound(() => {
    set.add(os.pop(server));
    set.add(os.push(client, message));
    while (set.size > 0) set.wait()!.array?.free();
  });
  os.shutDown();
}

process.stdout.write(JSON.stringify(results));
