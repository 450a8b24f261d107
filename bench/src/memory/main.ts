// `bench -- memory`: messages between two processes of one machine: Catmem through PDPIX, by reference and by copy, beside
// the bare memory, UNIX sockets and MessagePort.

import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { ALLOCATION_FLAGS } from '@demikernel/lab';
import type { Benchmark, RunOptions } from '../benchmark.ts';
import { processors } from '../echo/place.ts';
import { processCpuUs } from '../processor-time.ts';
import { type Column, figure, type Row, ratio, rounded, word } from '../rows.ts';
import { PinnedProcess } from '../testbed/pinned-process.ts';
import type { Allocation } from './allocation.ts';
import type { Figures, Task } from './peer.ts';

const CHILD: string = fileURLToPath(new URL('./child.js', import.meta.url));
const TIMEOUT_MS = 20_000;
const IDLE_MS = 1000;
const WARM_UP_MS = 400;
const FIRST_PORT = 7400;

/** Who is compared. */
interface System {
  /** `bare`, `catmem`, `node:net`, `node:net-spin`, `port`, `sleep`. */
  system: string;
  wait: string;
  streams: boolean;
  /** Sleeps when there is nothing to do. */
  sleeps: boolean;
}

const SYSTEMS: readonly System[] = [
  { system: 'bare', wait: 'spin', streams: false, sleeps: false },
  { system: 'catmem', wait: 'spin', streams: true, sleeps: false },
  { system: 'catmem', wait: 'spin-copy', streams: true, sleeps: false },
  { system: 'catmem', wait: 'adaptive', streams: true, sleeps: true },
  { system: 'catmem', wait: 'spin-16k', streams: true, sleeps: false },
  { system: 'node:net-spin', wait: 'both', streams: true, sleeps: false },
  { system: 'node:net-spin', wait: 'spin', streams: true, sleeps: false },
  { system: 'node:net', wait: 'interrupt', streams: true, sleeps: true },
  { system: 'port', wait: 'interrupt', streams: true, sleeps: false },
  { system: 'catmem', wait: 'interrupt', streams: false, sleeps: true },
  { system: 'sleep', wait: 'socket', streams: false, sleeps: false },
  { system: 'sleep', wait: 'eventfd', streams: false, sleeps: false },
  { system: 'sleep', wait: 'uring-futex', streams: false, sleeps: false },
  { system: 'sleep', wait: 'futex', streams: false, sleeps: false },
];

const ECHO_BYTES = 64;
const QUICK_SIZES = [64, 4096, 65536, 1 << 20];
const FULL_SIZES = [64, 256, 1024, 4096, 16384, 65536, 262144, 1 << 20];

export const memory: Benchmark = {
  name: 'memory',
  summary: 'messages between two processes: Catmem beside bare memory, UNIX sockets and MessagePort',
  options: {
    systems: { type: 'string', help: 'only these, by commas: bare,catmem,node:net-spin,node:net,port,sleep' },
    'round-ms': { type: 'string', help: 'how long a round measures' },
  },
  run,
  columns: columnsFor,
  notes: [
    'echo: one message at a time, there and back. stream: one way, as fast as it goes; the last one is answered. Two processes,',
    'one on each of two processors; port: two threads. bare: two words of shared memory and 64 B, no queue: the floor. node:net-spin:',
    'a UNIX socket; both: Node at both ends, neither event loop sleeps; spin: a client of libc that spins; node:net: the same, the',
    'service sleeps. A sender writes 8 bytes of a message, a receiver reads 4: what filling',
    'and using the rest costs is the same for all. catmem: messages of the sender are lent, copied on arrival (-copy), or lent in slots of 16 KiB (-16k).',
    'sleep: both ends sleep between messages, which are a word of shared memory: how they wake each other, and what that costs alone.',
    'idle: share of a core that service and client take, connected, when nobody says anything. B/echo: bytes allocated, both ends;',
    'planted: the same with 0.04 added.',
  ],
};

