// `bench -- cornflakes --part service`: what a request costs the service's own thread, as rows. No search and no waiting: a figure that
// others at work on the machine hardly touch.

import { fileURLToPath } from 'node:url';
import type { RunOptions } from '../../benchmark.ts';
import { processors } from '../../echo/place.ts';
import { median } from '../../median.ts';
import { type Column, figure, type Row, rounded, word } from '../../rows.ts';
import { PinnedProcess } from '../../testbed/pinned-process.ts';
import { compared, isLimit, isOtherLibrary, isOurs } from '../compare.ts';
import { makeWorkload, type ProtocolSetting, variantOf, type WorkloadSetting } from '../load/setting.ts';
import type { Transport } from './both-ends.ts';
import type { ServiceAnswer, ServiceRound, ServiceSetting } from './child.ts';

const CHILD: string = fileURLToPath(new URL('./child.js', import.meta.url));
const TIMEOUT_MS = 60_000;

/**
 * Every process is started anew so often: where its memory happens to lie makes a difference that no number of rounds levels out.
 */
interface Budget {
  lives: number;
  rounds: number;
  requests: number;
}

const FULL: Budget = { lives: 3, rounds: 4, requests: 30_000 };
const QUICK: Budget = { lives: 1, rounds: 2, requests: 5000 };

/** Each service has its store in memory of its own, and the client's beside it. */
const MOST_KEYS = 20_000;
/** Rounds that are V8's. */
const WARM_UP_ROUNDS = 1;

const TRANSPORTS: readonly Transport[] = ['catmem', 'wire'];

export async function inService(
  { progress, quick }: Pick<RunOptions, 'progress' | 'quick'>,
  workloads: readonly WorkloadSetting[],
  protocols: readonly ProtocolSetting[],
): Promise<Row[]> {
  const rows: Row[] = [];
  for (const transport of TRANSPORTS) {
    for (const setting of workloads) {
      progress(`service: ${transport}, ${setting.name}`);
      const workload = { ...setting, keys: Math.min(setting.keys, MOST_KEYS) };
      const figures = await inTurns(transport, workload, protocols, quick ? QUICK : FULL);
      for (const [i, { system }] of protocols.entries()) {
        const { name, parameters } = makeWorkload(workload);
        const variant = variantOf(workload);
        const parts = { part: 'service', transport, workload: name, variant, parameters, seed: setting.seed };
        rows.push({ system, ...parts, nsPerRequest: rounded(figures[i]!) });
      }
    }
  }
  return rows;
}

/** Nanoseconds per request of each protocol: of the median round of all lives. */
async function inTurns(
  transport: Transport,
  workload: WorkloadSetting,
  protocols: readonly ProtocolSetting[],
  budget: Budget,
): Promise<number[]> {
  const readings = protocols.map((): number[] => []);
  for (let life = 0; life < budget.lives; life++) {
    const settings = protocols.map(protocol => ({ transport, workload, protocol }));
    await oneLife(settings, budget, readings);
  }
  return readings.map(median);
}

/** Starts every service once; every round visits all of them. */
async function oneLife(
  settings: readonly ServiceSetting[],
  { requests, rounds }: Budget,
  readings: readonly number[][],
): Promise<void> {
  const children: PinnedProcess[] = [];
  try {
    for (const setting of settings) {
      const child = new PinnedProcess({
        name: `${setting.protocol.system} on ${setting.transport}`,
        script: CHILD,
        args: [JSON.stringify(setting)],
        processor: processors().client,
      });
      children.push(child);
      await child.line(TIMEOUT_MS);
    }
    for (let round = 0; round < WARM_UP_ROUNDS + rounds; round++) {
      for (const [i, child] of children.entries()) {
        const request: ServiceRound = { requests };
        const { nsPerRequest } = await child.ask<ServiceAnswer>(request, TIMEOUT_MS);
        if (round >= WARM_UP_ROUNDS) readings[i]!.push(nsPerRequest);
      }
    }
  } finally {
    for (const child of children) child.kill();
  }
}

export function serviceColumns(rows: readonly Row[]): Column[] {
  const against = (title: string, peers: (row: Row) => boolean): Column =>
    compared(rows, { title, field: 'nsPerRequest', under: ['transport', 'parameters'], peers });
  return [
    word('on', 'transport'),
    word('workload', 'workload'),
    word('', 'variant'),
    word('protocol', 'system'),
    figure('service ns/req', 'nsPerRequest', 0),
    against('/ best other', isOtherLibrary),
    against('/ raw', isLimit),
    against('/ cornflakes', isOurs),
  ];
}

export const SERVICE_NOTES: readonly string[] = [
  'Service: processor time of the service’s own turns per request: its poll loop, the library OS, the protocol, the store. Service and client',
  'share a thread and take turns of 128 requests; each protocol has a process of its own. wire: the TCP/IP stack of Catpowder on a wire inside the process, without the kernel. Median of',
  'rounds, garbage collection included. Below 1.00x is quicker than the row’s peer.',
];
