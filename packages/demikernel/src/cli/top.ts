// demikernel top: rates of every running service, read from their shared memory.

import { parseArgs } from 'node:util';
import type { MetricsSnapshot } from '../runtime/metrics.ts';
import { type Command, pause, stopOnSignals, UsageError } from './command.ts';
import { findRunning, NOTHING_RUNNING, snapshotOf } from './processes.ts';
import { textTable } from './text-table.ts';

const HELP = `Usage: demikernel top [--interval SECONDS] [--count N] [--all] [--json]

Shows what every running service on this host does: its counters as rates per second,
read from its shared memory while it works, with no help from it.

  --interval SECONDS  between two looks (default 1)
  --count N           end after N looks (default: until Ctrl-C)
  --all               counters that stand still, too
  --json              one JSON object per look: { pid, libos, counters }, totals
`;

type Counters = Record<string, number>;

/** Counters of all rooms as one flat record: `room.counter`. */
function flatten(snapshot: MetricsSnapshot): Counters {
  const flat: Counters = {};
  for (const [room, counters] of Object.entries(snapshot.counters)) {
    for (const [name, value] of Object.entries(counters)) flat[`${room}.${name}`] = value;
  }
  return flat;
}

/** One line per histogram that has samples. */
function histogramLines(snapshot: MetricsSnapshot): string {
  return Object.entries(snapshot.histograms)
    .filter(([, histogram]) => histogram.count > 0)
    .map(([name, { count, quantile }]) => {
      const [p50, p99, p999] = [0.5, 0.99, 0.999].map(quantile);
      return `\n${name}: p50 ${p50}, p99 ${p99}, p99.9 ${p999} of ${count}`;
    })
    .join('');
}

function render(title: string, before: Counters, now: Counters, seconds: number, all: boolean): string {
  const rows = Object.entries(now)
    .map(([name, total]) => ({ name, total, rate: (total - (before[name] ?? 0)) / seconds }))
    .filter(({ total, rate }) => (all ? true : rate !== 0 && total !== 0))
    .map(({ name, total, rate }) => [name, rate.toFixed(0), String(total)]);
  const columns = [
    { heading: 'counter' },
    { heading: 'per second', right: true },
    { heading: 'total', right: true },
  ];
  return `${title}\n${rows.length === 0 ? '(idle)' : textTable(columns, rows)}`;
}

export const top: Command = {
  name: 'top',
  summary: 'rates of every running service on this host',
  help: HELP,
  async run(args: string[]): Promise<number> {
    const { values } = parseArgs({
      args,
      options: {
        interval: { type: 'string', default: '1' },
        count: { type: 'string', default: '0' },
        all: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
      },
    });
    const seconds = Number(values.interval);
    const count = Number(values.count);
    if (!(seconds > 0 && count >= 0)) throw new UsageError('--interval and --count take positive numbers');
    const stop = stopOnSignals();
    const previous = new Map<string, Counters>();
    for (let looks = 0; ; looks++) {
      const texts: string[] = [];
      for (const running of findRunning()) {
        const snapshot = snapshotOf(running);
        if (snapshot === undefined) continue;
        const now = flatten(snapshot);
        const { pid, libos, command } = snapshot.info;
        if (values.json) process.stdout.write(`${JSON.stringify({ pid, libos, counters: now })}\n`);
        const before = previous.get(running.path);
        if (before !== undefined) {
          const title = `${pid}  ${libos}  ${command}`;
          texts.push(render(title, before, now, seconds, values.all) + histogramLines(snapshot));
        }
        previous.set(running.path, now);
      }
      if (previous.size === 0) {
        process.stderr.write(`${NOTHING_RUNNING}\n`);
        return 1;
      }
      if (!values.json && looks > 0) {
        if (process.stdout.isTTY) process.stdout.write('\x1b[2J\x1b[H');
        process.stdout.write(`${texts.join('\n\n')}\n`);
      }
      if (count > 0 && looks >= count) return 0;
      if (await pause(seconds * 1000, stop)) return 0;
    }
  },
};
