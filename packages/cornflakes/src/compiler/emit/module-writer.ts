// The names that a module's text uses: its own, the runtime's and other modules', each imported when first used.

import path from 'node:path';
import type { EnumType, MessageType, SchemaFile } from '../schema/model.ts';
import { quote } from './lines.ts';
import type { ModuleNames } from './module-names.ts';

export interface EmitOptions {
  /** Of relative imports between generated modules. */
  extension: '.ts' | '.js';
  /** The module specifier of the runtime; a relative one is seen from the output directory. */
  runtime: string;
}

interface Imported {
  name: string;
  local: string;
  typeOnly: boolean;
}

/** Collects the imports of one module while it is written. */
export class ModuleWriter {
  readonly names: ModuleNames;
  private readonly options: EmitOptions;
  private readonly runtimeModule: string;
  private readonly file: SchemaFile;
  private readonly namesOf: (file: SchemaFile) => ModuleNames;
  private readonly imports = new Map<string, Map<string, Imported>>();

  constructor(file: SchemaFile, namesOf: (file: SchemaFile) => ModuleNames, options: EmitOptions) {
    this.file = file;
    this.namesOf = namesOf;
    this.names = namesOf(file);
    this.options = options;
    this.runtimeModule = options.runtime.startsWith('.')
      ? this.relative(path.posix.normalize(options.runtime))
      : options.runtime;
  }

  /** The local name of a value that the runtime exports. */
  runtime(name: string): string {
    return this.import(this.runtimeModule, name, false);
  }

  /** The local name of a type that the runtime exports. */
  runtimeType(name: string): string {
    return this.import(this.runtimeModule, name, true);
  }

  /** A message's class, used as a type. */
  messageClass(message: MessageType): string {
    const name = this.namesOf(message.file).className(message);
    return message.file === this.file ? name : this.import(this.moduleOf(message.file), name, true);
  }

  /** An expression for a message's `MessageType`. */
  messageConstant(message: MessageType): string {
    if (message.file === this.file) return this.names.constant(message);
    const name = this.namesOf(message.file).className(message);
    return `${this.import(this.moduleOf(message.file), name, false)}.type`;
  }

  enumName(type: EnumType): string {
    const name = this.namesOf(type.file).enumName(type);
    return type.file === this.file ? name : this.import(this.moduleOf(type.file), name, true);
  }

  enumConstant(type: EnumType): string {
    const name = this.namesOf(type.file).enumTypeName(type);
    return type.file === this.file ? name : this.import(this.moduleOf(type.file), name, false);
  }

  /** The import statements, the runtime's first. */
  importLines(): string[] {
    const modules = [...this.imports].sort(([a], [b]) => order(a, b, this.runtimeModule));
    return modules.flatMap(([module, names]) => importStatement(module, [...names.values()]));
  }

  private import(module: string, name: string, typeOnly: boolean): string {
    let names = this.imports.get(module);
    if (names === undefined) this.imports.set(module, (names = new Map()));
    let imported = names.get(name);
    if (imported === undefined) {
      imported = { name, local: this.names.scope.take(name), typeOnly };
      names.set(name, imported);
    }
    // One import serves as value and as type.
    imported.typeOnly &&= typeOnly;
    return imported.local;
  }

  private moduleOf(file: SchemaFile): string {
    return this.relative(withoutProto(file.importName) + this.options.extension);
  }

  /** From this module to a path in the output directory, or above it. */
  private relative(to: string): string {
    const from = path.posix.dirname(this.file.importName);
    // The folders above the output directory have no names here: all that is known is the way up.
    if (to.startsWith('..')) return from === '.' ? to : '../'.repeat(from.split('/').length) + to;
    const down = path.posix.relative(from, to);
    return down.startsWith('.') ? down : `./${down}`;
  }
}

/** The name of the module made from a schema file. */
export function moduleName(importName: string): string {
  return `${withoutProto(importName)}.ts`;
}

function withoutProto(importName: string): string {
  return importName.replace(/\.proto$/, '');
}

function order(a: string, b: string, first: string): number {
  if (a === first || b === first) return a === first ? -1 : 1;
  return a < b ? -1 : 1;
}

function importStatement(module: string, names: Imported[]): string[] {
  const items = names
    .sort((a, b) => compareNames(a.name, b.name))
    .map(
      ({ name, local, typeOnly }) =>
        (typeOnly ? 'type ' : '') + (name === local ? name : `${name} as ${local}`),
    );
  const from = `from ${quote(module)};`;
  const single = `import { ${items.join(', ')} } ${from}`;
  const onlyTypes = names.every(one => one.typeOnly);
  if (onlyTypes) {
    const bare = items.map(item => item.slice('type '.length));
    return [`import type { ${bare.join(', ')} } ${from}`];
  }
  return single.length <= 110 ? [single] : ['import {', ...items.map(item => `  ${item},`), `} ${from}`];
}

/** Letter by letter; where only the case differs, the capital first. */
function compareNames(a: string, b: string): number {
  for (let i = 0; i < a.length && i < b.length; i++) {
    const [x, y] = [a.charAt(i), b.charAt(i)];
    if (x === y) continue;
    const [lowerX, lowerY] = [x.toLowerCase(), y.toLowerCase()];
    return (lowerX === lowerY ? x < y : lowerX < lowerY) ? -1 : 1;
  }
  return a.length - b.length;
}
