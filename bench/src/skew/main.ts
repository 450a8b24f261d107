// `bench -- skew`: a fleet of which one backend gets more than it can do, with connections that move and without: in virtual time, and
// live on this machine's interfaces.

import { networkRefusal } from '@demikernel/lab';
import { type Benchmark, type RunOptions, type Table, UsageError } from '../benchmark.ts';
import { figure, type Row, ratio, rounded, word } from '../rows.ts';
import { BACKENDS, CONNECTIONS, runFleet } from './fleet.ts';
import { LivePlace } from './live-place.ts';
import type { Place } from './place.ts';
import { VirtualPlace } from './virtual-place.ts';

const SCENARIOS = ['skewed from the start', 'skewed from the middle on'] as const;
const PLACES = ['virtual', 'live'] as const;

async function run(options: RunOptions): Promise<Row[]> {
  const seed = Number(options.values['seed'] ?? 1);
  const durationMs = Number(options.values['ms'] ?? (options.quick ? 2000 : 5000));
  const asked = options.values['place'];
  if (!Number.isInteger(seed) || seed < 1) throw new UsageError('--seed wants a whole number above 0');
  if (!(durationMs >= 100)) throw new UsageError('--ms wants 100 at least');
  if (asked !== undefined && !PLACES.some(each => each === asked))
    throw new UsageError(`--place wants ${PLACES.join(' or ')}`);
  const refusal = networkRefusal();
  if (refusal !== undefined && asked === 'live') throw new UsageError(refusal);
  const rows: Row[] = [];
  for (const where of PLACES) {
    if (asked !== undefined && asked !== where) continue;
    if (where === 'live' && refusal !== undefined) {
      options.progress(`left out: live (${refusal})`);
      continue;
    }
    for (const scenario of SCENARIOS)
      for (const migrating of [false, true])
        rows.push(await measure(where, scenario, migrating, seed, durationMs, options));
  }
  return rows;
}

async function measure(
  where: (typeof PLACES)[number],
  scenario: (typeof SCENARIOS)[number],
  migrating: boolean,
  seed: number,
  durationMs: number,
  options: RunOptions,
): Promise<Row> {
  const system = migrating ? 'connections move' : 'connections stay';
  options.progress(`${where}, ${scenario}: ${system}`);
  let place: Place | undefined;
  // Registered before there is anything to undo: making it takes a while.
  const close = options.onExit(() => place?.close());
  try {
    place = where === 'virtual' ? new VirtualPlace(seed) : new LivePlace(BACKENDS, CONNECTIONS);
    const hotFromUs = scenario === SCENARIOS[0] ? 0 : durationMs * 500;
    const result = await runFleet(place, { seed, durationUs: durationMs * 1000, migrating, hotFromUs });
    return {
      system,
      place: where,
      scenario,
      seed,
      requests: result.requests,
      p50Us: rounded(result.latencies.percentileUs(0.5)),
      p99Us: rounded(result.latencies.percentileUs(0.99)),
      serviceUs: place.serviceUs,
      moved: result.moved,
      stayed: result.stayed,
      mostMoves: result.mostMoves,
      hottestMoves: result.hottestMoves,
      lateMoves: result.lateMoves,
    };
  } finally {
    close();
  }
}

function tables(rows: readonly Row[]): Table[] {
  const staying = (row: Row): Row | undefined =>
    rows.find(
      other =>
        other.system === 'connections stay' &&
        other['place'] === row['place'] &&
        other['scenario'] === row['scenario'],
    );
  return [
    {
      rows,
      columns: [
        word('place', 'place'),
        word('scenario', 'scenario'),
        word('system', 'system'),
        figure('requests', 'requests', 0),
        figure('service µs', 'serviceUs', 0),
        figure('p50 µs', 'p50Us', 0),
        figure('p99 µs', 'p99Us', 0),
        {
          title: 'p99 lower by',
          right: true,
          value: row => (staying(row) === row ? '' : ratio(staying(row)?.['p99Us'], row['p99Us'])),
        },
        figure('moved', 'moved', 0),
        figure('most of one', 'mostMoves', 0),
        figure('of the hottest', 'hottestMoves', 0),
        figure('in the last third', 'lateMoves', 0),
      ],
      notes: [
        'Virtual: in virtual time, the same for a seed on every machine: the real stack, protocol and policy, the switch’s model. Live: the real XDP switch, backends on AF_XDP, clients on the kernel’s stack, in namespaces, all turned by one thread.',
        'Four servers that take a fixed time per request by the clock, one after the other. Open loop, latency from when a request is due.',
        'The hottest backend is offered 1.2 times what it can do, all of them together 60 %. One connection has two fifths of the hot backend’s load. Every request is answered in the end, and counts; the first tenth of the time does not.',
        'Moves: most of one connection, those of the hottest, and those in the last third of the time, in which nothing should move.',
      ],
    },
  ];
}

export const skew: Benchmark = {
  name: 'skew',
  summary: 'an overloaded backend with connections that move and without, in virtual time and live',
  options: {
    seed: { type: 'string', help: 'of arrivals and of the world' },
    ms: { type: 'string', help: 'how long requests come in each run, in ms' },
    place: { type: 'string', help: 'virtual or live only' },
  },
  run,
  columns: () => [word('system', 'system')],
  tables,
  notes: [],
};
