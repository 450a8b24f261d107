// The command `demikernel`: finds the subcommand, prints help, turns errors into messages and exit statuses.

import { readFileSync } from 'node:fs';
import { DemiError } from '@demikernel/memory';
import { type Command, UsageError } from './command.ts';

/** Loaded when asked for, so that `--help` needs neither Linux nor native code. */
const COMMANDS: Record<string, () => Promise<Command>> = {
  devices: async () => (await import('./devices.ts')).devices,
  calibrate: async () => (await import('./calibrate.ts')).calibrateCommand,
  echo: async () => (await import('./echo.ts')).echo,
  capture: async () => (await import('./capture.ts')).captureCommand,
  top: async () => (await import('./top.ts')).top,
  ss: async () => (await import('./ss.ts')).ss,
  metrics: async () => (await import('./metrics.ts')).metricsCommand,
};

/** Commands of other packages: `demikernel NAME` is `@demikernel/NAME/command`, when that is installed beside this one. */
const GUESTS: readonly string[] = ['capybara'];

async function guest(name: string): Promise<Command | undefined> {
  if (!GUESTS.includes(name)) return undefined;
  try {
    return ((await import(`@demikernel/${name}/command`)) as { command: Command }).command;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error;
    throw new UsageError(`'${name}' comes with another package: npm install @demikernel/${name}`);
  }
}

async function help(): Promise<string> {
  const commands = await Promise.all(Object.values(COMMANDS).map(load => load()));
  const lines = commands.map(command => `  ${command.name.padEnd(9)} ${command.summary}`);
  return `Usage: demikernel COMMAND [options]

A datapath operating system for Node.js.

${lines.join('\n')}
  ${GUESTS.join(', ')}: with the package of that name, @demikernel/…

demikernel COMMAND --help says more; demikernel --version prints the version.
`;
}

function version(): string {
  const manifest = new URL('../../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version;
}

function fail(error: unknown): number {
  if (
    error instanceof UsageError ||
    (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS') === true
  ) {
    process.stderr.write(`demikernel: ${(error as Error).message}\nTry 'demikernel --help'.\n`);
    return 2;
  }
  if (error instanceof DemiError) {
    process.stderr.write(`demikernel: ${error.message} (${error.code})\n`);
    return 1;
  }
  throw error;
}

async function main(args: string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    process.stdout.write(await help());
    return name === undefined ? 2 : 0;
  }
  if (name === '--version') {
    process.stdout.write(`${version()}\n`);
    return 0;
  }
  const load = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  const command = await (load?.() ?? guest(name));
  if (command === undefined) throw new UsageError(`'${name}' is no command`);
  const forVerb = command.hasVerbs === true && rest[0]?.startsWith('-') === false;
  if (!forVerb && (rest.includes('--help') || rest.includes('-h'))) {
    process.stdout.write(command.help);
    return 0;
  }
  return command.run(rest);
}

// A reader that goes away (`demikernel ss | head`) is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

main(process.argv.slice(2)).then(
  status => {
    process.exitCode = status;
  },
  (error: unknown) => {
    process.exitCode = fail(error);
  },
);
