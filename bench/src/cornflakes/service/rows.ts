// `bench -- cornflakes --part service`: what a request costs the service's own thread, as rows. No search and no waiting: a figure that
// others at work on the machine hardly touch.

import { fileURLToPath } from 'node:url';
import type { RunOptions } from '../../benchmark.ts';
import { processors } from '../../echo/place.ts';
import { type Column, figure, type Row, ratio, rounded, word } from '../../rows.ts';
import { PinnedProcess } from '../../testbed/pinned-process.ts';
import { makeWorkload, type ProtocolSetting, type WorkloadSetting } from '../load/setting.ts';
import type { Transport } from './both-ends.ts';
import type { ServiceAnswer, ServiceTask } from './child.ts';

const CHILD: string = fileURLToPath(new URL('./child.js', import.meta.url));
const TIMEOUT_MS = 300_000;

const FULL = { rounds: 9, requests: 20_000 };
const QUICK = { rounds: 1, requests: 5000 };

/** Both stores of all services lie in one process. */
const MOST_KEYS = 20_000;

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
      const task = { transport, workload, protocols, ...(quick ? QUICK : FULL) };
      const { nsPerRequest } = await inChild(task);
      for (const [i, { system }] of protocols.entries()) {
        const { name, parameters } = makeWorkload(workload);
        const parts = { system, part: 'service', transport, workload: name, parameters, seed: setting.seed };
        rows.push({ ...parts, nsPerRequest: rounded(nsPerRequest[i]!) });
      }
    }
  }
  return rows;
}

async function inChild(task: ServiceTask): Promise<ServiceAnswer> {
  const child = new PinnedProcess({
    name: `service on ${task.transport}`,
    script: CHILD,
    args: [JSON.stringify(task)],
    processor: processors().client,
  });
  try {
    return JSON.parse(await child.line(TIMEOUT_MS)) as ServiceAnswer;
  } finally {
    await child.stop();
  }
}

export function serviceColumns(rows: readonly Row[]): Column[] {
  /** As a multiple of the quickest of those that `choose` picks. */
  const against = (title: string, choose: (system: string) => boolean): Column => ({
    title,
    right: true,
    value: row => {
      const peers = rows.filter(
        each =>
          each !== row &&
          choose(each.system) &&
          each['transport'] === row['transport'] &&
          each['parameters'] === row['parameters'],
      );
      const least = Math.min(...peers.map(each => each['nsPerRequest'] as number));
      return Number.isFinite(least) ? ratio(row['nsPerRequest'], least) : '';
    },
  });
  return [
    word('on', 'transport'),
    word('workload', 'workload'),
    word('protocol', 'system'),
    figure('service ns/req', 'nsPerRequest', 0),
    against('/ best other', system => system !== 'raw' && !system.startsWith('cornflakes')),
    against('/ raw', system => system === 'raw'),
    against('/ cornflakes', system => system === 'cornflakes'),
  ];
}

export const SERVICE_NOTES: readonly string[] = [
  'Service: processor time of the service’s own turns per request: its poll loop, the library OS, the protocol, the store. Service and client',
  'share a thread and take turns of 128 requests. wire: the TCP/IP stack of Catpowder on a wire inside the process, without the kernel. Median of',
  'rounds, garbage collection included. Below 1.00x is quicker than the row’s peer.',
];
