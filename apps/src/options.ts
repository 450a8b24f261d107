// What every application's command line shares: the library OS flags, help, and how a run ends.

import { realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type ParseArgsConfig, parseArgs } from 'node:util';
import {
  DemiError,
  type Demikernel,
  OPEN_FLAGS,
  OPEN_FLAGS_HELP,
  type OpenFlagValues,
  type OpenOptions,
  open,
  openOptions,
} from 'demikernel';

type OptionTable = NonNullable<ParseArgsConfig['options']>;

/** An argument that makes no sense: its message is all there is to say, without a stack. */
export class UsageError extends Error {}

/** A command line that has been read. */
export class CommandLine {
  /** What is no option, in order. */
  readonly positionals: readonly string[];
  private further: Partial<OpenOptions>;
  private readonly values: Record<string, string | boolean | undefined>;

  /** @throws what `parseArgs` throws */
  constructor(args: string[], options: OptionTable) {
    const parsed = parseArgs({
      args,
      allowPositionals: true,
      options: { ...OPEN_FLAGS, help: { type: 'boolean' }, ...options },
    });
    this.further = {};
    this.positionals = parsed.positionals;
    this.values = parsed.values as Record<string, string | boolean | undefined>;
  }

  /** Opens the library OS that `--libos` and the flags beside it name. @throws as `open`, and ERR_DEMI_OPTION */
  open(): Promise<Demikernel> {
    return open({ ...openOptions(this.values as OpenFlagValues), ...this.further } as OpenOptions);
  }

  /** Opens it with options that no flag names. */
  openWith(further: Partial<OpenOptions>): void {
    this.further = further;
  }

  flag(name: string): boolean {
    return this.values[name] === true;
  }

  text(name: string): string | undefined {
    const value = this.values[name];
    return typeof value === 'string' ? value : undefined;
  }

  /** An option's number. @throws UsageError when it is no whole number of at least `least` */
  number(name: string, fallback: number, least = 0): number {
    const text = this.text(name);
    if (text === undefined) return fallback;
    const value = Number(text);
    if (/^\d+$/.test(text) && Number.isSafeInteger(value) && value >= least) return value;
    throw new UsageError(`--${name} is a whole number of at least ${least}, not '${text}'`);
  }

  /** An option that is one of several words. @throws UsageError */
  choice<T extends string>(name: string, choices: readonly T[]): T {
    return oneOf(`--${name}`, this.text(name), choices);
  }

  /** The positional at `index` as one of several words, the application's role. @throws UsageError */
  role<T extends string>(index: number, choices: readonly T[]): T {
    return oneOf('the first argument', this.positionals[index], choices);
  }

  /** The positional at `index`, an address. @throws UsageError when it is missing */
  address(index: number): string {
    const address = this.positionals[index];
    if (address !== undefined) return address;
    throw new UsageError('an address is missing, for example 127.0.0.1:7000');
  }
}

function oneOf<T extends string>(name: string, value: string | undefined, choices: readonly T[]): T {
  if (choices.includes(value as T)) return value as T;
  throw new UsageError(
    `${name} is one of: ${choices.join(', ')}${value === undefined ? '' : `; not '${value}'`}`,
  );
}

/** Prints one line. */
export function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/**
 * Runs an application's `main` when its module is the program that Node was asked to run, and reports how that ended:
 * status 0, 1 after an error, 2 after a wrong argument. The library OS given to `main` is closed afterwards.
 *
 * @param moduleUrl the application's `import.meta.url`
 * @param usage what `--help` prints before the flags that all applications share
 */
export async function runApplication(
  moduleUrl: string,
  usage: string,
  options: OptionTable,
  main: (command: CommandLine) => (os: Demikernel) => void | Promise<void>,
): Promise<void> {
  const program = process.argv[1];
  if (program === undefined || realpathSync(program) !== fileURLToPath(moduleUrl)) return;
  try {
    const command = new CommandLine(process.argv.slice(2), options);
    if (command.flag('help')) {
      say(`${usage.trim()}\n\nThe library OS, which every application lets you choose:\n${OPEN_FLAGS_HELP}`);
      say('Ctrl-C ends a service cleanly; pressed twice, at once.');
      return;
    }
    // Arguments are read before anything is opened.
    const run = main(command);
    const os = await command.open();
    try {
      await run(os);
    } finally {
      os.shutDown();
    }
  } catch (error) {
    reportFailure(error);
  }
}

function reportFailure(error: unknown): void {
  const { code = '', message = String(error), stack } = error as Partial<NodeJS.ErrnoException>;
  const wrongArgument =
    error instanceof UsageError || code.startsWith('ERR_PARSE_ARGS') || code === 'ERR_DEMI_OPTION';
  const expected = wrongArgument || error instanceof DemiError;
  process.stderr.write(`${expected ? message : (stack ?? message)}\n`);
  if (wrongArgument) process.stderr.write('Try --help.\n');
  process.exitCode = wrongArgument ? 2 : 1;
}
