// `bench -- switch`: what stands between a client and its server costs: the XDP switch beside HAProxy (TCP mode) and
// nginx's stream module. Round trips, load, connections; and how many frames a core carries through the switch.

import { fileURLToPath } from 'node:url';
import { Switch } from '@demikernel/capybara';
import { networkRefusal } from '@demikernel/lab';
import { parseMacAddress, runInNamespace } from '@demikernel/native/kernel';
import { type Benchmark, type RunOptions, type Table, UsageError } from '../benchmark.ts';
import type { RoundRequest, RoundResult } from '../client/round.ts';
import { processors } from '../echo/place.ts';
import { Histogram } from '../histogram.ts';
import { figure, type Row, ratio, rounded, word } from '../rows.ts';
import { PinnedProcess } from '../testbed/pinned-process.ts';
import type { ChurnRequest, ChurnResult } from './churn.ts';
import { FrameSource, PlainForwarder } from './forward.ts';
import * as place from './place.ts';
import { type ProxyService, startHaproxy, startNginx } from './proxies.ts';

const SERVER_PORT = 7000;
const SPINNING_PORT = 7001;
const HAPROXY_PORT = 7100;
const NGINX_PORT = 7200;
const FRAME_ROUNDS = 5;
const START_TIMEOUT_MS = 15_000;
const SIZE_BYTES = 64;
const CONNECTIONS = 32;
/** Frames through a proxy for one round trip: the request and the reply. Its acknowledgements are not counted. */
const FRAMES_A_ROUND_TRIP = 2;

/** Somewhere a client can connect to. */
interface System {
  name: string;
  address: string;
  port: number;
  spinningPort: number;
  pid: () => number;
}

/** What one kind of load shows of one system, a sample a round. */
interface Samples {
  system: string;
  measure: string;
  figures: Map<string, number[]>;
}

class Bench {
  readonly options: RunOptions;
  readonly samples: Samples[];
  readonly rounds: number;
  readonly measureMs: number;
  readonly #client: PinnedProcess;
  readonly #churn: PinnedProcess;
  readonly #spinning: PinnedProcess;

  constructor(options: RunOptions, client: PinnedProcess, churn: PinnedProcess, spinning: PinnedProcess) {
    this.options = options;
    this.samples = [];
    this.rounds = Number(options.values['rounds'] ?? (options.quick ? 3 : 9));
    this.measureMs = Number(options.values['round-ms'] ?? (options.quick ? 300 : 1000));
    this.#client = client;
    this.#churn = churn;
    this.#spinning = spinning;
  }

  record(system: string, measure: string, figures: Record<string, number>): void {
    let samples = this.samples.find(each => each.system === system && each.measure === measure);
    if (samples === undefined) {
      samples = { system, measure, figures: new Map() };
      this.samples.push(samples);
    }
    for (const [name, value] of Object.entries(figures)) {
      const list = samples.figures.get(name);
      if (list === undefined) samples.figures.set(name, [value]);
      else list.push(value);
    }
  }

  /** One connection, or many, with one request outstanding on each. */
  async exchange(system: System, measure: string, connections: number, spinning: boolean): Promise<void> {
    const request: RoundRequest = {
      protocol: 'tcp',
      address: system.address,
      port: spinning ? system.spinningPort : system.port,
      sizeBytes: SIZE_BYTES,
      connections,
      client: connections === 1 ? 'spin' : 'block',
      warmUpMs: 50,
      warmUpRequests: 100,
      measureMs: this.measureMs,
      serverPid: system.pid(),
    };
    if (spinning) this.#spinning.thaw();
    const result = await this.#client.ask<RoundResult>(request, START_TIMEOUT_MS + this.measureMs);
    if (spinning) this.#spinning.freeze();
    if (result.error !== undefined || result.corrupted > 0) {
      this.options.progress(`${system.name}: ${result.error ?? 'bytes came back other than they went'}`);
      return;
    }
    const latencies = new Histogram();
    latencies.add(result.latencies);
    const figures: Record<string, number> = {
      p50Us: latencies.percentileUs(0.5),
      p99Us: latencies.percentileUs(0.99),
      requestsPerS: (result.requests / result.elapsedUs) * 1e6,
      machineCpuUs: result.machineCpuUs / result.requests,
    };
    if (request.serverPid !== 0) {
      figures['processCpuUs'] = result.serverCpuUs / result.requests;
      figures['framesPerCoreS'] = (FRAMES_A_ROUND_TRIP * 1e6 * result.requests) / result.serverCpuUs;
    }
    this.record(system.name, measure, figures);
  }

  async connect(system: System): Promise<void> {
    const request: ChurnRequest = {
      address: system.address,
      port: system.port,
      outstanding: CONNECTIONS,
      measureMs: this.measureMs,
      serverPid: system.pid(),
    };
    const result = await this.#churn.ask<ChurnResult>(request, START_TIMEOUT_MS + this.measureMs);
    if (result.failed > 0) this.options.progress(`${system.name}: ${result.failed} connections failed`);
    if (result.connections === 0) return;
    const figures: Record<string, number> = {
      connectionsPerS: (result.connections / result.elapsedUs) * 1e6,
      machineCpuUs: result.machineCpuUs / result.connections,
    };
    if (request.serverPid !== 0) figures['processCpuUs'] = result.serverCpuUs / result.connections;
    this.record(system.name, 'connections', figures);
  }
}

