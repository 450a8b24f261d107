// Everything that is measured in process: each library on each kind of message, after all of them have shown that they read
// what was written. When and how often a task runs is child.ts.

import { readFileSync } from 'node:fs';
import type { SlotPool } from '@demikernel/memory';
import { capnp } from './capnp.ts';
import { type Codec, type Library, type PlainMessage, tickNumbers } from './codec.ts';
import { cornflakes } from './cornflakes.ts';
import { flatbuffers } from './flatbuffers.ts';
import { json } from './json.ts';
import { protobufEs } from './protobuf-es.ts';
import { protobufjs } from './protobufjs.ts';
import { raw } from './raw.ts';
import { type ManySample, makeSamples, SAMPLES, type SingleSample, type TickSample } from './samples.ts';

export type MessageKind = 'small-scalars' | 'google-like' | 'twitter-like' | 'cdn-like';

export const OPERATIONS = ['write', 'send', 'readOne', 'readAll', 'roundTrip'] as const;
export type Operation = (typeof OPERATIONS)[number];

/** What the paper's authors found for their network cards; here a fixed point between copying all and referring to all. */
export const HYBRID_THRESHOLD_BYTES = 512;

/** The schema, beside the sources: `dist/src/cornflakes/in-process` is four folders below the package. */
const SCHEMA: URL = new URL('../../../../src/cornflakes/messages/messages.proto', import.meta.url);

/** One library on one kind of message. */
export class Task {
  readonly library: string;
  readonly message: MessageKind;
  private readonly codec: Codec<unknown, unknown>;
  private readonly samples: readonly unknown[];
  private readonly pool: SlotPool;
  private readonly wires: readonly unknown[];
  /** What was read, so that reading is not optimised away. */
  sum: number;

  constructor(
    library: string,
    message: MessageKind,
    codec: Codec<unknown, unknown>,
    samples: readonly unknown[],
    pool: SlotPool,
  ) {
    this.library = library;
    this.message = message;
    this.codec = codec;
    this.samples = samples;
    this.pool = pool;
    this.wires = samples.map(sample => this.arrived(sample));
    this.sum = 0;
  }

  /** @returns a message as it would arrive, to keep */
  private arrived(sample: unknown): unknown {
    const wire = this.codec.encode(sample);
    const copy = this.codec.received(wire);
    this.codec.drop(wire);
    return copy;
  }

  /** Bytes of a message on the wire, on average. */
  get wireBytes(): number {
    return this.wires.reduce<number>((total, wire) => total + this.codec.size(wire), 0) / SAMPLES;
  }

  /** Carries an operation out on `count` messages. */
  run(operation: Operation, count: number): void {
    const { codec, samples, wires } = this;
    let sum = 0;
    switch (operation) {
      case 'write':
        for (let i = 0; i < count; i++) {
          const wire = codec.encode(samples[i & (SAMPLES - 1)]);
          sum += codec.size(wire);
          codec.drop(wire);
        }
        break;
      case 'send':
        for (let i = 0; i < count; i++) {
          const array = codec.toSend(codec.encode(samples[i & (SAMPLES - 1)]), this.pool);
          sum += array.count;
          array.free();
        }
        break;
      case 'readOne':
        for (let i = 0; i < count; i++) sum += codec.readOne(wires[i & (SAMPLES - 1)]);
        break;
      case 'readAll':
        for (let i = 0; i < count; i++) sum += codec.readAll(wires[i & (SAMPLES - 1)]);
        break;
      case 'roundTrip':
        for (let i = 0; i < count; i++) {
          const wire = codec.encode(samples[i & (SAMPLES - 1)]);
          sum += codec.readAll(wire);
          codec.drop(wire);
        }
    }
    this.sum += sum;
  }

  /** @throws Error when what is read is not what was written, from what has arrived or from what was just written */
  verify(expected: (sample: unknown) => PlainMessage): void {
    const complain = (what: string): never => {
      throw new Error(`${this.library}, ${this.message}: ${what} is not what was written`);
    };
    for (let i = 0; i < this.samples.length; i++) {
      const wanted = expected(this.samples[i]);
      const arrived = this.wires[i];
      if (!same(this.codec.plain(arrived), wanted)) complain('what arrived');
      const wire = this.codec.encode(this.samples[i]);
      if (!same(this.codec.plain(wire), wanted)) complain('what was just written');
      if (this.codec.readAll(wire) !== sumOf(wanted)) complain('the sum of all fields');
      if (this.codec.readOne(arrived) !== wanted.numbers[0]) complain('the first field');
      this.codec.drop(wire);
    }
  }
}

function same(a: PlainMessage, b: PlainMessage): boolean {
  return (
    a.numbers.join() === b.numbers.join() &&
    a.values.length === b.values.length &&
    a.values.every((value, i) => Buffer.compare(value, b.values[i]!) === 0)
  );
}

/** What `readAll` must come to. */
function sumOf({ numbers, values }: PlainMessage): number {
  let sum = 0;
  for (const number of numbers) sum += number;
  for (const value of values) if (value.length > 0) sum += value.length + value[0]! + value.at(-1)!;
  return sum;
}

function plainOf(sample: unknown): PlainMessage {
  const { id, value, values } = sample as Partial<TickSample & SingleSample & ManySample>;
  if (value !== undefined) return { numbers: [id!], values: [value.bytes] };
  if (values !== undefined) return { numbers: [id!], values: values.map(({ bytes }) => bytes) };
  return { numbers: tickNumbers(sample as TickSample), values: [] };
}

/** All tasks, verified. `libraries` and `messages` narrow them down. */
export function makeTasks(libraries?: readonly string[], messages?: readonly string[]): Task[] {
  const samples = makeSamples();
  const { pool } = samples;
  const all: Library[] = [
    raw(pool),
    cornflakes('cornflakes', pool, HYBRID_THRESHOLD_BYTES),
    cornflakes('cornflakes copy', pool, Number.POSITIVE_INFINITY),
    cornflakes('cornflakes gather', pool, 0),
    protobufjs(readFileSync(SCHEMA, 'utf8')),
    protobufEs(),
    flatbuffers(),
    capnp(),
    json(),
  ];
  const tasks: Task[] = [];
  for (const { name, tick, single, many } of all) {
    if (libraries !== undefined && !libraries.includes(name)) continue;
    const add = (message: MessageKind, codec: Codec<never, unknown>, of: readonly unknown[]): void => {
      if (messages !== undefined && !messages.includes(message)) return;
      tasks.push(new Task(name, message, codec as Codec<unknown, unknown>, of, pool));
    };
    add('small-scalars', tick, samples.ticks);
    add('google-like', many, samples.google);
    add('twitter-like', single, samples.twitter);
    add('cdn-like', single, samples.cdn);
  }
  for (const task of tasks) task.verify(plainOf);
  return tasks;
}
