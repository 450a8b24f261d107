// `bench -- cornflakes`: serialization, alone in a process and in front of the key-value store: Cornflakes beside the libraries that
// JavaScript has, and framing written by hand as the limit.

import { type Benchmark, type RunOptions, type Table, UsageError } from '../benchmark.ts';
import type { Row } from '../rows.ts';
import { SIGMAS } from '../workloads/twitter-like.ts';
import { YCSB_FIELDS as GRID_FIELDS, YCSB_TOTAL_BYTES } from '../workloads/ycsb.ts';
import { IN_PROCESS_NOTES, inProcess, inProcessColumns, LIBRARIES } from './in-process/rows.ts';
import {
  ABLATION_NOTES,
  ABLATIONS,
  FULL_BUDGET,
  LIBRARY_OSES,
  LOAD_NOTES,
  type LoadBudget,
  type LoadOptions,
  loadColumns,
  loadRefusal,
  PROTOCOLS,
  QUICK_BUDGET,
  underLoad,
} from './load/rows.ts';
import {
  DEFAULT_SEED,
  DEFAULT_SIGMA,
  type ProtocolSetting,
  WORKLOADS,
  type WorkloadSetting,
} from './load/setting.ts';
import { inService, SERVICE_NOTES, serviceColumns } from './service/rows.ts';

/** The parts, in the order in which they run. */
const PARTS = ['in-process', 'service', 'load', 'ablation'] as const;
type Part = (typeof PARTS)[number];

const CONNECTIONS = 16;
const P99_BOUND_US = 500;
/** What fits the memory of every service at once: a million keys of some workloads need more than one region holds. */
const KEYS: Readonly<Record<WorkloadSetting['name'], number>> = {
  'google-like': 100_000,
  'twitter-like': 100_000,
  'cdn-like': 20_000,
  'ycsb-c': 50_000,
};
/** What a quick run does when nothing is said. */
const QUICK_KEYS = 1000;
const QUICK_WORKLOAD = 'twitter-like';
const QUICK_PROTOCOLS: readonly string[] = ['cornflakes', 'protobufjs', 'raw'];
const YCSB_BYTES = 4096;
const YCSB_FIELDS = 4;

type Values = RunOptions['values'];

/** Words from a list of them. @throws UsageError naming what is none of `choices` */
function chosen<T extends string>(flag: string, values: Values, choices: readonly T[]): readonly T[] {
  const text = values[flag];
  if (text === undefined) return choices;
  return text.split(',').map(word => {
    if (choices.includes(word as T)) return word as T;
    throw new UsageError(`--${flag}: there is no '${word}'; there are: ${choices.join(', ')}`);
  });
}

/** @throws UsageError when it is no number above zero, or not whole where it must be */
function numberOf(flag: string, values: Values, fallback: number, whole = true): number {
  const text = values[flag];
  if (text === undefined) return fallback;
  const number = Number(text);
  if (number > 0 && Number.isFinite(number) && (!whole || Number.isInteger(number))) return number;
  throw new UsageError(`--${flag} is a ${whole ? 'whole ' : ''}number above 0, not '${text}'`);
}

/** As {@link numberOf}, several of them by commas. */
function numbersOf(flag: string, values: Values, fallback: number, whole = true): number[] {
  const words = values[flag]?.split(',') ?? [String(fallback)];
  return words.map(word => numberOf(flag, { [flag]: word }, fallback, whole));
}

/** A workload in every variant that was asked for. */
function variantsOf(name: WorkloadSetting['name'], values: Values, quick: boolean): WorkloadSetting[] {
  const common = {
    name,
    keys: numberOf('keys', values, quick ? QUICK_KEYS : KEYS[name]),
    seed: numberOf('seed', values, DEFAULT_SEED),
    sigma: DEFAULT_SIGMA,
    bytes: YCSB_BYTES,
    fields: YCSB_FIELDS,
  };
  const sigmas = numbersOf('sigma', values, DEFAULT_SIGMA, false);
  const sizes = numbersOf('bytes', values, YCSB_BYTES);
  const counts = numbersOf('fields', values, YCSB_FIELDS);
  if (name === 'twitter-like') return sigmas.map(sigma => ({ ...common, sigma }));
  if (name !== 'ycsb-c') return [common];
  return sizes.flatMap(bytes => counts.map(fields => ({ ...common, bytes, fields })));
}

function budgetOf(values: Values, quick: boolean): LoadBudget {
  const { halvings, pointMs, rounds } = quick ? QUICK_BUDGET : FULL_BUDGET;
  return {
    pointMs: numberOf('point-ms', values, pointMs),
    rounds: numberOf('rounds', values, rounds),
    halvings,
  };
}

function workloadsOf({ quick, values }: RunOptions): WorkloadSetting[] {
  const names = WORKLOADS.filter(name => (quick ? name === QUICK_WORKLOAD : name !== 'ycsb-c'));
  const wanted = values['workload'] === undefined ? names : chosen('workload', values, WORKLOADS);
  return wanted.flatMap(name => variantsOf(name, values, quick));
}

