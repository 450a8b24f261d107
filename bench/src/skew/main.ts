// `bench -- skew`: a fleet of which one backend gets more than it can do, with connections that move and without, in virtual time.

import { type Benchmark, type RunOptions, type Table, UsageError } from '../benchmark.ts';
import { figure, type Row, ratio, rounded, word } from '../rows.ts';
import { runFleet } from './fleet.ts';

const SCENARIOS = ['skewed from the start', 'skewed from the middle on'] as const;

async function run(options: RunOptions): Promise<Row[]> {
  const seed = Number(options.values['seed'] ?? 1);
  const durationMs = Number(options.values['ms'] ?? (options.quick ? 2000 : 5000));
  if (!Number.isInteger(seed) || seed < 1) throw new UsageError('--seed wants a whole number above 0');
  if (!(durationMs >= 100)) throw new UsageError('--ms wants 100 at least');
  const rows: Row[] = [];
  for (const scenario of SCENARIOS) {
    const hotFromUs = scenario === SCENARIOS[0] ? 0 : durationMs * 500;
    for (const system of ['connections stay', 'connections move']) {
      options.progress(`${scenario}: ${system}`);
      const result = runFleet({
        seed,
        durationUs: durationMs * 1000,
        migrating: system === 'connections move',
        hotFromUs,
      });
      rows.push({
        system,
        scenario,
        seed,
        requests: result.requests,
        p50Us: rounded(result.latencies.percentileUs(0.5)),
        p99Us: rounded(result.latencies.percentileUs(0.99)),
        moved: result.moved,
        stayed: result.stayed,
        mostMoves: result.mostMoves,
        hottestMoves: result.hottestMoves,
        lateMoves: result.lateMoves,
      });
      // Ctrl-C is heard between runs.
      await new Promise(resolve => setImmediate(resolve));
    }
  }
  return rows;
}

function tables(rows: readonly Row[]): Table[] {
  const staying = (row: Row): Row | undefined =>
    rows.find(other => other.system === 'connections stay' && other['scenario'] === row['scenario']);
  return [
    {
      rows,
      columns: [
        word('scenario', 'scenario'),
        word('system', 'system'),
        figure('requests', 'requests', 0),
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
        'Virtual time, the same for a seed on every machine: the real stack, protocol and policy, the switch’s model, four servers that take 100 µs a request. Open loop, latency from when a request is due.',
        'The hottest backend is offered 1.2 times what it can do, all of them together 60 %. One connection has two fifths of the hot backend’s load. Every request is answered in the end, and counts; the first tenth of the time does not.',
        'Moves: most of one connection, those of the hottest, and those in the last third of the time, in which nothing should move.',
      ],
    },
  ];
}

export const skew: Benchmark = {
  name: 'skew',
  summary: 'an overloaded backend with connections that move and without, in virtual time',
  options: {
    seed: { type: 'string', help: 'of arrivals and of the world' },
    ms: { type: 'string', help: 'virtual time of each run' },
  },
  run,
  columns: () => [word('system', 'system')],
  tables,
  notes: [],
};
