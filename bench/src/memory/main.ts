// `bench -- memory`: messages between two processes of one machine: Catmem through PDPIX, by reference and by copy, beside
// the bare memory, UNIX sockets and MessagePort.

import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Benchmark, RunOptions } from '../benchmark.ts';
import { processors } from '../echo/place.ts';
import { processCpuUs } from '../processor-time.ts';
import { type Column, figure, type Row, ratio, rounded, word } from '../rows.ts';
import { ALLOCATION_NODE_ARGS } from '../stack/allocation.ts';
import { PinnedProcess } from '../testbed/pinned-process.ts';
import type { Allocation } from './allocation.ts';
import type { Figures, Task } from './peer.ts';

const CHILD: string = fileURLToPath(new URL('./child.js', import.meta.url));
const TIMEOUT_MS = 20_000;
const IDLE_MS = 1000;
const FIRST_PORT = 7400;

/** Who is compared. */
interface System {
  /** `bare`, `catmem`, `node:net`, `node:net-spin`, `port`. */
  system: string;
  wait: string;
  streams: boolean;
}

const SYSTEMS: readonly System[] = [
  { system: 'bare', wait: 'spin', streams: false },
  { system: 'catmem', wait: 'spin', streams: true },
  { system: 'catmem', wait: 'spin-copy', streams: true },
  { system: 'catmem', wait: 'adaptive', streams: true },
  { system: 'node:net-spin', wait: 'spin', streams: true },
  { system: 'node:net', wait: 'interrupt', streams: true },
  { system: 'port', wait: 'interrupt', streams: true },
];

const ECHO_BYTES = 64;
const QUICK_SIZES = [64, 4096, 65536, 1 << 20];
const FULL_SIZES = [64, 256, 1024, 4096, 16384, 65536, 262144, 1 << 20];

export const memory: Benchmark = {
  name: 'memory',
  summary: 'messages between two processes: Catmem beside bare memory, UNIX sockets and MessagePort',
  options: {
    systems: { type: 'string', help: 'only these, by commas: bare,catmem,node:net-spin,node:net,port' },
    'round-ms': { type: 'string', help: 'how long a round measures' },
  },
  run,
  columns: columnsFor,
  notes: [
    'echo: one message at a time, there and back. stream: one way, as fast as it goes; the last one is answered. Two processes,',
    'one on each of two processors; port: two threads. bare: two words of shared memory and 64 B, no queue: the floor. node:net:',
    'a service on node:net and a client of libc that spins. A sender writes 8 bytes of a message, a receiver reads 4: what filling',
    'and using the rest costs is the same for all. catmem: messages of the sender are lent (spin), or copied on arrival (spin-copy).',
    'idle: share of a core that service and client take, connected, when nobody says anything. B/echo: bytes allocated, both ends;',
    'planted: the same with 0.04 added.',
  ],
};

async function run({ quick, values, progress }: RunOptions): Promise<Row[]> {
  const wanted = values['systems']?.split(',');
  const systems = SYSTEMS.filter(each => wanted === undefined || wanted.includes(each.system));
  const milliseconds = Number(values['round-ms'] ?? (quick ? 250 : 1500));
  const rows: Row[] = [];
  for (const [i, system] of systems.entries()) {
    progress(`${system.system} ${system.wait}`);
    rows.push(...(await measureSystem(system, FIRST_PORT + i, quick, milliseconds)));
  }
  if (wanted === undefined || wanted.includes('catmem')) {
    progress('bytes per echo');
    rows.push(await allocationRow(quick ? 50_000 : 500_000));
  }
  return rows;
}

