// `bench -- cornflakes --part load` and `--part ablation`: services of one library OS and workload side by side, each searched for
// what it can take, in turns; their figures as rows.

import { OBJECT_PROTOCOLS } from '@demikernel/apps/kv-objects';
import { networkRefusal } from '@demikernel/lab';
import type { RunOptions } from '../../benchmark.ts';
import { type Column, figure, type Row, rounded, word } from '../../rows.ts';
import { Testbed } from '../../testbed/testbed.ts';
import { compared, isLimit, isOtherLibrary, isOurs } from '../compare.ts';
import { findCapacity } from './capacity.ts';
import type { RunAnswer } from './client.ts';
import { Pair } from './pair.ts';
import { makeWorkload, type ProtocolSetting, variantOf, type WorkloadSetting } from './setting.ts';

export const LIBRARY_OSES = ['catpowder', 'catmem'] as const;
export type LoadLibraryOs = (typeof LIBRARY_OSES)[number];

/** Every protocol as it is best. */
export const PROTOCOLS: readonly ProtocolSetting[] = OBJECT_PROTOCOLS.map(protocol => ({
  system: protocol,
  protocol,
}));

/** Cornflakes with parts of it switched off. */
export const ABLATIONS: readonly ProtocolSetting[] = [
  { system: 'cornflakes', protocol: 'cornflakes' },
  { system: 'cornflakes copy', protocol: 'cornflakes', copyThreshold: 'copy' },
  { system: 'cornflakes gather', protocol: 'cornflakes', copyThreshold: 'gather' },
  { system: 'cornflakes separately', protocol: 'cornflakes', copyThreshold: 'copy', separately: true },
];

/** How long and how often is measured. */
export interface LoadBudget {
  pointMs: number;
  rounds: number;
  halvings: number;
}

export const FULL_BUDGET: LoadBudget = { pointMs: 1000, rounds: 3, halvings: 4 };
export const QUICK_BUDGET: LoadBudget = { pointMs: 120, rounds: 1, halvings: 1 };

/** Requests under way on each connection when it is asked how much is answered at all. */
const SATURATING_DEPTH = 8;
/** The search begins at this share of that. */
const FIRST_SHARE = 0.25;
/** A client that finds nothing to do in fewer of its turns is the bound itself. */
const SATURATED_IDLE_SHARE = 0.05;

export interface LoadOptions {
  part: 'load' | 'ablation';
  libos: LoadLibraryOs;
  workload: WorkloadSetting;
  protocols: readonly ProtocolSetting[];
  connections: number;
  p99BoundUs: number;
  budget: LoadBudget;
  profileFolder: string | undefined;
}

/** What the rounds of one service have shown. */
interface Measured {
  pair: Pair;
  /** As many requests as are answered. */
  saturated: RunAnswer[];
  /** The best points within the bound. */
  best: RunAnswer[];
  /** Replies of other lengths than expected: refusals, as a service gives them that has no memory left. */
  refused: number;
  error: string | undefined;
}

/** Why a library OS cannot be measured here, or `undefined`. */
export function loadRefusal(libos: LoadLibraryOs): string | undefined {
  return libos === 'catpowder' ? networkRefusal() : undefined;
}

export async function underLoad(
  { onExit, progress }: Pick<RunOptions, 'onExit' | 'progress'>,
  options: LoadOptions,
): Promise<Row[]> {
  const { budget, libos, protocols, workload } = options;
  const testbed = libos === 'catpowder' ? new Testbed() : undefined;
  const remove = onExit(() => testbed?.close());
  const measured: Measured[] = [];
  try {
    for (const [index, protocol] of protocols.entries()) {
      progress(`${libos}, ${workload.name}: starting ${protocol.system}`);
      try {
        const pair = await Pair.start({ ...options, protocol, index, testbed });
        measured.push({ pair, saturated: [], best: [], refused: 0, error: undefined });
      } catch (error) {
        progress(`left out: ${(error as Error).message}`);
      }
    }
    for (let round = 0; round < budget.rounds; round++) {
      for (const each of measured) {
        progress(
          `${libos}, ${workload.name}, round ${round + 1}/${budget.rounds}: ${each.pair.protocol.system}`,
        );
        if (each.error !== undefined) continue;
        try {
          await search(each, options, progress);
          await each.pair.check();
        } catch (error) {
          each.error = (error as Error).message;
          progress(`left out: ${each.error}`);
        }
      }
    }
  } finally {
    await Promise.all(measured.map(({ pair }) => pair.stop()));
    remove();
  }
  return measured.filter(each => each.error === undefined).map(each => rowOf(each, options));
}

async function search(
  measured: Measured,
  options: LoadOptions,
  progress: RunOptions['progress'],
): Promise<void> {
  const { best, pair, saturated } = measured;
  const { halvings, pointMs } = options.budget;
  // V8 compiles, and every reply's length is known afterwards.
  if (saturated.length === 0) await pair.run(0, SATURATING_DEPTH, pointMs);
  const most = await pair.run(0, SATURATING_DEPTH, pointMs);
  measured.refused += most.corrupted;
  saturated.push(most);
  progress(`  at most ${Math.round(most.achievedPerSecond)}/s`);
  const measure = async (rate: number): Promise<RunAnswer> => {
    const point = await pair.run(rate, 0, pointMs);
    const [offered, achieved] = [rate, point.achievedPerSecond].map(Math.round);
    progress(
      `  ${offered}/s: ${achieved}/s, p50 ${point.p50Us.toFixed(0)} us, p99 ${point.p99Us.toFixed(0)} us`,
    );
    // A refusal is no reply, however quick.
    return point.corrupted === 0 ? point : { ...point, achievedPerSecond: 0 };
  };
  const found = await findCapacity(measure, {
    firstRate: most.achievedPerSecond * FIRST_SHARE,
    p99BoundUs: options.p99BoundUs,
    halvings,
  });
  if (found !== undefined) best.push(found);
}

