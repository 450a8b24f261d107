// Run in a process of its own by catcollar-allocation.test.ts: prints the bytes that an echo over Catcollar allocates, both
// ends and PDPIX included. With no collection in between, beside a planted allocation.

import { PerformanceObserver } from 'node:perf_hooks';
import { getHeapSpaceStatistics } from 'node:v8';
import { OP_POP } from '../../src/runtime/operation.ts';
import { connectedPair, openSockets } from './socket-stage.ts';

declare const gc: () => void;

const ECHOES = 30_000;
const CONNECTIONS = 4;
/** One object of 24 bytes in this many echoes. */
const PLANT_EVERY = 10;
const READINGS = 3;

let collections = 0;
new PerformanceObserver(list => {
  collections += list.getEntries().length;
}).observe({ entryTypes: ['gc'] });

const os = openSockets('catcollar', {}, 'adaptive');
const pairs = Array.from({ length: CONNECTIONS }, () => connectedPair(os));
const isServer = new Uint8Array(1024);
for (const { server } of pairs) isServer[server] = 1;
const message = os.alloc(64)!;
const set = os.waitSet();
for (const { client, server } of pairs) {
  set.add(os.pop(server));
  set.add(os.pop(client));
  set.add(os.push(client, message));
}

let planted: { echo: number } | undefined;

function echoes(count: number, plant: boolean): void {
  let done = 0;
  while (done < count) {
    const result = set.wait()!;
    if (result.errno !== 0) throw new Error(`errno ${result.errno}`);
    if (result.opcode !== OP_POP) continue;
    const { qd } = result;
    const array = result.array!;
    if (isServer[qd] === 1) set.add(os.push(qd, array));
    else {
      set.add(os.push(qd, message));
      done++;
      if (plant && done % PLANT_EVERY === 0) planted = { echo: done };
    }
    array.free();
    set.add(os.pop(qd));
  }
}

function usedBytes(): number {
  let total = 0;
  for (const space of getHeapSpaceStatistics()) total += space.space_used_size;
  return total;
}

/** The least of a few readings: whatever V8 does beside, a reading's own 3 KB included, only adds. */
function perEcho(plant: boolean): number {
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < READINGS; i++) {
    gc();
    echoes(1000, plant);
    const start = usedBytes();
    echoes(ECHOES, plant);
    least = Math.min(least, (usedBytes() - start) / ECHOES);
  }
  return least;
}

echoes(3 * ECHOES, true);
const withPlant = perEcho(true);
const bare = perEcho(false);
process.stdout.write(
  `${JSON.stringify({ bare, planted: withPlant, collections, kept: planted !== undefined })}\n`,
);
process.exit(0);