async function run(options: RunOptions): Promise<Row[]> {
  const refusal = networkRefusal();
  if (refusal !== undefined) throw new UsageError(refusal);
  const where = new place.SwitchPlace();
  const { client: clientProcessor, server: processor } = processors();
  const stops: (() => Promise<void> | void)[] = [];
  const remove = options.onExit(() => where.close());
  const start = (
    name: string,
    script: string,
    namespace: string,
    on: number,
    args: string[] = [],
  ): PinnedProcess => {
    const started = new PinnedProcess({
      name,
      script: fileURLToPath(new URL(script, import.meta.url)),
      args,
      namespace,
      processor: on,
    });
    stops.push(() => started.stop());
    return started;
  };
  let balancer: Switch | undefined;
  try {
    const server = start('server', '../servers/node-net.js', where.server, processor, [String(SERVER_PORT)]);
    const spinning = start('spinning server', '../servers/node-net.js', where.server, processor, [
      String(SPINNING_PORT),
      'spin',
    ]);
    const client = start('client', '../client/main.js', where.client, clientProcessor);
    const churn = start('churn', './churn.js', where.client, clientProcessor);
    await Promise.all([server, spinning, client, churn].map(each => each.line(START_TIMEOUT_MS)));
    spinning.freeze();
    balancer = runInNamespace(where.middle, () => newSwitch(where));
    const systems: System[] = [fixed('direct', place.DIRECT_ADDRESS), fixed('switch', place.VIRTUAL_ADDRESS)];
    for (const [name, launch, port] of [
      ['haproxy', startHaproxy, HAPROXY_PORT],
      ['nginx stream', startNginx, NGINX_PORT],
    ] as const) {
      try {
        systems.push(await proxied(name, launch, port, where, processor, stops));
      } catch (error) {
        options.progress(`left out: ${(error as Error).message}`);
      }
    }
    const bench = new Bench(options, client, churn, spinning);
    await measure(bench, systems);
    balancer.close();
    forward(bench, where, processor);
    return rowsOf(bench.samples);
  } finally {
    balancer?.close();
    for (const stop of stops.reverse()) await stop();
    where.close();
    remove();
  }
}

async function measure(bench: Bench, systems: readonly System[]): Promise<void> {
  for (let round = 0; round < bench.rounds; round++) {
    bench.options.progress(`round ${round + 1}/${bench.rounds}`);
    for (const system of systems) {
      await bench.exchange(system, 'round trip', 1, false);
      // A proxy would have to share its processor with a server that spins.
      if (system.pid() === 0) await bench.exchange(system, 'round trip, spinning', 1, true);
      await bench.exchange(system, 'load', CONNECTIONS, false);
      await bench.connect(system);
    }
  }
}

function fixed(name: string, address: string): System {
  return { name, address, port: SERVER_PORT, spinningPort: SPINNING_PORT, pid: () => 0 };
}

async function proxied(
  name: string,
  launch: typeof startHaproxy,
  port: number,
  where: place.SwitchPlace,
  processor: number,
  stops: (() => Promise<void> | void)[],
): Promise<System> {
  const proxy: ProxyService = await launch({
    namespace: where.middle,
    processor,
    port,
    serverPort: SERVER_PORT,
  });
  stops.push(proxy.stop);
  return { name, address: proxy.address, port, spinningPort: port, pid: proxy.pid };
}

function newSwitch(where: place.SwitchPlace): Switch {
  const made = new Switch({
    ports: [
      { interface: 'ms0', role: 'client' },
      { interface: 'ms1', role: 'backend' },
    ],
    headerKey: new Uint8Array(16).fill(1),
    hashKey: new Uint8Array(16).fill(2),
    address: place.SWITCH_ADDRESS,
    mode: 'native',
  });
  for (const port of [SERVER_PORT, SPINNING_PORT]) made.addService(place.VIRTUAL_ADDRESS, port);
  made.addBackend(0, { macAddress: where.backendMac, interface: 'ms1', address: place.BACKEND_ADDRESS });
  return made;
}

/** Frames of one established connection: through the switch, and through a program that only sends on. */
function forward(bench: Bench, where: place.SwitchPlace, processor: number): void {
  const source = new FrameSource(where, segment(where));
  // The kernel takes some 20 ms to prepare a run; they are counted.
  const frames = bench.options.quick ? 300_000 : 1_000_000;
  try {
    for (let round = 0; round < FRAME_ROUNDS; round++) {
      for (const system of ['plain XDP redirect', 'switch']) {
        const middle =
          system === 'switch'
            ? runInNamespace(where.middle, () => newSwitch(where))
            : new PlainForwarder(where);
        try {
          const result = source.send(frames, processor);
          bench.record(system, 'frames', {
            framesPerCoreS: (result.arrived / result.elapsedUs) * 1e6,
            nsPerFrame: (result.elapsedUs * 1000) / result.arrived,
            lostPercent: (1 - result.arrived / result.frames) * 100,
          });
        } finally {
          middle.close();
        }
      }
    }
  } finally {
    source.close();
  }
}