/** A system that runs: its two processes, standing still between their turns. */
interface Running {
  system: System;
  service: PinnedProcess;
  client: PinnedProcess;
}

async function run({ quick, values, progress }: RunOptions): Promise<Row[]> {
  const wanted = values['systems']?.split(',');
  const systems = SYSTEMS.filter(each => wanted === undefined || wanted.includes(each.system));
  const milliseconds = Number(values['round-ms'] ?? (quick ? 200 : 1000));
  const rounds = quick ? 3 : 7;
  const rows: Row[] = [];
  const running: Running[] = [];
  try {
    for (const [i, system] of systems.entries()) {
      progress(`starting ${system.system} ${system.wait}`);
      const each = await start(system, FIRST_PORT + i);
      running.push(each);
      await measure(each, { task: 'echo', sizeBytes: ECHO_BYTES, milliseconds: WARM_UP_MS });
    }
    rows.push(...(await inTurns(running, 'echo', ECHO_BYTES, rounds, milliseconds, progress)));
    const streaming = running.filter(each => each.system.streams);
    for (const sizeBytes of quick ? QUICK_SIZES : FULL_SIZES) {
      const some = await inTurns(streaming, 'stream', sizeBytes, quick ? 2 : 3, milliseconds, progress);
      rows.push(...some);
    }
    for (const each of running) {
      if (!each.system.sleeps) continue;
      progress(`idle: ${each.system.system}`);
      const row = rows.find(
        found => found.system === each.system.system && found['wait'] === each.system.wait,
      );
      await addIdle(row!, each);
    }
  } finally {
    await Promise.all(running.flatMap(each => [each.service.stop(), each.client.stop()]));
  }
  if (wanted === undefined || wanted.includes('catmem')) {
    progress('bytes per echo');
    rows.push(await allocationRow(quick ? 50_000 : 200_000));
  }
  return rows;
}

async function start(system: System, port: number): Promise<Running> {
  const { server: serverProcessor, client: clientProcessor } = processors();
  const launch = (role: string, where: string, processor: number | undefined): PinnedProcess =>
    new PinnedProcess({
      name: `${system.system} ${role}`,
      script: CHILD,
      args: [role, system.system, system.wait, where],
      processor,
    });
  const catmem = system.system === 'catmem';
  const name = catmem ? `127.0.0.1:${port}` : join(tmpdir(), `demikernel-bench-${process.pid}-${port}`);
  const service = launch('serve', name, serverProcessor);
  const { where } = JSON.parse(await service.line(TIMEOUT_MS)) as { where: string };
  // The two threads of a MessagePort need a processor each.
  const client = launch('call', where, system.system === 'port' ? undefined : clientProcessor);
  await client.line(TIMEOUT_MS);
  service.freeze();
  client.freeze();
  return { system, service, client };
}

async function measure({ service, client }: Running, task: Task): Promise<Figures> {
  service.thaw();
  client.thaw();
  const figures = await client.ask<Figures>(task, task.milliseconds + TIMEOUT_MS);
  client.freeze();
  service.freeze();
  return figures;
}

/** Every round visits every system once; the median round counts, so that what else the machine does meets all alike. */
async function inTurns(
  running: readonly Running[],
  task: Task['task'],
  sizeBytes: number,
  rounds: number,
  milliseconds: number,
  progress: RunOptions['progress'],
): Promise<Row[]> {
  const figures = running.map((): Figures[] => []);
  for (let round = 0; round < rounds; round++) {
    progress(`${task} ${sizeBytes} B, round ${round + 1}/${rounds}`);
    for (const [i, each] of running.entries()) {
      figures[i]!.push(await measure(each, { task, sizeBytes, milliseconds }));
    }
  }
  return running.map(({ system }, i) => rowOf(system, task, sizeBytes, figures[i]!));
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1]!;
}

