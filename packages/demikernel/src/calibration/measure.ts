// Measuring a grid of shapes in rounds: in every round each shape is sent in each way, next to each other, so that what the
// rest of the machine does hits all of them alike.

import { setImmediate } from 'node:timers/promises';
import { SeededRandom } from '../runtime/random.ts';
import type { Exchange } from './exchange.ts';
import type { Shape } from './heat-map.ts';

/** Messages of one burst at most, and their bytes: what a socket buffer and a transmit ring take at once. */
const MOST_MESSAGES = 16;
const MOST_BYTES = 32_768;
/** Pieces of one burst at most: half of what a shared-memory ring holds. */
const MOST_PIECES = 512;
/** Rounds that nobody counts: compilers and caches get warm. */
const WARM_UP_ROUNDS = 12;
/** Rounds without which medians mean nothing, however long they take. */
const LEAST_ROUNDS = 20;
const MOST_ROUNDS = 2_000;
/** How often signals are heard. */
const BREATH_MS = 10;

/** A way to send: the threshold of its messages; `undefined` asks the device's memory, as Cornflakes does. */
export type Way = { thresholdBytes: number | undefined };

export const ALL_COPIED: Way = { thresholdBytes: Number.POSITIVE_INFINITY };
export const ALL_GATHERED: Way = { thresholdBytes: 0 };
/** As the device's memory says. */
export const HYBRID: Way = { thresholdBytes: undefined };

export interface MeasureOptions {
  shapes: readonly Shape[];
  ways: readonly Way[];
  seconds: number;
  /** Told how far it has come, from 0 to 1. */
  onProgress?: (fraction: number) => void;
  signal?: AbortSignal;
}

/** Nanoseconds per message: by shape, by way, by round. */
export type Measurements = Float64Array[][];

/** @throws the signal's reason, and as {@link Exchange.batch} */
export async function measure(exchange: Exchange, options: MeasureOptions): Promise<Measurements> {
  const { shapes, ways, signal } = options;
  const random = new SeededRandom(1);
  const rounds: number[][][] = shapes.map(() => ways.map(() => []));
  const order = shapes.map((_, i) => i);
  const turns = ways.map((_, i) => i);
  const started = performance.now();
  const lengthMs = options.seconds * 1000;
  let breathedMs = started;
  for (let round = -WARM_UP_ROUNDS; round < MOST_ROUNDS; round++) {
    const spent = (performance.now() - started) / lengthMs;
    if (round >= LEAST_ROUNDS && spent >= 1) break;
    shuffle(order, random);
    for (const index of order) {
      // What the way before has left in the caches helps, and hinders, all alike.
      shuffle(turns, random);
      for (const way of turns) {
        const ns = send(exchange, shapes[index]!, ways[way]!);
        if (round >= 0) rounds[index]![way]!.push(ns);
      }
      if (performance.now() - breathedMs < BREATH_MS) continue;
      await setImmediate();
      breathedMs = performance.now();
      signal?.throwIfAborted();
    }
    options.onProgress?.(Math.min(spent, 1));
  }
  return rounds.map(byWay => byWay.map(values => Float64Array.from(values)));
}

function send(exchange: Exchange, shape: Shape, way: Way): number {
  const message = exchange.message(shape.fields, shape.fieldBytes);
  message.thresholdBytes = way.thresholdBytes ?? exchange.near.libraryOs.pool.copyThresholdBytes;
  return exchange.batch(message, burstOf(shape));
}

function burstOf({ fields, sizeBytes }: Shape): number {
  const most = Math.min(MOST_MESSAGES, MOST_BYTES / sizeBytes, MOST_PIECES / (fields + 1));
  return Math.max(1, Math.floor(most));
}

function shuffle(order: number[], random: SeededRandom): void {
  for (let i = order.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    const value = order[i]!;
    order[i] = order[j]!;
    order[j] = value;
  }
}
