// `bench -- append`: durable appends in groups, our log against Node's file system calls, in turns within one run.

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Benchmark, type RunOptions, UsageError } from '../benchmark.ts';
import { type Column, figure, type Row, ratio, rounded, word } from '../rows.ts';
import {
  type Appender,
  concurrentAppender,
  logAppender,
  synchronousAppender,
  writevAppender,
} from './appenders.ts';

const SIZE_BYTES = 512;
const GROUP = 32;
/** Groups per turn, and turns. */
const FULL = { rounds: 10, groups: 100, warmUp: 20 } as const;
const QUICK = { rounds: 3, groups: 30, warmUp: 5 } as const;

interface Measured {
  appender: Appender;
  groupUs: number[];
  /** Median of a turn, by turn. */
  turnP50Us: number[];
  cpuUs: number;
}

async function run(options: RunOptions): Promise<Row[]> {
  const parent = options.values['directory'] ?? tmpdir();
  const sizeBytes = wholeNumber('size', options.values['size'], SIZE_BYTES);
  const count = wholeNumber('group', options.values['group'], GROUP);
  mkdirSync(parent, { recursive: true });
  const directory = mkdtempSync(join(parent, 'demikernel-append-'));
  const remove = options.onExit(() => rmSync(directory, { recursive: true, force: true }));
  const appenders: Appender[] = [];
  try {
    for (const wait of ['spin', 'adaptive', 'interrupt'] as const) {
      appenders.push(await logAppender(directory, wait));
    }
    for (const kind of ['grows', 'prepared'] as const) {
      appenders.push(
        await writevAppender(directory, kind, false),
        await writevAppender(directory, kind, true),
        await concurrentAppender(directory, kind),
        synchronousAppender(directory, kind),
      );
    }
    const group = Array.from({ length: count }, (_, i) => new Uint8Array(sizeBytes).fill(i + 1));
    const measured = appenders.map(appender => ({ appender, groupUs: [], turnP50Us: [], cpuUs: 0 }));
    await takeTurns(measured, group, options);
    return measured.map(each => rowOf(each, sizeBytes, count));
  } finally {
    for (const appender of appenders) await appender.close();
    remove();
  }
}

function wholeNumber(flag: string, text: string | undefined, fallback: number): number {
  if (text === undefined) return fallback;
  if (/^[1-9]\d{0,6}$/.test(text)) return Number(text);
  throw new UsageError(`--${flag} is a whole number of at least 1, not '${text}'`);
}

async function takeTurns(
  measured: readonly Measured[],
  group: readonly Uint8Array[],
  options: RunOptions,
): Promise<void> {
  const { groups, rounds, warmUp } = options.quick ? QUICK : FULL;
  for (let round = 0; round < rounds; round++) {
    options.progress(`round ${round + 1} of ${rounds}`);
    for (const each of measured) {
      const { appender } = each;
      for (let i = 0; i < warmUp; i++) await appender.append(group);
      const cpu = process.cpuUsage();
      for (let i = 0; i < groups; i++) {
        const started = performance.now();
        const appended = appender.append(group);
        // What is done at once is not made to wait for the event loop.
        if (appended !== undefined) await appended;
        each.groupUs.push((performance.now() - started) * 1000);
      }
      const { system, user } = process.cpuUsage(cpu);
      each.turnP50Us.push(median(each.groupUs.slice(-groups)));
      each.cpuUs += system + user;
    }
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}

function rowOf({ appender, cpuUs, groupUs, turnP50Us }: Measured, sizeBytes: number, count: number): Row {
  const sorted = groupUs.toSorted((a, b) => a - b);
  const at = (share: number): number => rounded(sorted[Math.floor(share * (sorted.length - 1))]!);
  const meanUs = groupUs.reduce((sum, each) => sum + each, 0) / groupUs.length;
  return {
    system: appender.system,
    wait: appender.wait,
    file: appender.file,
    sizeBytes,
    group: count,
    p50UsPerAppend: rounded(at(0.5) / count),
    bestTurnUsPerAppend: rounded(Math.min(...turnP50Us) / count),
    meanUsPerAppend: rounded(meanUs / count),
    p50GroupUs: at(0.5),
    p99GroupUs: at(0.99),
    cpuUsPerAppend: rounded(cpuUs / groupUs.length / count),
  };
}

/** How many times faster, by the medians of all groups, than a peer that sleeps. */
function against(rows: readonly Row[], title: string, system: string, file: 'grows' | 'prepared'): Column {
  const peer = rows.find(row => row.system === system && row['wait'] === 'interrupt' && row['file'] === file);
  return {
    title,
    right: true,
    value: row => ratio(peer?.['p50UsPerAppend'], row['p50UsPerAppend']),
  };
}

export const append: Benchmark = {
  name: 'append',
  summary: 'durable appends in groups: our log against what Node offers for files',
  options: {
    size: { type: 'string', help: `bytes per record; default ${SIZE_BYTES}` },
    group: { type: 'string', help: `records under way at once; default ${GROUP}` },
    directory: { type: 'string', help: 'where to write; default the system’s folder for temporary files' },
  },
  run,
  columns: rows => [
    word('system', 'system'),
    word('wait', 'wait'),
    word('file', 'file'),
    figure('bytes', 'sizeBytes', 0),
    figure('group', 'group', 0),
    figure('p50 us/append', 'p50UsPerAppend', 2),
    figure('best turn', 'bestTurnUsPerAppend', 2),
    figure('mean', 'meanUsPerAppend', 2),
    figure('p50 us/group', 'p50GroupUs', 0),
    figure('p99', 'p99GroupUs', 0),
    figure('cpu us/append', 'cpuUsPerAppend', 2),
    against(rows, 'x writev', 'fs.promises writev + datasync', 'grows'),
    against(rows, 'x prepared', 'fs.promises writev + datasync', 'prepared'),
    against(rows, 'x each', 'fs.promises, each write + datasync', 'grows'),
  ],
  notes: [
    'Each group is durable before the next begins. "x": how many times faster, by the medians of all groups, than the peer that',
    'sleeps: writev or each write on a file that grows, and writev on one that was prepared as ours are.',
    'A file "grows" as logs are mostly written, or is "prepared": written full of zeros before, as ours are and as peers could.',
    'Our records carry a header of 32 bytes and a checksum; the peers write bare bytes.',
  ],
};