/** 64 bytes of a connection to the service, from the client. */
function segment(where: place.SwitchPlace): Uint8Array {
  const frame = new Uint8Array(14 + 20 + 20 + SIZE_BYTES);
  const view = new DataView(frame.buffer);
  frame.set(parseMacAddress(where.backendMac), 0);
  frame.set(parseMacAddress(where.clientMac), 6);
  view.setUint16(12, 0x0800);
  frame.set([0x45, 0, 0, frame.length - 14, 0, 0, 0x40, 0, 64, 6], 14);
  frame.set([10, 91, 2, 1], 26);
  frame.set([10, 91, 2, 100], 30);
  view.setUint16(34, 40_000);
  view.setUint16(36, SERVER_PORT);
  view.setUint8(46, 0x50);
  // The switch enters a connection by its SYN; the others of this kind find it.
  view.setUint8(47, 2);
  return frame;
}

function rowsOf(samples: readonly Samples[]): Row[] {
  return samples.map(({ system, measure, figures }) => {
    const row: Row = { system, measure };
    for (const [name, values] of figures) row[name] = rounded(median(values));
    // One core's work and nothing to wait for: whatever made a round slower was not the switch.
    if (measure === 'frames') {
      row['framesPerCoreS'] = rounded(Math.max(...figures.get('framesPerCoreS')!));
      row['nsPerFrame'] = rounded(Math.min(...figures.get('nsPerFrame')!));
    }
    return row;
  });
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}

function tables(rows: readonly Row[]): Table[] {
  const of = (...measures: string[]): Row[] => rows.filter(row => measures.includes(String(row['measure'])));
  const peer = (row: Row, name: string): Row | undefined =>
    rows.find(other => other.system === name && other['measure'] === row['measure']);
  const beside = (field: string, name: string) => ({
    title: `/ ${name}`,
    right: true,
    value: (row: Row) => (row.system === name ? '1' : ratio(row[field], peer(row, name)?.[field])),
  });
  const switchFrames = rows.find(row => row.system === 'switch' && row['measure'] === 'frames');
  return [
    {
      rows: of('round trip', 'round trip, spinning'),
      columns: [
        word('system', 'system'),
        word('measure', 'measure'),
        figure('p50 µs', 'p50Us'),
        figure('p99 µs', 'p99Us'),
        beside('p50Us', 'direct'),
      ],
      notes: [
        `One connection, ${SIZE_BYTES} bytes there and back, a client that spins, a node:net server behind; medians of rounds, interleaved.`,
        'The server sleeps between requests, or spins: then what is between weighs most. Proxies share its processor, so that is measured without them.',
      ],
    },
    {
      rows: of('load'),
      columns: [
        word('system', 'system'),
        figure('requests/s', 'requestsPerS', 0),
        beside('requestsPerS', 'direct'),
        figure('machine CPU µs', 'machineCpuUs'),
        figure('process CPU µs', 'processCpuUs'),
        figure('frames/s a core', 'framesPerCoreS', 0),
        {
          title: 'switch is',
          right: true,
          value: row => ratio(switchFrames?.['framesPerCoreS'], row['framesPerCoreS']),
        },
      ],
      notes: [
        `${CONNECTIONS} connections with a request outstanding on each. Processor time is per request: the machine’s, soft interrupts included, whoever caused them; and the proxy’s own.`,
        'frames/s a core: two data frames a request by the proxy’s own processor time, which leaves out soft interrupts that others suffer: in its favour.',
        'switch is: the frames/s of the table below over these, though those contain sender and receiver: in the proxies’ favour again.',
      ],
    },
    {
      rows: of('connections'),
      columns: [
        word('system', 'system'),
        figure('connections/s', 'connectionsPerS', 0),
        beside('connectionsPerS', 'direct'),
        figure('machine CPU µs', 'machineCpuUs'),
        figure('process CPU µs', 'processCpuUs'),
      ],
      notes: [`Connect, ask once, reset; ${CONNECTIONS} on their way at a time.`],
    },
    {
      rows: of('frames'),
      columns: [
        word('system', 'system'),
        figure('frames/s a core', 'framesPerCoreS', 0),
        figure('ns a frame', 'nsPerFrame', 0),
        figure('lost %', 'lostPercent', 2),
      ],
      notes: [
        'Frames made in the kernel at the client’s end of a veth pair, through the middle, dropped at the server’s end: all on one core. The best round.',
        'A plain redirect in the switch’s place shows what the two veth pairs cost; the rest is the switch.',
      ],
    },
  ];
}

export const switching: Benchmark = {
  name: 'switch',
  summary: 'the XDP switch beside HAProxy and nginx stream: round trips, load, connections, frames',
  options: {
    rounds: { type: 'string', help: 'rounds, each over every system' },
    'round-ms': { type: 'string', help: 'length of one measurement' },
  },
  run,
  columns: () => [word('system', 'system'), word('measure', 'measure')],
  tables,
  notes: [],
};
