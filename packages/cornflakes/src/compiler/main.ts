// The command `cornc`: arguments, messages and exit statuses. What it does is in index.ts.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import {
  type Change,
  type Compilation,
  checkChange,
  compile,
  formatDiagnostic,
  SchemaError,
} from './index.ts';
import { rerunOnChange } from './watch.ts';

const HELP = `Usage: cornc FILE... --out DIR [options]
       cornc --check OLD NEW [options]

Compiles Protocol Buffers schemas (proto3) into TypeScript over @demikernel/cornflakes.

  -o, --out DIR           where the modules go; a/b.proto becomes DIR/a/b.ts
  -I, --import-path DIR   where imports are searched, in order; may be repeated (default: .)
      --extension EXT     how generated modules import each other: ts (default) or js
      --runtime NAME      the module that the generated code imports (default: @demikernel/cornflakes);
                          a relative one is seen from the output directory
      --watch             compile again when a schema changes, until Ctrl-C
      --check             list what changed from OLD to NEW (files or directories) and whether it breaks
      --quiet             no notes about what is skipped
  -h, --help              this text
      --version           the version

Exit status: 0 done, 1 the schemas are wrong or a change breaks, 2 wrong usage.
`;

class UsageError extends Error {}

interface Arguments {
  files: string[];
  out: string | undefined;
  importPaths: string[];
  extension: '.ts' | '.js';
  runtime: string | undefined;
  watch: boolean;
  check: boolean;
  quiet: boolean;
  help: boolean;
  version: boolean;
}

function readArguments(args: string[]): Arguments {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      out: { type: 'string', short: 'o' },
      'import-path': { type: 'string', short: 'I', multiple: true },
      extension: { type: 'string', default: 'ts' },
      runtime: { type: 'string' },
      watch: { type: 'boolean', default: false },
      check: { type: 'boolean', default: false },
      quiet: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
      version: { type: 'boolean', default: false },
    },
  });
  const { extension } = values;
  if (extension !== 'ts' && extension !== 'js') throw new UsageError('--extension is ts or js');
  return {
    files: positionals,
    out: values.out,
    importPaths: values['import-path'] ?? [],
    extension: extension === 'ts' ? '.ts' : '.js',
    runtime: values.runtime,
    watch: values.watch,
    check: values.check,
    quiet: values.quiet,
    help: values.help,
    version: values.version,
  };
}

function version(): string {
  const manifest = new URL('../../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version;
}

async function main(args: string[]): Promise<number> {
  const options = readArguments(args);
  if (options.help) {
    process.stdout.write(HELP);
    return 0;
  }
  if (options.version) {
    process.stdout.write(`${version()}\n`);
    return 0;
  }
  if (options.check) return check(options);
  if (options.files.length === 0) throw new UsageError('no FILE given');
  if (options.out === undefined) throw new UsageError('--out DIR is needed');
  if (options.watch) return watch(options, options.out);
  return compileTo(options, options.out).status;
}

interface Run {
  status: number;
  /** Schemas. */
  read: string[];
  /** Modules that were new or changed. */
  written: number;
}

/** One run: messages to standard error, modules to `out`. */
function compileTo(options: Arguments, out: string): Run {
  let compilation: Compilation;
  try {
    compilation = compile(options);
  } catch (error) {
    if (!(error instanceof SchemaError)) throw error;
    process.stderr.write(`${error.message}\n`);
    const files = error.diagnostics.map(diagnostic => diagnostic.file);
    return { status: 1, read: [...options.files, ...files], written: 0 };
  }
  if (!options.quiet) {
    for (const note of compilation.notes) process.stderr.write(`${formatDiagnostic(note)}\n`);
  }
  const written = compilation.files.filter(({ name, text }) => writeIfChanged(path.join(out, name), text));
  return { status: 0, read: compilation.read, written: written.length };
}

/** An unchanged file keeps its time, so that incremental builds stay incremental. */
function writeIfChanged(file: string, text: string): boolean {
  try {
    if (readFileSync(file, 'utf8') === text) return false;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, text);
  return true;
}

async function watch(options: Arguments, out: string): Promise<number> {
  const controller = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => controller.abort());
  let failed = true;
  const run = (): string[] => {
    const { status, read, written } = compileTo(options, out);
    if (status === 0 && (failed || written > 0)) {
      process.stderr.write('compiled; watching for changes, Ctrl-C ends\n');
    }
    failed = status !== 0;
    return read.map(file => path.resolve(file));
  };
  // Import paths, too: what is missing may appear there.
  const roots = options.importPaths.length === 0 ? ['.'] : options.importPaths;
  const paths = [...options.files, ...roots.map(root => path.join(root, 'any.proto'))];
  await rerunOnChange(
    paths.map(file => path.resolve(file)),
    run,
    controller.signal,
  );
  return 0;
}

function check(options: Arguments): number {
  const [before, after, more] = options.files;
  if (before === undefined || after === undefined || more !== undefined) {
    throw new UsageError('--check takes OLD and NEW');
  }
  const changes = checkChange(before, after, options);
  for (const change of changes) process.stdout.write(`${formatChange(change)}\n`);
  const breaking = changes.filter(change => change.breaking).length;
  process.stdout.write(
    `${changes.length} ${changes.length === 1 ? 'change' : 'changes'}, ${breaking} breaking\n`,
  );
  return breaking > 0 ? 1 : 0;
}

function formatChange({ position, breaking, message }: Change): string {
  const { file, line, column } = position;
  return `${file}:${line}:${column}: ${breaking ? 'breaking' : 'compatible'}: ${message}`;
}

function fail(error: unknown): number {
  const { code, message } = error as NodeJS.ErrnoException;
  if (error instanceof UsageError || code?.startsWith('ERR_PARSE_ARGS') === true) {
    process.stderr.write(`cornc: ${message}\nTry 'cornc --help'.\n`);
    return 2;
  }
  if (error instanceof SchemaError) {
    process.stderr.write(`${message}\n`);
    return 1;
  }
  // The file system's refusals name the path and the reason.
  if (error instanceof Error && 'syscall' in error) {
    process.stderr.write(`cornc: ${message}\n`);
    return 1;
  }
  throw error;
}

// A reader that goes away (`cornc --check … | head`) is no error.
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
