// Accessors by key of a map field. A map is a list of entries; of several with one key the last counts,
// as protobuf has it. Lists are searched: maps in messages are small, and an index would cost each reader.

import { type Field, typeName } from '../schema/model.ts';
import type { FieldContext } from './field-code.ts';
import type { ModuleWriter } from './module-writer.ts';
import { capitalized } from './names.ts';
import { enumCode, type ScalarCode, scalarCode } from './scalars.ts';

export function mapAccessors(context: FieldContext): string[] {
  const { field, name, module } = context;
  const key = scalarCode(field.keyType!).get;
  const list = `this._${name}`;
  const capital = capitalized(name);
  const get = [
    '/** The value under `key`; of several entries with one key the last counts. */',
    `get${capital}(key: ${key}): ${getType(field, module)} | undefined {`,
    ...search(list, ['if (entry.key === key) return entry.value;']),
    '  return undefined;',
    '}',
  ];
  return [...get, ...(field.type.kind === 'message' ? mutable(context, key) : set(context, key))];
}

function search(list: string, found: readonly string[]): string[] {
  return [
    `  for (let i = ${list}.length - 1; i >= 0; i--) {`,
    `    const entry = ${list}.at(i);`,
    ...found.map(line => `    ${line}`),
    '  }',
  ];
}

function set({ field, name, module }: FieldContext, key: string): string[] {
  const list = `this._${name}`;
  return [
    `set${capitalized(name)}(key: ${key}, value: ${setType(field, module)}): void {`,
    `  ${list}.own();`,
    ...search(list, ['if (entry.key === key) {', '  entry.value = value;', '  return;', '}']),
    `  const entry = ${list}.add();`,
    '  entry.key = key;',
    '  entry.value = value;',
    '}',
  ];
}

function mutable({ field, name, module }: FieldContext, key: string): string[] {
  const list = `this._${name}`;
  return [
    '/** The value under `key`, to be filled in; a new entry when there is none. */',
    `mutable${capitalized(name)}(key: ${key}): ${getType(field, module)} {`,
    `  ${list}.own();`,
    ...search(list, ['if (entry.key === key) return entry.mutableValue();']),
    `  const entry = ${list}.add();`,
    '  entry.key = key;',
    '  return entry.mutableValue();',
    '}',
  ];
}

function getType(field: Field, module: ModuleWriter): string {
  return field.type.kind === 'message'
    ? module.messageClass(field.type.message)
    : valueCode(field, module).get;
}

function setType(field: Field, module: ModuleWriter): string {
  const code = valueCode(field, module);
  return code.family === 'object' ? module.runtimeType(code.set) : code.set;
}

function valueCode({ type }: Field, module: ModuleWriter): ScalarCode {
  if (type.kind === 'enum') return enumCode(module.enumName(type.enum));
  if (type.kind === 'scalar') return scalarCode(type.name);
  throw new TypeError(`${typeName(type)} is no scalar`);
}
