// `bench -- stack`: what a packet costs in the stack alone, in time and in garbage, beside bare header parsing.

import { fileURLToPath } from 'node:url';
import { ALLOCATION_FLAGS } from '@demikernel/lab';
import type { Benchmark, RunOptions } from '../benchmark.ts';
import { processors } from '../echo/place.ts';
import { type Column, figure, type Row, ratio, word } from '../rows.ts';
import { PinnedProcess } from '../testbed/pinned-process.ts';
import { PLANTED_BYTES, PLANTED_EVERY } from './allocation.ts';
import type { StackAnswer } from './child.ts';
import { HEADER_PARSING } from './header-parser.ts';

const CHILD: string = fileURLToPath(new URL('./child.js', import.meta.url));
const TIMEOUT_MS = 600_000;

/** The paper's library-OS time for an echo's four I/Os, on its hardware, in nanoseconds (SOSP'21, figure 5). */
const PAPER_NS: Readonly<Record<string, number>> = { tcp: 53, udp: 25 };

interface Budget {
  timePackets: number;
  allocationPackets: number;
  warmUpPackets: number;
  collectionPackets: number;
}

const FULL: Budget = {
  timePackets: 2_000_000,
  allocationPackets: 1_000_000,
  warmUpPackets: 300_000,
  collectionPackets: 10_000_000,
};
const QUICK: Budget = {
  timePackets: 80_000,
  allocationPackets: 40_000,
  warmUpPackets: 60_000,
  collectionPackets: 2_000_000,
};

export const stack: Benchmark = {
  name: 'stack',
  summary: 'nanoseconds and bytes allocated per packet through the stack alone',
  options: {},
  run,
  columns: columnsFor,
  notes: [
    "receive: 1,000 flows in shuffled order from a device of the benchmark's own, each packet popped, freed and, for TCP,",
    'acknowledged through PDPIX. two-stacks: messages between two hosts on the wire; every frame counts, both ends together.',
    "echo: push, pop, push, pop through PDPIX between two hosts; 'ns/packet' is per echo, the wire's copies included, beside",
    "the paper's library-OS time. device: the wire alone.",
    `parse: bare header parsing: ${HEADER_PARSING}.`,
    `B/packet: median of nine runs in a fixed young generation, no collection between; planted: the same with ${PLANTED_BYTES} B`,
    `per ${PLANTED_EVERY} packets added, so ${PLANTED_BYTES / PLANTED_EVERY} more. GCs: collections during so many packets, default heap.`,
  ],
};

async function run(options: RunOptions): Promise<Row[]> {
  const budget = options.quick ? QUICK : FULL;
  const warmUp = budget.warmUpPackets;
  options.progress('time per packet');
  const rows = await inChild('time', budget.timePackets, warmUp, []);
  options.progress('bytes per packet');
  const allocation = await inChild('allocate', budget.allocationPackets, warmUp, ALLOCATION_FLAGS);
  options.progress(`collections during ${budget.collectionPackets} packets`);
  const collections = await inChild('collections', budget.collectionPackets, warmUp, ['--expose-gc']);
  for (const figures of [...allocation, ...collections]) {
    const row = rows.find(each => samePath(each, figures));
    if (row === undefined) rows.push(figures);
    else Object.assign(row, figures);
  }
  for (const row of rows) {
    if (row['path'] === 'echo') row['paperNsPerEcho'] = PAPER_NS[String(row['protocol'])] ?? Number.NaN;
  }
  return rows;
}

async function inChild(
  task: string,
  packets: number,
  warmUp: number,
  nodeArgs: readonly string[],
): Promise<Row[]> {
  const child = new PinnedProcess({
    name: `stack ${task}`,
    script: CHILD,
    args: [task, String(packets), String(warmUp)],
    nodeArgs,
    processor: processors().client,
  });
  try {
    return (JSON.parse(await child.line(TIMEOUT_MS)) as StackAnswer).rows;
  } finally {
    await child.stop();
  }
}

function samePath(a: Row, b: Row): boolean {
  return (['system', 'path', 'protocol', 'sizeBytes'] as const).every(field => a[field] === b[field]);
}

function columnsFor(rows: readonly Row[]): Column[] {
  const parsing = (row: Row): Row | undefined =>
    rows.find(
      other =>
        other.system === 'bare-parsing' &&
        other['protocol'] === row['protocol'] &&
        other['sizeBytes'] === row['sizeBytes'],
    );
  return [
    word('system', 'system'),
    word('path', 'path'),
    word('proto', 'protocol'),
    figure('bytes', 'sizeBytes', 0),
    figure('flows', 'flows', 0),
    figure('ns/packet', 'nsPerPacket'),
    {
      title: '/ parse',
      right: true,
      value: row =>
        row['path'] === 'receive' ? ratio(row['nsPerPacket'], parsing(row)?.['nsPerPacket']) : '',
    },
    figure('paper ns', 'paperNsPerEcho', 0),
    figure('B/packet', 'bytesPerPacket', 4),
    figure('GCs', 'collections', 0),
    figure('in packets', 'collectionPackets', 0),
    figure('acks/packet', 'acksPerPacket', 2),
    figure('frames/echo', 'framesPerEcho', 2),
  ];
}