function protocolsOf({ quick, values }: RunOptions): readonly ProtocolSetting[] {
  const systems = PROTOCOLS.map(({ system }) => system);
  const wanted =
    quick && values['protocols'] === undefined ? QUICK_PROTOCOLS : chosen('protocols', values, systems);
  return PROTOCOLS.filter(({ system }) => wanted.includes(system));
}

/** Everything under load that was asked for, one after the other. */
function loadsOf(parts: readonly Part[], options: RunOptions): LoadOptions[] {
  const { quick, values } = options;
  const common = {
    connections: numberOf('connections', values, CONNECTIONS),
    p99BoundUs: numberOf('p99-us', values, P99_BOUND_US),
    budget: budgetOf(values, quick),
    profileFolder: values['profile'],
  };
  const loads: LoadOptions[] = [];
  for (const part of ['load', 'ablation'] as const) {
    if (!parts.includes(part)) continue;
    const protocols = part === 'ablation' ? ABLATIONS : protocolsOf(options);
    for (const libos of chosen('libos', values, LIBRARY_OSES)) {
      for (const workload of workloadsOf(options)) {
        loads.push({ ...common, part, libos, workload, protocols });
      }
    }
  }
  return loads;
}

async function run(options: RunOptions): Promise<Row[]> {
  const { progress, values } = options;
  const parts = chosen('part', values, PARTS);
  const libraries = chosen('libraries', values, LIBRARIES);
  const loads = loadsOf(parts, options);
  const rows: Row[] = [];
  if (parts.includes('in-process')) rows.push(...(await inProcess(options, libraries)));
  if (parts.includes('service')) {
    const systems = [...protocolsOf(options), ...ABLATIONS.filter(({ system }) => system !== 'cornflakes')];
    const protocols = values['protocols'] === undefined ? systems : protocolsOf(options);
    rows.push(...(await inService(options, workloadsOf(options), protocols)));
  }
  for (const load of loads) {
    const refusal = loadRefusal(load.libos);
    if (refusal !== undefined) progress(`left out: ${load.libos}: ${refusal}`);
    else rows.push(...(await underLoad(options, load)));
  }
  return rows;
}

function tables(rows: readonly Row[]): Table[] {
  const of = (part: Part): Row[] => rows.filter(row => row['part'] === part);
  const loads = of('load');
  const ablations = of('ablation');
  return [
    { rows: of('in-process'), columns: inProcessColumns(of('in-process')), notes: IN_PROCESS_NOTES },
    { rows: of('service'), columns: serviceColumns(of('service')), notes: SERVICE_NOTES },
    { rows: loads, columns: loadColumns(loads), notes: LOAD_NOTES },
    { rows: ablations, columns: loadColumns(ablations), notes: ABLATION_NOTES },
  ];
}

export const cornflakes: Benchmark = {
  name: 'cornflakes',
  summary: 'serialization: Cornflakes beside protobufjs, protobuf-es, FlatBuffers, Cap’n Proto and JSON',
  options: {
    part: { type: 'string', help: `only these, by commas: ${PARTS.join(',')}` },
    libraries: { type: 'string', help: 'in process: only these, by commas: cornflakes,"cornflakes copy",…' },
    libos: { type: 'string', help: `under load: only ${LIBRARY_OSES.join(' or ')}` },
    workload: {
      type: 'string',
      help: `only these, by commas: ${WORKLOADS.join(',')}; default all but the last`,
    },
    protocols: { type: 'string', help: 'under load: only these, by commas: cornflakes,protobufjs,raw,…' },
    keys: { type: 'string', help: 'keys in the store; default as much as fits the memory of all services' },
    seed: { type: 'string', help: `of workloads and arrivals; default ${DEFAULT_SEED}` },
    sigma: {
      type: 'string',
      help: `twitter-like: spreads of the sizes, ${SIGMAS.join(',')} for a sweep; default ${DEFAULT_SIGMA}`,
    },
    bytes: {
      type: 'string',
      help: `ycsb-c: bytes per key, ${YCSB_TOTAL_BYTES.join(',')} for the grid; default ${YCSB_BYTES}`,
    },
    fields: {
      type: 'string',
      help: `ycsb-c: fields per key, ${GRID_FIELDS.join(',')} for the grid; default ${YCSB_FIELDS}`,
    },
    connections: { type: 'string', help: `connections of the client; default ${CONNECTIONS}` },
    'p99-us': { type: 'string', help: `bound on the 99th percentile; default ${P99_BOUND_US}` },
    'point-ms': { type: 'string', help: 'how long one point of the search lasts' },
    rounds: { type: 'string', help: 'searches per protocol' },
    profile: { type: 'string', help: 'folder for processor profiles of the services' },
  },
  run,
  columns: inProcessColumns,
  tables,
  notes: [],
};