function rowOf({ system, wait }: System, task: string, sizeBytes: number, rounds: readonly Figures[]): Row {
  const messagesPerSecond = median(rounds.map(each => each.messagesPerSecond));
  const row: Row = { system, wait, task, sizeBytes, messagesPerSecond: Math.round(messagesPerSecond) };
  if (task === 'echo') {
    row['p50Us'] = rounded(median(rounds.map(each => each.p50Us)));
    row['p99Us'] = rounded(median(rounds.map(each => each.p99Us)));
    row['meanUs'] = rounded(1e6 / messagesPerSecond);
  } else row['megabytesPerSecond'] = rounded((messagesPerSecond * sizeBytes) / 1e6);
  return row;
}

async function addIdle(row: Row, { service, client }: Running): Promise<void> {
  service.thaw();
  client.thaw();
  await sleep(IDLE_MS / 4);
  const before = [processCpuUs(service.pid), processCpuUs(client.pid)];
  const start = performance.now();
  await sleep(IDLE_MS);
  const elapsedUs = (performance.now() - start) * 1000;
  row['idleCpuPercent'] = rounded(((processCpuUs(service.pid) - before[0]!) / elapsedUs) * 100);
  row['clientIdleCpuPercent'] = rounded(((processCpuUs(client.pid) - before[1]!) / elapsedUs) * 100);
  client.freeze();
  service.freeze();
}

async function allocationRow(echoes: number): Promise<Row> {
  const child = new PinnedProcess({
    name: 'allocation',
    script: CHILD,
    args: ['allocate', String(echoes)],
    nodeArgs: ALLOCATION_FLAGS,
    processor: processors().client,
  });
  try {
    const reading = JSON.parse(await child.line(TIMEOUT_MS * 3)) as Allocation;
    return {
      system: 'catmem',
      wait: 'spin',
      task: 'allocation',
      sizeBytes: ECHO_BYTES,
      bytesPerEcho: Math.round(reading.bytesPerEcho * 1e4) / 1e4,
      plantedBytesPerEcho: Math.round(reading.plantedBytesPerEcho * 1e4) / 1e4,
      collectionsWhileReading: reading.collections,
    };
  } finally {
    await child.stop();
  }
}

function columnsFor(rows: readonly Row[]): Column[] {
  const against = (title: string, system: string, wait: string | undefined, field: string): Column => ({
    title,
    right: true,
    value: row => {
      const other = rows.find(
        each =>
          each.system === system &&
          (wait === undefined || each['wait'] === wait) &&
          each['task'] === row['task'] &&
          each['sizeBytes'] === row['sizeBytes'],
      );
      return other === row ? '1' : ratio(row[field], other?.[field]);
    },
  });
  return [
    word('system', 'system'),
    word('wait', 'wait'),
    word('task', 'task'),
    figure('bytes', 'sizeBytes', 0),
    figure('p50 us', 'p50Us', 2),
    figure('mean us', 'meanUs', 2),
    figure('p99 us', 'p99Us', 2),
    against('p50 / bare', 'bare', undefined, 'p50Us'),
    against('/ net-spin', 'node:net-spin', 'both', 'p50Us'),
    against('/ libc client', 'node:net-spin', 'spin', 'p50Us'),
    figure('messages/s', 'messagesPerSecond', 0),
    figure('MB/s', 'megabytesPerSecond', 0),
    against('MB/s / net-spin', 'node:net-spin', 'both', 'megabytesPerSecond'),
    against('/ libc client', 'node:net-spin', 'spin', 'megabytesPerSecond'),
    against('/ port', 'port', undefined, 'megabytesPerSecond'),
    against('/ copy', 'catmem', 'spin-copy', 'megabytesPerSecond'),
    figure('idle %', 'idleCpuPercent', 2),
    figure('client idle %', 'clientIdleCpuPercent', 2),
    figure('B/echo', 'bytesPerEcho', 4),
    figure('planted', 'plantedBytesPerEcho', 4),
  ];
}
