// `bench -- NAME [--quick] [--json]`: runs one benchmark and prints its rows.

import { type ParseArgsConfig, parseArgs } from 'node:util';
import { append } from './append/main.ts';
import { type Benchmark, UsageError } from './benchmark.ts';
import { cornflakes } from './cornflakes/main.ts';
import { echo } from './echo/main.ts';
import { kv } from './kv/main.ts';
import { describeMachine, formatMachine } from './machine.ts';
import { memory } from './memory/main.ts';
import { migration } from './migration/main.ts';
import { onExit } from './on-exit.ts';
import { formatTable, type Report } from './rows.ts';
import { skew } from './skew/main.ts';
import { stack } from './stack/main.ts';
import { switching } from './switch/main.ts';

const BENCHMARKS: readonly Benchmark[] = [
  echo,
  stack,
  memory,
  append,
  kv,
  cornflakes,
  switching,
  migration,
  skew,
];

const QUICK_STALL_MS = 300;
const FULL_STALL_MS = 2000;

function usage(): string {
  const lines = [
    'Usage: npm run -s bench -- NAME [--quick] [--json] [options]',
    '',
    '  --quick   ends within 45 seconds; without it, echo takes some twenty minutes and stack two',
    '  --json    one object { bench, machine, rows } on standard output, and nothing else there',
    '  --help    this text',
  ];
  for (const { name, summary, options } of BENCHMARKS) {
    lines.push('', `${name}: ${summary}`);
    for (const [flag, { type, help }] of Object.entries(options)) {
      const argument = type === 'string' ? ' X' : '';
      lines.push(`  --${`${flag}${argument}`.padEnd(16)} ${help}`);
    }
  }
  return lines.join('\n');
}

function fail(message: string): void {
  process.stderr.write(`${message}\nTry --help.\n`);
  process.exitCode = 2;
}

async function main(args: string[]): Promise<void> {
  const name = args.find(arg => !arg.startsWith('-'));
  const benchmark = BENCHMARKS.find(each => each.name === name);
  if (args.includes('--help') || args.includes('-h')) {
    process.stdout.write(`${usage()}\n`);
    return;
  }
  if (benchmark === undefined) {
    const names = BENCHMARKS.map(each => each.name).join(', ');
    fail(name === undefined ? `Which benchmark? There are: ${names}.` : `No benchmark '${name}': ${names}.`);
    return;
  }
  let values: Record<string, string | boolean | undefined>;
  try {
    const own: ParseArgsConfig['options'] = {};
    for (const [flag, { type }] of Object.entries(benchmark.options)) own[flag] = { type };
    const options = { ...own, quick: { type: 'boolean' }, json: { type: 'boolean' } } as const;
    values = parseArgs({ args, allowPositionals: true, options }).values;
  } catch (error) {
    fail((error as Error).message);
    return;
  }
  try {
    await runBenchmark(benchmark, values);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    fail(error.message);
  }
}

async function runBenchmark(
  benchmark: Benchmark,
  values: Record<string, string | boolean | undefined>,
): Promise<void> {
  const quick = values['quick'] === true;
  const texts: Record<string, string | undefined> = {};
  for (const [flag, value] of Object.entries(values)) {
    texts[flag] = typeof value === 'boolean' ? String(value) : value;
  }
  const machine = await describeMachine(quick ? QUICK_STALL_MS : FULL_STALL_MS);
  const rows = await benchmark.run({
    quick,
    values: texts,
    progress: text => process.stderr.write(`${text}\n`),
    onExit,
  });
  const report: Report = { bench: benchmark.name, machine, rows };
  if (values['json'] === true) {
    process.stdout.write(`${JSON.stringify(report)}\n`);
    return;
  }
  const tables = benchmark.tables?.(rows) ?? [
    { rows, columns: benchmark.columns(rows), notes: benchmark.notes },
  ];
  const paragraphs = [formatMachine(machine)];
  for (const table of tables) {
    if (table.rows.length > 0)
      paragraphs.push(formatTable(table.rows, table.columns), table.notes.join('\n'));
  }
  process.stdout.write(`${paragraphs.join('\n\n')}\n`);
}

await main(process.argv.slice(2));
