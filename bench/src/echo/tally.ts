// The rounds of one system under one load, added up, and the row they make.

import type { RoundResult } from '../client/round.ts';
import { Histogram } from '../histogram.ts';
import { type Row, rounded } from '../rows.ts';
import type { Load, System } from './scenario.ts';

/** Below this share of looks that found nothing the client itself is the bound. */
const SATURATED_IDLE_SHARE = 0.05;

export class Tally {
  readonly system: System;
  readonly load: Load;
  readonly latencies: Histogram;
  readonly sums: Omit<RoundResult, 'latencies' | 'error'>;
  rounds: number;
  /** The last thing that went wrong. */
  error: string | undefined;

  constructor(system: System, load: Load) {
    this.system = system;
    this.load = load;
    this.latencies = new Histogram();
    this.sums = {
      requests: 0,
      elapsedUs: 0,
      lost: 0,
      late: 0,
      corrupted: 0,
      polls: 0,
      emptyPolls: 0,
      machineCpuUs: 0,
      clientCpuUs: 0,
      serverCpuUs: 0,
    };
    this.rounds = 0;
    this.error = undefined;
  }

  /** Adds a round; one that failed counts only as an error. */
  add(result: RoundResult): void {
    if (result.error !== undefined) {
      this.error = result.error;
      return;
    }
    this.rounds++;
    this.latencies.add(result.latencies);
    for (const key of Object.keys(this.sums) as (keyof Tally['sums'])[]) this.sums[key] += result[key];
  }

  /** Whether the client could not have gone faster whatever the service did. */
  get clientSaturated(): boolean {
    const { sums } = this;
    if (this.load.client === 'block') return sums.clientCpuUs > (1 - SATURATED_IDLE_SHARE) * sums.elapsedUs;
    return sums.emptyPolls < SATURATED_IDLE_SHARE * sums.polls;
  }

  row(): Row {
    const { latencies, load, sums, system } = this;
    return {
      system: system.system,
      protocol: load.protocol,
      sizeBytes: load.sizeBytes,
      connections: load.connections,
      client: load.client,
      wait: system.wait,
      p50Us: rounded(latencies.percentileUs(0.5)),
      p99Us: rounded(latencies.percentileUs(0.99)),
      p999Us: rounded(latencies.percentileUs(0.999)),
      requestsPerSecond: Math.round((sums.requests * 1e6) / sums.elapsedUs),
      cpuUsPerRequest: rounded(sums.machineCpuUs / sums.requests),
      serverCpuUsPerRequest: rounded(sums.serverCpuUs / sums.requests),
      requests: sums.requests,
      lostRequests: sums.lost,
      corruptedReplies: sums.corrupted,
      clientSaturated: this.clientSaturated,
      rounds: this.rounds,
    };
  }
}
