// Reads files and everything they import into one linked schema. Where text comes from is the caller's to say.

import { Findings, type Position } from './diagnostics.ts';
import { link } from './link.ts';
import type { Schema, SchemaFile } from './model.ts';
import type { ImportStatement } from './outline.ts';
import { parse } from './parse.ts';
import { wellKnown } from './well-known.ts';

/** A schema's text and the name to show in messages. */
export interface SourceText {
  path: string;
  text: string;
}

/** Finds the text of an imported name; `undefined` when there is none. */
export type FindSource = (importName: string) => SourceText | undefined;

/**
 * Loads `importNames` with their imports. Well-known types that `find` does not know come with the compiler.
 *
 * @throws SchemaError with everything wrong in any of the files.
 */
export function load(importNames: readonly string[], find: FindSource): Schema {
  const loader = new Loader(find);
  const files = importNames.map(name => loader.file(name));
  loader.findings.throwIfAny();
  link(loader.done, loader.findings);
  loader.findings.throwIfAny();
  return {
    files: files.filter(file => file !== undefined),
    all: loader.done,
    notes: loader.findings.notes,
  };
}

class Loader {
  readonly findings = new Findings();
  /** Files read whole, dependencies first. */
  readonly done: SchemaFile[] = [];
  private readonly find: FindSource;
  private readonly known = new Map<string, SchemaFile>();
  private readonly open: string[] = [];

  constructor(find: FindSource) {
    this.find = find;
  }

  /** A file that was asked for. */
  file(importName: string): SchemaFile | undefined {
    const source = this.find(importName) ?? wellKnown(importName);
    if (source !== undefined) return this.known.get(importName) ?? this.read(importName, source);
    this.findings.error({ file: importName, line: 1, column: 1 }, 'no such file');
    return undefined;
  }

  private imported(statement: ImportStatement): SchemaFile | undefined {
    const { path: importName, position } = statement;
    if (this.open.includes(importName)) {
      this.cycle(importName, position);
      return undefined;
    }
    const known = this.known.get(importName);
    if (known !== undefined) return known;
    const source = this.find(importName) ?? wellKnown(importName);
    if (source === undefined) {
      this.findings.error(position, `cannot find '${importName}' under any import path`);
      return undefined;
    }
    if (!isOptionsOnly(importName)) return this.read(importName, source);
    const file = optionsFile(importName, source.path);
    this.known.set(importName, file);
    this.done.push(file);
    return file;
  }

  private read(importName: string, source: SourceText): SchemaFile {
    const { file, imports } = parse(importName, source.path, source.text, this.findings);
    this.known.set(importName, file);
    this.open.push(importName);
    for (const statement of imports) {
      const imported = this.imported(statement);
      if (imported === undefined) continue;
      file.imports.push({ file: imported, public: statement.public, position: statement.position });
    }
    this.open.pop();
    this.done.push(file);
    return file;
  }

  private cycle(importName: string, position: Position): void {
    const way = [...this.open.slice(this.open.indexOf(importName)), importName];
    this.findings.error(position, `imports go in a circle: ${way.join(' -> ')}`);
  }
}

/** descriptor.proto is proto2, and proto3 files import it to declare custom options, which are skipped. */
function isOptionsOnly(importName: string): boolean {
  return importName === 'google/protobuf/descriptor.proto';
}

function optionsFile(importName: string, path: string): SchemaFile {
  return {
    importName,
    path,
    package: 'google.protobuf',
    imports: [],
    messages: [],
    enums: [],
    optionsOnly: true,
  };
}
