// `bench -- cornflakes --part in-process`: its processes, and their figures as rows.

import { fileURLToPath } from 'node:url';
import { ALLOCATION_FLAGS } from '@demikernel/lab';
import type { RunOptions } from '../../benchmark.ts';
import { processors } from '../../echo/place.ts';
import { type Column, figure, type Row, rounded, word } from '../../rows.ts';
import { PinnedProcess } from '../../testbed/pinned-process.ts';
import { compared, isOurs } from '../compare.ts';
import type { ChildAnswer, Figure } from './child.ts';
import type { MessageKind } from './tasks.ts';

const CHILD: string = fileURLToPath(new URL('./child.js', import.meta.url));
const TIMEOUT_MS = 300_000;

/** Milliseconds of a block and number of rounds; operations of an allocation reading. */
interface Budget {
  blockMs: number;
  rounds: number;
  allocations: number;
}

const FULL: Budget = { blockMs: 10, rounds: 15, allocations: 1000 };
const QUICK: Budget = { blockMs: 1, rounds: 3, allocations: 100 };

/** The libraries that are measured, the settings of ours for the ablation among them. */
export const LIBRARIES = [
  'raw',
  'cornflakes',
  'cornflakes copy',
  'cornflakes gather',
  'protobufjs',
  'protobuf-es',
  'flatbuffers',
  'capnp-es',
  'json',
] as const;

const MESSAGES: readonly MessageKind[] = ['small-scalars', 'google-like', 'twitter-like', 'cdn-like'];

export async function inProcess(
  { quick, progress }: RunOptions,
  libraries: readonly string[],
): Promise<Row[]> {
  const budget = quick ? QUICK : FULL;
  progress('in process: time');
  const time = await inChild(['time', budget.blockMs, budget.rounds], libraries, []);
  progress('in process: bytes allocated');
  const bytes = await inChild(['allocate', budget.allocations, 0], libraries, ALLOCATION_FLAGS);
  return MESSAGES.flatMap(message => libraries.map(library => rowOf(library, message, time, bytes)));
}

async function inChild(
  args: readonly (string | number)[],
  libraries: readonly string[],
  nodeArgs: readonly string[],
): Promise<ChildAnswer> {
  const child = new PinnedProcess({
    name: `in process, ${args[0]}`,
    script: CHILD,
    args: [...args.map(String), libraries.join(',')],
    nodeArgs,
    processor: processors().client,
  });
  try {
    return JSON.parse(await child.line(TIMEOUT_MS)) as ChildAnswer;
  } finally {
    await child.stop();
  }
}

function rowOf(library: string, message: MessageKind, time: ChildAnswer, bytes: ChildAnswer): Row {
  const of = (each: { library: string; message: MessageKind }): boolean =>
    each.library === library && each.message === message;
  const find = (figures: readonly Figure[], operation: Figure['operation']): number =>
    rounded(figures.find(each => of(each) && each.operation === operation)?.value ?? Number.NaN);
  return {
    system: library,
    part: 'in-process',
    message,
    wireBytes: rounded(time.wireBytes.find(of)!.value),
    writeNs: find(time.figures, 'write'),
    sendNs: find(time.figures, 'send'),
    readOneNs: find(time.figures, 'readOne'),
    readAllNs: find(time.figures, 'readAll'),
    roundTripNs: find(time.figures, 'roundTrip'),
    writtenBytesAllocated: find(bytes.figures, 'write'),
    readBytesAllocated: find(bytes.figures, 'readAll'),
    roundTripBytesAllocated: find(bytes.figures, 'roundTrip'),
  };
}

export function inProcessColumns(rows: readonly Row[]): Column[] {
  const against = (title: string, field: string): Column =>
    compared(rows, { title, field, under: ['message'], peers: isOurs });
  return [
    word('message', 'message'),
    word('library', 'system'),
    figure('wire B', 'wireBytes', 0),
    figure('write ns', 'writeNs', 0),
    figure('to send', 'sendNs', 0),
    figure('read one', 'readOneNs', 0),
    figure('read all', 'readAllNs', 0),
    figure('round trip', 'roundTripNs', 0),
    figure('B/write', 'writtenBytesAllocated', 0),
    figure('B/read all', 'readBytesAllocated', 0),
    figure('B/round trip', 'roundTripBytesAllocated', 0),
    against('write / cornflakes', 'writeNs'),
    against('to send /', 'sendNs'),
    against('read all /', 'readAllNs'),
    against('round trip /', 'roundTripNs'),
  ];
}

export const IN_PROCESS_NOTES: readonly string[] = [
  'In process: write: from values in registered memory to what the library hands to whoever sends it: a byte array, and for cornflakes and',
  'raw an array of slices that leaves as it is. to send: as slices of registered memory, so peers’ byte arrays are copied. read: from one',
  'piece of memory; one field, the first; all: every number, each value as a view, its first and last byte. cornflakes verifies every',
  'message it reads, flatbuffers and raw none. copy, gather: cornflakes copying all values, referring to all; cornflakes',
  'refers from 512 B on. ns: processor time, collector included, median of rounds. B: bytes allocated, heap and arrays.',
];
