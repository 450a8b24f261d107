// Schemas in memory for tests of the compiler, and what it says about them.

import { compileSources, type FindSource, SchemaError } from '../../src/compiler/index.ts';

/** Finds files of a record from import name to text. */
export function memory(files: Record<string, string>): FindSource {
  return name => (Object.hasOwn(files, name) ? { path: name, text: files[name]! } : undefined);
}

/** The errors of one schema called `t.proto`, as `line:column message`; empty when it compiles. */
export function errorsOf(text: string, others: Record<string, string> = {}): string[] {
  try {
    compileSources(['t.proto'], memory({ ...others, 't.proto': text }));
    return [];
  } catch (error) {
    if (!(error instanceof SchemaError)) throw error;
    return error.diagnostics.map(({ file, line, column, message }) =>
      file === 't.proto' ? `${line}:${column} ${message}` : `${file}:${line}:${column} ${message}`,
    );
  }
}

/** Puts the lines of a proto3 schema together; the first is line 2. */
export function proto3(...lines: string[]): string {
  return `syntax = "proto3";\n${lines.join('\n')}\n`;
}
