// `npm start`: an echo service on each library OS and on Node's own sockets, measured by one unmodified client, in under
// a minute. Where namespaces are not permitted it shows what is.

import { parseArgs } from 'node:util';
import { networkRefusal } from '@demikernel/lab';
import { platformRefusal } from '@demikernel/native/kernel';
import { type Measured, measure } from '../echo/measure.ts';
import { makePlace, processors, ratioColumn, rowsOf } from '../echo/place.ts';
import { type Load, labelOf, type System } from '../echo/scenario.ts';
import { describeMachine, formatMachine } from '../machine.ts';
import { onExit } from '../on-exit.ts';
import { type Column, figure, formatTable, type Row, word } from '../rows.ts';
import { moveLive } from './live-migration.ts';
import { simulateEcho } from './simulation.ts';

const SIZE_BYTES = 64;
const WATCH_MS = 300;
/** How long is measured: enough for tails, or, with `--quick`, just enough to fill the table. */
const THOROUGH = { rounds: 3, warmUpMs: 150, measureMs: 350 } as const;
const QUICK = { rounds: 1, warmUpMs: 20, measureMs: 40 } as const;

const USAGE = `Usage: npm start [-- --quick]

Runs an echo service on Catpowder, on Catnap and on node:net, measures each with one unmodified client, and prints a
table; then moves a live TCP connection between two servers. Takes about half a minute; with --quick a few seconds, too few for tails.`;

const OURS: readonly System[] = [
  { system: 'catpowder', wait: 'spin', protocol: 'tcp' },
  { system: 'catpowder', wait: 'adaptive', protocol: 'tcp' },
  { system: 'catnap', wait: 'spin', protocol: 'tcp' },
  { system: 'catnap', wait: 'adaptive', protocol: 'tcp' },
];
const PEERS: readonly System[] = [
  { system: 'node:net-spin', wait: 'spin', protocol: 'tcp' },
  { system: 'node:net', wait: 'interrupt', protocol: 'tcp' },
];
const LOADS: readonly Load[] = [
  { protocol: 'tcp', sizeBytes: SIZE_BYTES, connections: 1, client: 'spin' },
  { protocol: 'tcp', sizeBytes: SIZE_BYTES, connections: 1, client: 'block' },
];

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** One line on a terminal that is written over; nothing elsewhere. */
function progress(text: string): void {
  if (text.startsWith('left out')) process.stderr.write(`${text}\n`);
  else if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text.slice(0, 100)}`);
}

function clearProgress(): void {
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { quick: { type: 'boolean' }, help: { type: 'boolean' } } });
  if (values.help === true) {
    say(USAGE);
    return;
  }
  const platform = platformRefusal();
  if (platform !== undefined) {
    say(`The library OSes need Linux on x86-64: ${platform}. The network stack itself runs anywhere:\n`);
    say(simulateEcho());
    await showMigration(false);
    return;
  }
  const refusal = networkRefusal();
  const place = refusal === undefined ? makePlace() : undefined;
  const remove = onExit(() => place?.testbed.close());
  const systems = place === undefined ? OURS.filter(each => each.system === 'catnap') : OURS;
  const machine = await describeMachine(WATCH_MS);
  let measured: Measured;
  try {
    measured = await measure({
      systems: [...systems, ...PEERS],
      loads: LOADS,
      suits: () => true,
      ...(values.quick === true ? QUICK : THOROUGH),
      place,
      processors: processors(),
      progress,
    });
  } finally {
    remove();
    clearProgress();
  }
  explain(place !== undefined);
  const rows = rowsOf(measured);
  say(formatTable(rows, columnsFor(rows)));
  say('');
  say(formatMachine(machine));
  reportMissing(systems, measured);
  if (refusal === undefined) {
    await showMigration(true);
    return;
  }
  say('');
  say(simulateEcho());
  await showMigration(false);
  say(
    `\nMissing: ${refusal}.\nWith it, Catpowder runs too, over AF_XDP between two namespaces, and the connection moves through the XDP switch:\n\n    sudo npm start`,
  );
}

/** What does not work here is said; it is no reason to call the rest a failure. */
async function showMigration(permitted: boolean): Promise<void> {
  say('');
  try {
    say(await moveLive(permitted, onExit));
  } catch (error) {
    say(`No migration: ${(error as Error).message}`);
    process.exitCode = 1;
  }
}

function explain(namespaces: boolean): void {
  const where = namespaces
    ? 'between two network namespaces joined by a veth pair'
    : 'over the loopback interface, because network namespaces are not permitted here';
  say(
    `An echo service ran ${where}, once per line below, and one unmodified client on kernel sockets sent it ${SIZE_BYTES} bytes at a time over TCP, the next when the reply was there.\n` +
      'The table shows how long a reply took (median and tails), what it cost in processor time on the whole machine, and the median as a multiple of the same service on node:net, as it is and with a loop that never sleeps (node:net-spin); below 1 is faster.\n',
  );
}

function columnsFor(rows: readonly Row[]): Column[] {
  return [
    { title: 'service on', value: row => labelOf(row as unknown as System) },
    { title: 'client', value: row => (row['client'] === 'spin' ? 'spins' : 'blocks') },
    figure('p50 us', 'p50Us'),
    figure('p99 us', 'p99Us'),
    figure('p99.9 us', 'p999Us'),
    figure('cpu us/request', 'cpuUsPerRequest'),
    figure('idle cpu %', 'idleCpuPercent'),
    ratioColumn('p50 / node:net', rows, 'p50Us', () => 'node:net'),
    ratioColumn('/ node:net-spin', rows, 'p50Us', () => 'node:net-spin'),
    ...(rows.some(row => row['clientSaturated'] === true)
      ? [word('client saturated', 'clientSaturated')]
      : []),
  ];
}

function reportMissing(systems: readonly System[], measured: Measured): void {
  for (const system of systems) {
    const tallies = measured.tallies.filter(tally => tally.system === system);
    if (tallies.some(tally => tally.rounds > 0)) continue;
    const error = tallies.find(tally => tally.error !== undefined)?.error ?? 'it did not start';
    say(`\nNo line for ${labelOf(system)}: ${error}`);
    process.exitCode = 1;
  }
}

await main();
