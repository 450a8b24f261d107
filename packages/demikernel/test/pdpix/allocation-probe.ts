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

let collections = 0;
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
  // The least of a few: whatever V8 does beside (optimising, feedback) only adds.
  let least = Number.POSITIVE_INFINITY;
  for (let attempt = 0; attempt < 5; attempt++) {
    gc();
    const start = usedBytes();
    run(ROUNDS);
    const middle = usedBytes();
    run(2 * ROUNDS);
    const end = usedBytes();
    least = Math.min(least, Math.abs(end - middle - (middle - start)) / ROUNDS);
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
process.stdout.write(JSON.stringify(results));
