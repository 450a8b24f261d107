// The process in which services are measured one beside the other. Its settings come as an argument; one line of JSON comes
// out.

import { writeSync } from 'node:fs';
import { CLOCK_THREAD_CPUTIME_ID, Clock } from '@demikernel/native/kernel';
import { memoryFor } from '../load/memory.ts';
import { makeWorkload, type ProtocolSetting, type WorkloadSetting } from '../load/setting.ts';
import { BothEnds, REQUESTS_PER_TURN, type Transport } from './both-ends.ts';

export interface ServiceTask {
  transport: Transport;
  workload: WorkloadSetting;
  protocols: readonly ProtocolSetting[];
  rounds: number;
  /** Of one round. */
  requests: number;
}

export interface ServiceAnswer {
  /** As the protocols: processor time of the service per request, garbage collection included. */
  nsPerRequest: number[];
}

/** Adds up what lies between `begin` and `end`. */
class Stopwatch {
  totalUs: number;
  private readonly clock: Clock;
  private startedUs: number;
  readonly begin: () => void;
  readonly end: () => void;

  constructor() {
    this.totalUs = 0;
    this.clock = new Clock(CLOCK_THREAD_CPUTIME_ID);
    this.startedUs = 0;
    this.begin = () => {
      this.clock.read();
      this.startedUs = this.clock.us[0]!;
    };
    this.end = () => {
      this.clock.read();
      this.totalUs += this.clock.us[0]! - this.startedUs;
    };
  }
}

const {
  protocols,
  requests,
  rounds,
  transport,
  workload: setting,
} = JSON.parse(process.argv[2] ?? '') as ServiceTask;
const workload = makeWorkload(setting);
const { serverBytes, valueShare } = memoryFor(transport === 'catmem' ? 'catmem' : 'catpowder', setting);
const services: BothEnds[] = [];
for (const protocol of protocols) {
  const common = { transport, workload, seed: setting.seed + 1, serverBytes, valueShare };
  services.push(await BothEnds.open({ ...common, protocol }));
}
const watch = new Stopwatch();
const readings = services.map((): number[] => []);
// The first round is V8's.
for (let round = 0; round <= rounds; round++) {
  for (const [i, service] of services.entries()) {
    watch.totalUs = 0;
    let done = 0;
    for (; done < requests; done += REQUESTS_PER_TURN) service.turn(watch.begin, watch.end);
    if (round > 0) readings[i]!.push((watch.totalUs * 1000) / done);
  }
}
for (const service of services) service.close();
const nsPerRequest = readings.map(each => each.sort((a, b) => a - b)[each.length >> 1]!);
writeSync(1, `${JSON.stringify({ nsPerRequest } satisfies ServiceAnswer)}\n`);
