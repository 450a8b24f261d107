// One schema file to one TypeScript module.

import type { EnumType, SchemaFile } from '../schema/model.ts';
import { braced, indent, quote, tsdoc } from './lines.ts';
import { messageClass } from './message-class.ts';
import { ModuleNames } from './module-names.ts';
import { type EmitOptions, ModuleWriter, moduleName } from './module-writer.ts';

/** A generated module. */
export interface GeneratedFile {
  /** Relative to the output directory, with `/`. */
  name: string;
  text: string;
}

/** Writes the modules of `files`; the same schemas make the same bytes. */
export function emit(files: readonly SchemaFile[], options: EmitOptions): GeneratedFile[] {
  const names = new Map<SchemaFile, ModuleNames>();
  const namesOf = (file: SchemaFile): ModuleNames => {
    let found = names.get(file);
    if (found === undefined) names.set(file, (found = new ModuleNames(file)));
    return found;
  };
  return files.map(file => ({
    name: moduleName(file.importName),
    text: moduleText(file, new ModuleNames(file), namesOf, options),
  }));
}

function moduleText(
  file: SchemaFile,
  names: ModuleNames,
  namesOf: (file: SchemaFile) => ModuleNames,
  options: EmitOptions,
): string {
  // Imports take names in the module's scope, so a module is written with names of its own.
  const module = new ModuleWriter(file, other => (other === file ? names : namesOf(other)), options);
  const blocks = [
    ...names.enums.map(type => enumLines(type, module)),
    ...names.messages.map(message => messageClass(message, module)),
  ];
  const source = file.importName.replace(/[\r\n\u2028\u2029]/g, '?');
  const lines = [`// Made by cornc from ${source}. Do not edit: changes are lost.`];
  const imports = module.importLines();
  if (imports.length > 0) lines.push('', ...imports);
  for (const block of blocks) lines.push('', ...block);
  if (blocks.length === 0) lines.push('', 'export {};');
  return `${lines.join('\n')}\n`;
}

function enumLines(type: EnumType, module: ModuleWriter): string[] {
  const name = module.enumName(type);
  const deprecated = type.deprecated ? '@deprecated' : '';
  const openness = 'Open, as proto3 has it: numbers without a name are kept.';
  const enumType = `${module.runtime('enumType')}(${quote(type.fullName)}, ${name})`;
  return [
    ...tsdoc(type.comment, deprecated),
    ...enumObject(type, `export const ${name} = `),
    ...tsdoc(type.comment === '' ? openness : `${type.comment} ${openness}`, deprecated),
    `export type ${name} = number;`,
    `export const ${module.enumConstant(type)}: ${module.runtimeType('EnumType')} = ${enumType};`,
  ];
}

function enumObject({ values }: EnumType, head: string): string[] {
  const documented = values.some(value => value.comment !== '' || value.deprecated);
  const items = values.map(({ name, number }) => `${name}: ${number}`);
  if (!documented) return braced(head, items, ' as const;', 0);
  const lines = values.flatMap(value => [
    ...tsdoc(value.comment, value.deprecated ? '@deprecated' : ''),
    `${value.name}: ${value.number},`,
  ]);
  return [`${head}{`, ...indent(lines), '} as const;'];
}
