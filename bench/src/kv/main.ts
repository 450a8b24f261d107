// `bench -- kv`: redis-benchmark, unmodified, against our key-value service on several library OSes, redis-server, and a
// RESP server on node:net.

import { readFileSync } from 'node:fs';
import { findProgram, networkRefusal } from '@demikernel/lab';
import { machineCpuTime } from '@demikernel/native/kernel';
import { type Benchmark, type RunOptions, UsageError } from '../benchmark.ts';
import { makePlace, processors } from '../echo/place.ts';
import { processCpuUs } from '../processor-time.ts';
import { type Column, figure, type Row, ratio, rounded, word } from '../rows.ts';
import { PinnedProcess } from '../testbed/pinned-process.ts';
import { type KvService, type KvSystem, labelOf, SYSTEMS, startKv } from './systems.ts';

const CONNECTIONS = 50;
const VALUE_BYTES = 64;
const KEYS = 1000;
const WARM_UP_REQUESTS = 60_000;
/** A client that is on its processor for this share of the time cannot go faster. */
const SATURATED_SHARE = 0.95;
const ROUND_TIMEOUT_MS = 60_000;
const US_PER_TICK = 10_000;

interface Load {
  command: 'get' | 'set';
  pipeline: number;
}

const LOADS: readonly Load[] = [
  { command: 'get', pipeline: 1 },
  { command: 'set', pipeline: 1 },
  { command: 'get', pipeline: 16 },
  { command: 'set', pipeline: 16 },
];

/** What one run of redis-benchmark has shown. */
interface Round {
  requests: number;
  elapsedUs: number;
  p50Ms: number;
  p99Ms: number;
  machineCpuUs: number;
  serverCpuUs: number;
  clientCpuUs: number;
}

interface Measured {
  service: KvService;
  load: Load;
  rounds: Round[];
}

interface Client {
  program: string;
  processor: number;
  namespace: string;
  connections: number;
  sizeBytes: number;
}

async function run(options: RunOptions): Promise<Row[]> {
  const refusal = networkRefusal();
  if (refusal !== undefined) throw new UsageError(refusal);
  const program = findProgram('redis-benchmark');
  if (program === undefined) throw new UsageError('redis-benchmark is missing (apt-get install redis-tools)');
  const { progress, quick, values } = options;
  const wanted = values['systems']?.split(',');
  const systems = SYSTEMS.filter(each =>
    wanted === undefined
      ? !quick || (each.wait !== 'spin' && (each.system !== 'catpowder' || each.wait === 'adaptive'))
      : wanted.includes(each.system) || wanted.includes(labelOf(each)),
  );
  const loads = LOADS.filter(
    ({ command, pipeline }) =>
      (values['command'] ?? (quick ? 'get' : command)) === command &&
      Number(values['pipeline'] ?? pipeline) === pipeline,
  );
  const place = makePlace();
  const remove = options.onExit(() => place.testbed.close());
  const { client: clientProcessor, server } = processors();
  const client: Client = {
    program,
    processor: clientProcessor,
    namespace: place.testbed.client,
    connections: Number(values['connections'] ?? CONNECTIONS),
    sizeBytes: Number(values['size'] ?? VALUE_BYTES),
  };
  const services: KvService[] = [];
  try {
    for (const [index, system] of systems.entries()) {
      progress(`starting ${labelOf(system)}`);
      try {
        const started = { processor: server, profileFolder: values['profile'] };
        const service = await startKv(system, index, place, started);
        services.push(service);
        service.process.freeze();
      } catch (error) {
        progress(`left out: ${(error as Error).message}`);
      }
    }
    const roundMs = Number(values['round-ms'] ?? (quick ? 500 : 1500));
    const rounds = Number(values['rounds'] ?? (quick ? 1 : 5));
    const measured = await measure(services, loads, client, rounds, roundMs, progress);
    return measured.filter(each => each.rounds.length > 0).map(each => rowOf(each, client));
  } finally {
    await Promise.all(services.map(({ process }) => process.stop()));
    place.testbed.close();
    remove();
  }
}

async function measure(
  services: readonly KvService[],
  loads: readonly Load[],
  client: Client,
  rounds: number,
  roundMs: number,
  progress: (text: string) => void,
): Promise<Measured[]> {
  const measured = loads.flatMap(load =>
    services.map((service): Measured => ({ service, load, rounds: [] })),
  );
  const rates = new Map<Measured, number>();
  for (let round = 0; round < rounds; round++) {
    for (const each of measured) {
      const { load, service } = each;
      const label = `${labelOf(service.system)}, ${load.command} by ${load.pipeline}`;
      progress(`round ${round + 1}/${rounds}: ${label}`);
      service.process.thaw();
      try {
        if (round === 0) {
          // The keys that GET finds, and V8's compilers.
          await drive(service, { command: 'set', pipeline: 16 }, client, WARM_UP_REQUESTS);
          const first = await drive(service, load, client, WARM_UP_REQUESTS / (load.pipeline > 1 ? 1 : 3));
          rates.set(each, first.requests / first.elapsedUs);
        }
        const requests = Math.max(1000, Math.round(rates.get(each)! * roundMs * 1000));
        each.rounds.push(await drive(service, load, client, requests));
      } catch (error) {
        progress(`${label}: ${(error as Error).message}`);
      }
      service.process.freeze();
    }
  }
  return measured;
}

