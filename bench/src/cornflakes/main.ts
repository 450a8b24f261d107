// `bench -- cornflakes`: serialization, alone in a process and in front of the key-value store: Cornflakes beside the libraries that
// JavaScript has, and framing written by hand as the limit.

import { type Benchmark, type RunOptions, type Table, UsageError } from '../benchmark.ts';
import type { Row } from '../rows.ts';
import { IN_PROCESS_NOTES, inProcess, inProcessColumns, LIBRARIES } from './in-process/rows.ts';

/** The parts, in the order in which they run. */
const PARTS = ['in-process'] as const;
type Part = (typeof PARTS)[number];

/** Words from a list of them. @throws UsageError naming what is none of `choices` */
function chosen<T extends string>(
  flag: string,
  text: string | undefined,
  choices: readonly T[],
): readonly T[] {
  if (text === undefined) return choices;
  return text.split(',').map(word => {
    if (choices.includes(word as T)) return word as T;
    throw new UsageError(`--${flag}: there is no '${word}'; there are: ${choices.join(', ')}`);
  });
}

async function run(options: RunOptions): Promise<Row[]> {
  const { values } = options;
  const parts = chosen('part', values['part'], PARTS);
  const libraries = chosen('libraries', values['libraries'], LIBRARIES);
  const rows: Row[] = [];
  const does = (part: Part): boolean => parts.includes(part);
  if (does('in-process')) rows.push(...(await inProcess(options, libraries)));
  return rows;
}

function tables(rows: readonly Row[]): Table[] {
  const inProcessRows = rows.filter(row => row['part'] === 'in-process');
  return [{ rows: inProcessRows, columns: inProcessColumns(inProcessRows), notes: IN_PROCESS_NOTES }];
}

export const cornflakes: Benchmark = {
  name: 'cornflakes',
  summary: 'serialization: Cornflakes beside protobufjs, protobuf-es, FlatBuffers, Cap’n Proto and JSON',
  options: {
    part: { type: 'string', help: `only these, by commas: ${PARTS.join(',')}` },
    libraries: {
      type: 'string',
      help: 'in process: only these, by commas: cornflakes,"cornflakes copy",protobufjs,…',
    },
  },
  run,
  columns: inProcessColumns,
  tables,
  notes: [],
};
