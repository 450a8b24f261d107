// Reads files and everything they import into one linked schema. Where text comes from is the caller's to say.

import { Findings, type Position } from './diagnostics.ts';
import { link } from './link.ts';
import type { Schema, SchemaFile } from './model.ts';
import type { ImportStatement } from './outline.ts';
import { parse } from './parse.ts';
import { type Token, tokenize } from './tokens.ts';
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
    const tokens = tokenize(source.text);
    return isProto2(tokens) ? this.optionsFile(statement, source, tokens) : this.read(importName, source);
  }

  /** proto3 files import proto2 ones for the custom options that those declare. Options are skipped, and so is the file. */
  private optionsFile(statement: ImportStatement, source: SourceText, tokens: Token[]): SchemaFile {
    const { path: importName, position } = statement;
    if (importName !== 'google/protobuf/descriptor.proto') {
      this.findings.note(
        position,
        `${importName} is proto2: its options are skipped, its types cannot be used`,
      );
    }
    const at = tokens.findIndex((token, i) => token.text === 'package' && isStatementStart(tokens, i));
    const file: SchemaFile = {
      importName,
      path: source.path,
      package: at < 0 ? '' : (tokens[at + 1]?.text ?? ''),
      imports: [],
      messages: [],
      enums: [],
      optionsOnly: true,
    };
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

/** Whether a text is proto2, which it also is when it does not say what it is. */
function isProto2(tokens: readonly Token[]): boolean {
  const [word, , value] = tokens;
  if (word === undefined || word.text === 'edition') return false;
  return word.text !== 'syntax' || value?.text.slice(1, -1) === 'proto2';
}

function isStatementStart(tokens: readonly Token[], at: number): boolean {
  const before = tokens[at - 1]?.text;
  return before === undefined || before === ';' || before === '}';
}