/** One run of redis-benchmark. */
async function drive(service: KvService, load: Load, client: Client, requests: number): Promise<Round> {
  const numbers = { '-c': client.connections, '-n': Math.round(requests), '-P': load.pipeline };
  const args = ['-h', service.address, '-p', String(service.port), '-t', load.command, '--csv'];
  args.push('-d', String(client.sizeBytes), '-r', String(KEYS));
  for (const [flag, value] of Object.entries(numbers)) args.push(flag, String(value));
  const machine = machineCpuTime().busyUs;
  const server = processCpuUs(service.process.pid);
  const children = childrenCpuUs();
  const process = new PinnedProcess({
    name: 'redis-benchmark',
    program: client.program,
    args,
    processor: client.processor,
    namespace: client.namespace,
  });
  try {
    let line = '';
    while (!line.startsWith(`"${load.command.toUpperCase()}"`)) line = await process.line(ROUND_TIMEOUT_MS);
    const machineCpuUs = machineCpuTime().busyUs - machine;
    const serverCpuUs = processCpuUs(service.process.pid) - server;
    await process.line(ROUND_TIMEOUT_MS).catch(() => undefined);
    const fields = line.replaceAll('"', '').split(',').map(Number);
    const [, perSecond = 0, , , p50Ms = 0, , p99Ms = 0] = fields;
    return {
      requests,
      elapsedUs: (requests / perSecond) * 1e6,
      p50Ms,
      p99Ms,
      machineCpuUs,
      serverCpuUs,
      clientCpuUs: childrenCpuUs() - children,
    };
  } finally {
    process.kill();
  }
}

/** Processor time of children that have ended (proc(5), stat: cutime and cstime). */
function childrenCpuUs(): number {
  const text = readFileSync('/proc/self/stat', 'latin1');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[13]) + Number(fields[14])) * US_PER_TICK;
}

function rowOf({ load, rounds, service }: Measured, client: Client): Row {
  const sum = (field: keyof Round): number => rounds.reduce((total, each) => total + each[field], 0);
  const median = (field: keyof Round): number =>
    rounds.map(each => each[field]).sort((a, b) => a - b)[rounds.length >> 1]!;
  const requests = sum('requests');
  // The median of the rounds: one that others disturb does not count.
  const medianElapsedUs = rounds.map(each => each.elapsedUs / each.requests).sort((a, b) => a - b)[
    rounds.length >> 1
  ]!;
  const clientShare = sum('clientCpuUs') / sum('elapsedUs');
  return {
    system: service.system.system,
    wait: service.system.wait,
    command: load.command,
    pipeline: load.pipeline,
    connections: client.connections,
    sizeBytes: client.sizeBytes,
    requestsPerSecond: Math.round(1e6 / medianElapsedUs),
    p50Us: rounded(median('p50Ms') * 1000),
    p99Us: rounded(median('p99Ms') * 1000),
    cpuUsPerRequest: rounded(sum('machineCpuUs') / requests),
    serverCpuUsPerRequest: rounded(sum('serverCpuUs') / requests),
    bothCpuUsPerRequest: rounded((sum('serverCpuUs') + sum('clientCpuUs')) / requests),
    clientCpuPercent: Math.round(clientShare * 100),
    clientSaturated: clientShare > SATURATED_SHARE,
    requests,
    rounds: rounds.length,
  };
}

function against(rows: readonly Row[], title: string, field: string, system: KvSystem['system']): Column {
  return {
    title,
    right: true,
    value: row => {
      const peer = rows.find(
        other =>
          other.system === system &&
          other['command'] === row['command'] &&
          other['pipeline'] === row['pipeline'],
      );
      return ratio(row[field], peer?.[field]);
    },
  };
}

export const kv: Benchmark = {
  name: 'kv',
  summary: 'redis-benchmark against our key-value service, redis-server, and RESP on node:net',
  options: {
    systems: { type: 'string', help: 'only these, by commas: catpowder,"catnap spin",redis-server,…' },
    command: { type: 'string', help: 'get or set only' },
    pipeline: { type: 'string', help: '1 or 16 only' },
    connections: { type: 'string', help: `connections; default ${CONNECTIONS}` },
    size: { type: 'string', help: `bytes per value; default ${VALUE_BYTES}` },
    rounds: { type: 'string', help: 'rounds per system and load' },
    'round-ms': { type: 'string', help: 'about how long a round measures' },
    profile: { type: 'string', help: 'folder for processor profiles of our services' },
  },
  run,
  columns: rows => [
    word('system', 'system'),
    word('wait', 'wait'),
    word('command', 'command'),
    figure('by', 'pipeline', 0),
    figure('req/s', 'requestsPerSecond', 0),
    figure('p50 us', 'p50Us', 0),
    figure('p99 us', 'p99Us', 0),
    figure('cpu us/req', 'cpuUsPerRequest', 2),
    figure('server', 'serverCpuUsPerRequest', 2),
    figure('+ client', 'bothCpuUsPerRequest', 2),
    figure('client %', 'clientCpuPercent', 0),
    against(rows, 'req/s / redis', 'requestsPerSecond', 'redis-server'),
    against(rows, 'cpu / redis', 'cpuUsPerRequest', 'redis-server'),
    against(rows, 'p50 / redis', 'p50Us', 'redis-server'),
    against(rows, 'p99 / redis', 'p99Us', 'redis-server'),
    against(rows, 'req/s / node', 'requestsPerSecond', 'node:net'),
    { title: '', value: row => (row['clientSaturated'] === true ? '*' : '') },
  ],
  notes: [
    'Client: redis-benchmark as it is, on one core; each service on the other, alone: the rest stand still meanwhile.',
    'redis-server: one thread, no snapshots, no log. cpu/req: the whole machine, client, soft interrupts and spinning included;',
    'server: that process alone; + client: both, which others at work disturb least. client %: share of its core that redis-benchmark used. * client saturated.',
  ],
};
