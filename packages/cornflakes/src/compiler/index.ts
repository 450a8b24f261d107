// The compiler as a library: schemas in, TypeScript modules or a list of changes out. Touches no output files.
// The command is main.ts; generated code and the runtime need nothing of this at run time.

import { statSync } from 'node:fs';
import { checkLimits } from './emit/limits.ts';
import { emit, type GeneratedFile } from './emit/module.ts';
import { type Change, compareSchemas } from './evolution/compare.ts';
import { type Diagnostic, Findings } from './schema/diagnostics.ts';
import { diskSources, schemaFiles } from './schema/disk.ts';
import { type FindSource, load } from './schema/load.ts';
import { allMessages, type Schema, type SchemaFile } from './schema/model.ts';

export type { GeneratedFile } from './emit/module.ts';
export type { Change } from './evolution/compare.ts';
export { type Diagnostic, formatDiagnostic, type Position, SchemaError } from './schema/diagnostics.ts';
export type { FindSource, SourceText } from './schema/load.ts';

/** How modules are written. */
export interface OutputOptions {
  /** Of relative imports between generated modules. Default: `.ts`. */
  extension?: '.ts' | '.js';
  /** Module specifier of the runtime; a relative one is seen from the output directory. Default: `@demikernel/cornflakes`. */
  runtime?: string | undefined;
}

export interface CompileOptions extends OutputOptions {
  /** Paths of the schemas. */
  files: readonly string[];
  /** Where imports are searched, in order. Default: the current directory. */
  importPaths?: readonly string[];
}

/** What came of the schemas. */
export interface Compilation {
  /** A module for each schema asked for, and for each other one whose types those use. */
  files: GeneratedFile[];
  /** What was skipped, for example services. */
  notes: readonly Diagnostic[];
  /** Absolute paths of the schemas read. */
  read: string[];
}

/**
 * Compiles schemas from disk. Nothing is written; see {@link Compilation.files}.
 *
 * @throws SchemaError with every error found, each with file, line and column.
 */
export function compile(options: CompileOptions): Compilation {
  const sources = diskSources(options.files, options.importPaths ?? []);
  const { files, notes } = compileSources(sources.importNames, sources.find, options);
  return { files, notes, read: [...sources.read].sort() };
}

/**
 * Compiles schemas from wherever `find` takes them: memory, an archive.
 *
 * @param importNames Names of the schemas asked for, as `import` statements write them.
 * @throws SchemaError with every error found, each with file, line and column.
 */
export function compileSources(
  importNames: readonly string[],
  find: FindSource,
  options: OutputOptions = {},
): Pick<Compilation, 'files' | 'notes'> {
  const schema = load(importNames, find);
  const { extension = '.ts', runtime = '@demikernel/cornflakes' } = options;
  const files = neededFiles(schema);
  const findings = new Findings();
  checkLimits(files, findings);
  findings.throwIfAny();
  return { files: emit(files, { extension, runtime }), notes: [...schema.notes, ...findings.notes] };
}

/**
 * Compares two states of a schema, each a file or a directory of files.
 *
 * @returns Every change of what goes over the wire or into JSON, in the order of the new files, removals last.
 * @throws SchemaError when one of them is wrong in itself.
 */
export function checkChange(
  before: string,
  after: string,
  options: { importPaths?: readonly string[] } = {},
): Change[] {
  return compareSchemas(loadState(before, options), loadState(after, options));
}

/** Schemas in memory: names as `import` statements write them, and where their text comes from. */
export interface SchemaSources {
  importNames: readonly string[];
  find: FindSource;
}

/** {@link checkChange} for schemas that are not on disk. */
export function compareSources(before: SchemaSources, after: SchemaSources): Change[] {
  return compareSchemas(load(before.importNames, before.find), load(after.importNames, after.find));
}

function loadState(path: string, options: { importPaths?: readonly string[] }): Schema {
  const directory = statSync(path).isDirectory();
  const files = directory ? schemaFiles(path) : [path];
  // Each state brings its own imports: a common root would mix the two.
  const importPaths = [...(directory ? [path] : []), ...(options.importPaths ?? [])];
  const sources = diskSources(files, importPaths);
  return load(sources.importNames, sources.find);
}

/** The files asked for and those whose types they use, directly or through others; dependencies first. */
function neededFiles(schema: Schema): SchemaFile[] {
  const needed = new Set<SchemaFile>();
  const visit = (file: SchemaFile): void => {
    if (needed.has(file)) return;
    needed.add(file);
    for (const message of allMessages(file)) {
      for (const { type } of message.fields) {
        if (type.kind === 'message') visit(type.message.file);
        else if (type.kind === 'enum') visit(type.enum.file);
      }
    }
  };
  schema.files.forEach(visit);
  return schema.all.filter(file => needed.has(file));
}
