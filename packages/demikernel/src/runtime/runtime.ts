// What everything of one library OS shares: clock, randomness, timers, operations, queues, metrics.

import type { Clock } from './clock.ts';
import { DeferredWork } from './deferred.ts';
import { Metrics, metricsBytes } from './metrics.ts';
import { OperationTable } from './operation.ts';
import { QueueTable } from './queue.ts';
import type { Random } from './random.ts';
import { TimerWheel } from './timer-wheel.ts';

export interface RuntimeOptions {
  clock: Clock;
  random: Random;
  /** Operations that can be outstanding at once. Default 65536. */
  operations?: number;
  /** Queues that can be open at once. Default 16384. */
  queues?: number;
  /** Memory for counters; default heap memory, seen by this process only. */
  metrics?: Metrics;
}

/** One per library OS that is open; several live in one thread without knowing each other. */
export class Runtime {
  readonly clock: Clock;
  readonly random: Random;
  readonly timers: TimerWheel;
  readonly operations: OperationTable;
  readonly queues: QueueTable;
  readonly deferred: DeferredWork;
  readonly metrics: Metrics;

  constructor(options: RuntimeOptions) {
    const { clock, random, operations = 65536, queues = 16384 } = options;
    this.clock = clock;
    this.random = random;
    this.timers = new TimerWheel(clock.micros);
    this.operations = new OperationTable(operations);
    this.queues = new QueueTable(queues);
    this.deferred = new DeferredWork();
    this.metrics = options.metrics ?? new Metrics(new ArrayBuffer(metricsBytes(queues)));
  }
}
