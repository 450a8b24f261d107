// One service that is measured in turns with others, each in a process of its own as in real life. Its setting comes as an
// argument, rounds as lines of JSON; each is answered with a figure.

import { writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { CLOCK_THREAD_CPUTIME_ID, Clock } from '@demikernel/native/kernel';
import { memoryFor } from '../load/memory.ts';
import { makeWorkload, type ProtocolSetting, type WorkloadSetting } from '../load/setting.ts';
import { BothEnds, REQUESTS_PER_TURN, type Transport } from './both-ends.ts';

export interface ServiceSetting {
  transport: Transport;
  workload: WorkloadSetting;
  protocol: ProtocolSetting;
}

export interface ServiceRound {
  requests: number;
}

export interface ServiceAnswer {
  /** Processor time of the service per request, garbage collection in its turns included. */
  nsPerRequest: number;
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

function print(value: unknown): void {
  writeSync(1, `${JSON.stringify(value)}\n`);
}

const { protocol, transport, workload } = JSON.parse(process.argv[2] ?? '') as ServiceSetting;
const { serverBytes, valueShare } = memoryFor(transport === 'catmem' ? 'catmem' : 'catpowder', workload);
const service = await BothEnds.open({
  transport,
  protocol,
  workload: makeWorkload(workload),
  seed: workload.seed + 1,
  serverBytes,
  valueShare,
});
const watch = new Stopwatch();
print({ ready: true });
for await (const line of createInterface({ input: process.stdin })) {
  const { requests } = JSON.parse(line) as ServiceRound;
  watch.totalUs = 0;
  let done = 0;
  for (; done < requests; done += REQUESTS_PER_TURN) service.turn(watch.begin, watch.end);
  print({ nsPerRequest: (watch.totalUs * 1000) / done } satisfies ServiceAnswer);
}
service.close();
