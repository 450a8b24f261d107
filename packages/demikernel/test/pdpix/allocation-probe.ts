// Run in a process of its own by allocation.test.ts: prints the bytes that one round of each loop allocates.
// Slope between N and 2N rounds, no garbage collection in between; the first loop plants an object that must be found.

import { PerformanceObserver } from 'node:perf_hooks';
import { getHeapSpaceStatistics } from 'node:v8';
import { coroutines } from '../../src/pdpix/coroutines.ts';
import { connectedPair, openCatnap } from '../liboses/socket-stage.ts';
import { stage, stubOf } from '../runtime/stub-library-os.ts';

declare const gc: () => void;

const ROUNDS = 20_000;
/** One planted object of 24 bytes in this many rounds, to show that the reading would see it. */
const PLANT_EVERY = 10;
/** Readings per loop at most, and a result with which the rest can be spared. */
const READINGS = 20;
const SETTLED_BYTES = 0.25;

let collections = 0;
let collectionsAsked = 0;
new PerformanceObserver(list => {
  collections += list.getEntries().length;
}).observe({ entryTypes: ['gc'] });

function usedBytes(): number {
  let total = 0;
  for (const space of getHeapSpaceStatistics()) total += space.space_used_size;
  return total;
}

function slope(round: (i: number) => void): number {
  const run = (count: number): void => {
    for (let i = 0; i < count; i++) round(i);
  };
  run(3 * ROUNDS);
  // V8 may compile a loop once more after hundreds of thousands of rounds, and allocates until then: what counts is where
  // it settles. Two readings in a row have to say so, because what V8 does beside can also make one of them too small.
  let least = Number.POSITIVE_INFINITY;
  let previous = Number.POSITIVE_INFINITY;
  for (let reading = 0; reading < READINGS && least > SETTLED_BYTES; reading++) {
    gc();
    collectionsAsked++;
    const start = usedBytes();
    run(ROUNDS);
    const middle = usedBytes();
    run(2 * ROUNDS);
    const end = usedBytes();
    const bytes = Math.abs(end - middle - (middle - start)) / ROUNDS;
    least = Math.min(least, Math.max(bytes, previous));
    previous = bytes;
  }
  return least;
}

const results: Record<string, number> = {};

const planted: { value: number }[] = [];
results.planted = slope(i => {
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
  results.resume = slope(() => {
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
  results.waitSet = slope(() => {
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
  results.catnap = slope(() => {
    set.add(os.pop(server));
    set.add(os.push(client, message));
    while (set.size > 0) set.wait()!.array?.free();
  });
  os.shutDown();
}

// The observer's entries come asynchronously.
await new Promise(resolve => setTimeout(resolve, 10));
results.collections = collections;
results.collectionsAsked = collectionsAsked;
process.stdout.write(JSON.stringify(results));
