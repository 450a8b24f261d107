// demikernel capybara status: the fleet, once.

import { parseArgs } from 'node:util';
import { formatIpv4 } from 'demikernel';
import type { FleetStatus } from '../control/status.ts';
import { ask, askStatus, SOCKET_OPTION, table, type Verb } from './verb.ts';

const SHOWN_MIGRATIONS = 10;

/** The fleet as text: backends, the busiest connections, the last migrations, and who is stuck. */
export function fleetText(status: FleetStatus): string {
  const { backends, busiest, connections, counters, migrations, plan, nowMs } = status;
  const parts = [
    `${connections} connections on ${backends.length} backends; ${counters.moved} moved, ${counters.stayed} stayed${status.dryRun ? '; dry run' : ''}`,
    table([
      ['backend', 'address', 'state', 'weight', 'connections', 'packets/s', 'delay µs', 'silent ms'],
      ...backends.map(each => [
        String(each.id),
        formatIpv4(each.address | 0),
        each.state,
        String(each.weight),
        String(each.connections),
        each.load.toFixed(0),
        String(each.delayUs),
        each.silentMs.toFixed(0),
      ]),
    ]),
  ];
  if (busiest.length > 0) {
    parts.push(
      table([
        ['busiest', 'backend', 'packets/s'],
        ...busiest.slice(0, 5).map(each => [each.client, String(each.backend), each.load.toFixed(0)]),
      ]),
    );
  }
  if (migrations.length > 0) {
    parts.push(
      table([
        ['migration', 'from', 'to', 'why', 'outcome', 'ms', 's ago'],
        ...migrations
          .slice(-SHOWN_MIGRATIONS)
          .map(each => [
            each.client,
            String(each.from),
            String(each.to),
            each.reason,
            each.outcome,
            each.doneMs == null ? '' : (each.doneMs - each.orderedMs).toFixed(0),
            ((nowMs - each.orderedMs) / 1000).toFixed(1),
          ]),
      ]),
    );
  }
  for (const { backend, why, excess } of plan.stuck) {
    parts.push(`backend ${backend} has ${excess.toFixed(0)} packets/s too much and keeps them: ${why}`);
  }
  if (status.dryRun) {
    for (const { connection, from, to, load } of plan.moves) {
      parts.push(`would move connection ${connection} (${load.toFixed(0)} packets/s) from ${from} to ${to}`);
    }
  }
  return `${parts.join('\n\n')}\n`;
}

export const status: Verb = {
  name: 'status',
  summary: 'backends, load and migrations, once',
  help: `Usage: demikernel capybara status [--json] [--socket PATH]

Prints backends with their state and load, the busiest connections, the last migrations, and which backends have too much and
why they keep it.
`,
  async run(args): Promise<number> {
    const { values } = parseArgs({
      args,
      options: { ...SOCKET_OPTION, json: { type: 'boolean', default: false } },
    });
    if (values.json) process.stdout.write(`${await ask(values.socket, 'GET', '/status.json')}\n`);
    else process.stdout.write(fleetText(await askStatus(values.socket)));
    return 0;
  },
};
