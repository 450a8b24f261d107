// `bench -- echo`: round trips over TCP and UDP of our library OSes, of Node's own sockets, and of the floors.

import { networkRefusal } from '@demikernel/lab';
import { driverRefusal } from '@demikernel/native/dpdk';
import { type Benchmark, type RunOptions, UsageError } from '../benchmark.ts';
import type { Protocol } from '../client/round.ts';
import { type Column, figure, type Row, word } from '../rows.ts';
import { type Measured, measure } from './measure.ts';
import { makePlace, processors, ratioColumn, rowsOf } from './place.ts';
import { labelOf, loadsFor, suits, systemsFor } from './scenario.ts';
import { needsInterface, type Place } from './service.ts';

export const echo: Benchmark = {
  name: 'echo',
  summary: 'round trips over TCP, UDP and inside the machine, beside node:net, node:dgram and the floors',
  options: {
    protocol: { type: 'string', help: 'tcp, udp or local only' },
    systems: { type: 'string', help: 'only these, by commas: catpowder,node:net,reflector,…' },
    client: { type: 'string', help: 'spin or block only' },
    size: { type: 'string', help: 'only loads of so many bytes, by commas' },
    connections: { type: 'string', help: 'only loads of so many connections, by commas' },
    rounds: { type: 'string', help: 'rounds per system and load' },
    'round-ms': { type: 'string', help: 'how long a round measures' },
    profile: { type: 'string', help: 'folder for processor profiles of our services' },
  },
  run,
  columns: columnsFor,
  notes: [
    'Client: unmodified kernel sockets, each connection with one request outstanding; server and client on one core each.',
    'cpu/req: the whole machine, soft interrupts and spinning included; server: that process alone. A spinning process takes',
    'its core whatever it does. idle: share of a core that a service takes when nobody talks to it. * client saturated.',
    'local: streams inside the machine, over Unix sockets; of Catmem, over shared memory, where the client is on Catmem too.',
  ],
};

/** When the last round of a quick run may begin, in milliseconds after the start. */
const QUICK_UNTIL_MS: Readonly<Record<Protocol, number>> = { tcp: 12_000, udp: 28_000, local: 38_000 };

async function run(options: RunOptions): Promise<Row[]> {
  const refusal = networkRefusal();
  if (refusal !== undefined)
    options.progress(`on loopback, without the rows that need an interface: ${refusal}`);
  const withoutCatnip = driverRefusal('net_af_xdp');
  if (withoutCatnip !== undefined) options.progress(`without catnip: ${withoutCatnip}`);
  const place = refusal === undefined ? makePlace() : undefined;
  const remove = options.onExit(() => place?.testbed.close());
  try {
    const rows: Row[] = [];
    for (const protocol of ['tcp', 'udp', 'local'] as const) {
      if (options.values['protocol'] !== undefined && options.values['protocol'] !== protocol) continue;
      // Names inside the machine are names of one network namespace: everybody's own.
      const where = protocol === 'local' ? undefined : place;
      rows.push(...rowsOf(await measureProtocol(protocol, options, where)));
    }
    if (rows.length === 0) throw new UsageError('no row of this benchmark fits these options');
    return rows;
  } finally {
    remove();
  }
}

function measureProtocol(protocol: Protocol, options: RunOptions, place: Place): Promise<Measured> {
  const { quick, values } = options;
  const wanted = values['systems']?.split(',');
  const sizes = numbers(values['size']);
  const connections = numbers(values['connections']);
  const systems = systemsFor(protocol).filter(
    system =>
      (wanted === undefined || wanted.includes(system.system) || wanted.includes(labelOf(system))) &&
      (place !== undefined || !needsInterface(system)) &&
      (system.system !== 'catnip' || driverRefusal('net_af_xdp') === undefined),
  );
  const loads = loadsFor(protocol, quick).filter(
    load =>
      (values['client'] ?? load.client) === load.client &&
      (sizes?.includes(load.sizeBytes) ?? true) &&
      (connections?.includes(load.connections) ?? true),
  );
  return measure({
    systems,
    loads,
    suits: (system, load) => suits(system, load, quick && wanted === undefined),
    rounds: Number(values['rounds'] ?? (quick ? 2 : 5)),
    warmUpMs: quick ? 80 : 300,
    measureMs: Number(values['round-ms'] ?? (quick ? 160 : 1000)),
    untilMs: quick ? QUICK_UNTIL_MS[protocol] : undefined,
    place,
    processors: processors(),
    profileFolder: values['profile'],
    progress: options.progress,
  });
}

/** The numbers of an option that lists them by commas. */
function numbers(text: string | undefined): number[] | undefined {
  return text?.split(',').map(Number);
}

function columnsFor(rows: readonly Row[]): Column[] {
  const node = (row: Row): string => (row['protocol'] === 'udp' ? 'node:dgram' : 'node:net');
  return [
    word('system', 'system'),
    word('wait', 'wait'),
    word('proto', 'protocol'),
    figure('bytes', 'sizeBytes', 0),
    figure('conns', 'connections', 0),
    word('client', 'client'),
    figure('p50 us', 'p50Us'),
    figure('p99 us', 'p99Us'),
    figure('p99.9 us', 'p999Us'),
    figure('req/s', 'requestsPerSecond', 0),
    figure('cpu us/req', 'cpuUsPerRequest'),
    figure('server', 'serverCpuUsPerRequest'),
    figure('idle %', 'idleCpuPercent'),
    ratioColumn('p50 / node', rows, 'p50Us', node),
    ratioColumn('/ node-spin', rows, 'p50Us', row => `${node(row)}-spin`),
    ratioColumn('/ reflector', rows, 'p50Us', () => 'reflector'),
    ratioColumn('p99.9 / refl.', rows, 'p999Us', () => 'reflector'),
    figure('lost', 'lostRequests', 0),
    { title: '', value: row => (row['clientSaturated'] === true ? '*' : '') },
  ];
}