/** The middle one by rate. */
function middle(answers: readonly RunAnswer[]): RunAnswer | undefined {
  return [...answers].sort((a, b) => a.achievedPerSecond - b.achievedPerSecond)[answers.length >> 1];
}

function rowOf({ best, pair, refused, saturated }: Measured, options: LoadOptions): Row {
  const { connections, libos, p99BoundUs, part, workload } = options;
  const row: Row = {
    system: pair.protocol.system,
    part,
    libos,
    workload: workload.name,
    variant: variantOf(workload),
    parameters: makeWorkload(workload).parameters,
    seed: workload.seed,
    connections,
    p99BoundUs,
    rounds: saturated.length,
    refusedReplies: refused,
  };
  const most = middle(saturated);
  // On a machine that has no time for us at all, nothing may have come back: there is nothing to divide by.
  if (most !== undefined && most.replies > 0) {
    row['saturatedPerSecond'] = Math.round(most.achievedPerSecond);
    row['saturatedServerCpuUsPerRequest'] = rounded(most.serverCpuUs / most.replies);
    row['saturatedCpuUsPerRequest'] = rounded(most.machineCpuUs / most.replies);
    row['saturatedClientIdlePercent'] = rounded(most.idleShare * 100);
    row['clientSaturated'] = most.idleShare < SATURATED_IDLE_SHARE;
  }
  const point = middle(best);
  // No point within the bound: there is nothing to say.
  if (point === undefined || point.replies === 0) return row;
  return {
    ...row,
    requestsPerSecond: Math.round(point.achievedPerSecond),
    p50Us: rounded(point.p50Us),
    p99Us: rounded(point.p99Us),
    wholeP99Us: rounded(point.wholeP99Us),
    cpuUsPerRequest: rounded(point.machineCpuUs / point.replies),
    serverCpuUsPerRequest: rounded(point.serverCpuUs / point.replies),
    clientIdlePercent: rounded(point.idleShare * 100),
  };
}

export function loadColumns(rows: readonly Row[]): Column[] {
  const common = [
    word('on', 'libos'),
    word('workload', 'workload'),
    word('', 'variant'),
    word('protocol', 'system'),
    figure('req/s at p99', 'requestsPerSecond', 0),
    figure('p50 us', 'p50Us', 0),
    figure('p99 us', 'p99Us', 0),
    figure('whole run', 'wholeP99Us', 0),
    figure('cpu us/req', 'cpuUsPerRequest', 2),
    figure('most req/s', 'saturatedPerSecond', 0),
    figure('server us', 'saturatedServerCpuUsPerRequest', 2),
    figure('client idle %', 'saturatedClientIdlePercent', 0),
  ];
  const against = (title: string, field: string, peers: (row: Row) => boolean): Column =>
    compared(rows, { title, field, under: ['libos', 'parameters'], peers, moreIsBetter: true });
  const ratios =
    rows[0]?.['part'] === 'ablation'
      ? [
          against('at p99 / cornflakes', 'requestsPerSecond', isOurs),
          against('most / cornflakes', 'saturatedPerSecond', isOurs),
        ]
      : [
          against('at p99 / best other', 'requestsPerSecond', isOtherLibrary),
          against('/ raw', 'requestsPerSecond', isLimit),
          against('most / best other', 'saturatedPerSecond', isOtherLibrary),
          against('/ raw', 'saturatedPerSecond', isLimit),
        ];
  return [...common, ...ratios, { title: '', value: row => (row['clientSaturated'] === true ? '*' : '') }];
}

export const LOAD_NOTES: readonly string[] = [
  'Under load: apps/kv in one protocol on one core, spinning, one client on the other; TCP on Catpowder, shared memory on Catmem. Requests',
  'are due at random (Poisson), leave together when several are due, latency counts from when they were due; requests are written beforehand and replies only counted,',
  'so that the client costs the same for every protocol; before, every value was put and some hundred replies compared. The first tenth of a point is',
  'dropped, and points that gave at most 95 % of what was asked. req/s at p99: the most within the bound, median of rounds. p50, p99: of the',
  'median 10 ms of the run, so that a stall of the machine does not count; whole run: with stalls.',
  'most: as many as are answered, eight under way on each connection, and what they cost the service’s process then.',
  'best other: of protobufjs, protobuf-es, flatbuffers, capnp, json. raw: framing by hand, one copy: the limit. * client saturated.',
];

export const ABLATION_NOTES: readonly string[] = [
  'Ablations, under the same load: cornflakes as the device says, copying every value, referring to every value (gather), and',
  'serializing into a buffer of its own that is copied into the packet afterwards (separately), instead of straight into it.',
];