async function measureSystem(
  { system, wait, streams }: System,
  port: number,
  quick: boolean,
  milliseconds: number,
): Promise<Row[]> {
  const { server: serverProcessor, client: clientProcessor } = processors();
  const start = (role: string, where: string, processor: number | undefined): PinnedProcess =>
    new PinnedProcess({
      name: `${system} ${role}`,
      script: CHILD,
      args: [role, system, wait, where],
      processor,
    });
  const name =
    system === 'catmem' ? `127.0.0.1:${port}` : join(tmpdir(), `demikernel-bench-${process.pid}-${port}`);
  const service = start('serve', name, serverProcessor);
  let client: PinnedProcess | undefined;
  try {
    const { where } = JSON.parse(await service.line(TIMEOUT_MS)) as { where: string };
    // The two threads of a MessagePort need a processor each.
    client = start('call', where, system === 'port' ? undefined : clientProcessor);
    await client.line(TIMEOUT_MS);
    const ask = (task: Task): Promise<Figures> => client!.ask<Figures>(task, milliseconds + TIMEOUT_MS);
    await ask({ task: 'echo', sizeBytes: ECHO_BYTES, milliseconds: Math.min(milliseconds, 500) });
    const rows: Row[] = [];
    const sizes = quick ? QUICK_SIZES : FULL_SIZES;
    const echo = await ask({ task: 'echo', sizeBytes: ECHO_BYTES, milliseconds });
    rows.push(rowOf(system, wait, 'echo', ECHO_BYTES, echo));
    for (const sizeBytes of streams ? sizes : []) {
      await ask({ task: 'stream', sizeBytes, milliseconds: Math.min(milliseconds, 200) });
      const figures = await ask({ task: 'stream', sizeBytes, milliseconds });
      rows.push(rowOf(system, wait, 'stream', sizeBytes, figures));
    }
    if (wait === 'adaptive' || system === 'node:net') await addIdle(rows[0]!, service.pid, client.pid);
    return rows;
  } finally {
    await Promise.all([service.stop(), client?.stop()]);
  }
}

function rowOf(system: string, wait: string, task: string, sizeBytes: number, figures: Figures): Row {
  const row: Row = {
    system,
    wait,
    task,
    sizeBytes,
    messagesPerSecond: Math.round(figures.messagesPerSecond),
  };
  if (task === 'echo') {
    row['p50Us'] = rounded(figures.p50Us);
    row['p99Us'] = rounded(figures.p99Us);
    row['meanUs'] = rounded(1e6 / figures.messagesPerSecond);
  } else row['megabytesPerSecond'] = rounded((figures.messagesPerSecond * sizeBytes) / 1e6);
  return row;
}

async function addIdle(row: Row, servicePid: number, clientPid: number): Promise<void> {
  await sleep(IDLE_MS / 4);
  const before = [processCpuUs(servicePid), processCpuUs(clientPid)];
  const start = performance.now();
  await sleep(IDLE_MS);
  const elapsedUs = (performance.now() - start) * 1000;
  row['idleCpuPercent'] = rounded(((processCpuUs(servicePid) - before[0]!) / elapsedUs) * 100);
  row['clientIdleCpuPercent'] = rounded(((processCpuUs(clientPid) - before[1]!) / elapsedUs) * 100);
}

async function allocationRow(echoes: number): Promise<Row> {
  const child = new PinnedProcess({
    name: 'allocation',
    script: CHILD,
    args: ['allocate', String(echoes)],
    nodeArgs: ALLOCATION_NODE_ARGS,
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
    against('/ net-spin', 'node:net-spin', undefined, 'p50Us'),
    figure('messages/s', 'messagesPerSecond', 0),
    figure('MB/s', 'megabytesPerSecond', 0),
    against('MB/s / net-spin', 'node:net-spin', undefined, 'megabytesPerSecond'),
    against('/ port', 'port', undefined, 'megabytesPerSecond'),
    against('/ copy', 'catmem', 'spin-copy', 'megabytesPerSecond'),
    figure('idle %', 'idleCpuPercent', 2),
    figure('client idle %', 'clientIdleCpuPercent', 2),
    figure('B/echo', 'bytesPerEcho', 4),
    figure('planted', 'plantedBytesPerEcho', 4),
  ];
}
