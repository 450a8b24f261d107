// The process that runs the paths. `time`: nanoseconds per packet. `allocate`: bytes per packet, started with a fixed young
// generation. `collections`: garbage collections during many packets. Prints one JSON object.

import { writeSync } from 'node:fs';
import { collectGarbage } from '@demikernel/lab';
import type { Row } from '../rows.ts';
import { rounded } from '../rows.ts';
import { CollectionCounter, PlantedPath, readAllocation } from './allocation.ts';
import { BlockTimer, type StackPath } from './path.ts';
import { ParsePath, ReceivePath } from './receive-path.ts';
import { EchoPath, TwoStacksPath, WirePath } from './wire-paths.ts';

const SMALL_BYTES = 64;
/** Payload that fills a packet of 1500 bytes: TCP with timestamps, UDP. */
const TCP_FULL_BYTES = 1448;
const UDP_FULL_BYTES = 1472;
const TIMED_BLOCKS = 4096;
/** Turns of every path, each long enough to have its memory in the caches again. */
const TIMED_ROUNDS = 4;

/** What the process answers with: rows with parameters and figures, to be joined by path. */
export interface StackAnswer {
  rows: Row[];
}

function makePaths(): StackPath[] {
  const paths: StackPath[] = [];
  for (const protocol of ['tcp', 'udp'] as const) {
    const full = protocol === 'tcp' ? TCP_FULL_BYTES : UDP_FULL_BYTES;
    for (const sizeBytes of [SMALL_BYTES, full]) {
      paths.push(new ParsePath(protocol, sizeBytes));
      paths.push(new ReceivePath(protocol, sizeBytes));
      paths.push(new TwoStacksPath(protocol, sizeBytes));
    }
    paths.push(new EchoPath(protocol, SMALL_BYTES));
  }
  paths.push(new WirePath(SMALL_BYTES), new WirePath(TCP_FULL_BYTES));
  return paths;
}

/** The row of a path without figures. */
function rowOf(path: StackPath): Row {
  const { system, protocol, sizeBytes, flows } = path;
  return { system, path: path.path, protocol, sizeBytes, flows };
}

/** Everything runs before anything is measured: inline caches see both devices, both protocols and every size. */
function pollute(paths: readonly StackPath[], packets: number): void {
  const untimed = new BlockTimer(0);
  const share = Math.ceil(packets / 3);
  for (let round = 0; round < 3; round++) for (const path of paths) path.run(share, untimed);
}

/** Paths take turns; the median block of all turns counts. */
function time(paths: readonly StackPath[], packets: number, rounds: number): Row[] {
  const timers = paths.map(() => new BlockTimer(TIMED_BLOCKS));
  for (let round = 0; round < rounds; round++) {
    paths.forEach((path, i) => {
      path.run(Math.ceil(packets / rounds), timers[i]!);
    });
  }
  return paths.map((path, i) => ({
    ...rowOf(path),
    nsPerPacket: rounded(timers[i]!.median),
    packets: Math.round(packets),
    ...path.figures?.(),
  }));
}

async function allocate(paths: readonly StackPath[], packets: number): Promise<Row[]> {
  const counter = new CollectionCounter();
  const rows: Row[] = [];
  const measured = paths.filter(path => path.path !== 'parse');
  const planted = measured
    .filter(path => path.path === 'receive' && path.sizeBytes === SMALL_BYTES)
    .map(path => new PlantedPath(path));
  pollute(planted, packets);
  for (const path of [...measured, ...planted]) {
    await counter.settle();
    const before = counter.count;
    const bytesPerPacket = Math.round(readAllocation(path, packets) * 1e5) / 1e5;
    await counter.settle();
    rows.push({ ...rowOf(path), bytesPerPacket, collectionsWhileReading: counter.count - before });
  }
  counter.close();
  return rows;
}

async function countCollections(paths: readonly StackPath[], packets: number): Promise<Row[]> {
  const counter = new CollectionCounter();
  const rows: Row[] = [];
  const untimed = new BlockTimer(0);
  for (const path of paths) {
    if (path.path !== 'receive' || path.sizeBytes !== SMALL_BYTES) continue;
    // What the warm-up has left behind is not this run's.
    collectGarbage();
    await counter.settle();
    const before = counter.count;
    const done = path.run(packets, untimed);
    await counter.settle();
    rows.push({ ...rowOf(path), collections: counter.count - before, collectionPackets: done });
  }
  counter.close();
  return rows;
}

const [task = 'time', packetsText = '300000', warmUpText = '150000'] = process.argv.slice(2);
const packets = Number(packetsText);
// Collections are counted on the receive path alone: other paths need not be there.
const paths = makePaths().filter(path => task !== 'collections' || path.path === 'receive');
pollute(paths, Number(warmUpText));
let rows: Row[];
if (task === 'allocate') rows = await allocate(paths, packets);
else if (task === 'collections') rows = await countCollections(paths, packets);
else rows = time(paths, packets, TIMED_ROUNDS);
writeSync(1, `${JSON.stringify({ rows } satisfies StackAnswer)}\n`);
