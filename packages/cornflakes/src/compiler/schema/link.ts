// Resolves the type names of fields by protobuf's scoping rules, and checks what only whole files can tell.

import type { Findings } from './diagnostics.ts';
import {
  allEnums,
  allMessages,
  type EnumType,
  type Field,
  type MessageType,
  type SchemaFile,
} from './model.ts';

type Declared = MessageType | EnumType;

/** Links files, dependencies first. */
export function link(files: readonly SchemaFile[], findings: Findings): void {
  const everything = new Map<string, Declared>();
  for (const file of files) {
    for (const type of declared(file)) {
      const earlier = everything.get(type.fullName);
      if (earlier === undefined) everything.set(type.fullName, type);
      else findings.error(type.position, `'${type.fullName}' is already declared in ${earlier.file.path}`);
    }
  }
  for (const file of files) {
    if (file.optionsOnly) continue;
    const visible = new Map<string, Declared>();
    for (const source of visibleFiles(file)) {
      for (const type of declared(source)) visible.set(type.fullName, type);
    }
    for (const message of allMessages(file)) linkMessage(message, visible, everything, findings);
    for (const type of allEnums(file)) checkEnum(type, findings);
  }
}

function declared(file: SchemaFile): Declared[] {
  return [...allMessages(file), ...allEnums(file)];
}

/** The file, what it imports, and what those import publicly. */
function visibleFiles(file: SchemaFile): Set<SchemaFile> {
  const found = new Set<SchemaFile>([file]);
  const follow = (from: SchemaFile, publicOnly: boolean): void => {
    for (const one of from.imports) {
      if ((publicOnly && !one.public) || found.has(one.file)) continue;
      found.add(one.file);
      follow(one.file, true);
    }
  };
  follow(file, false);
  return found;
}

function linkMessage(
  message: MessageType,
  visible: Map<string, Declared>,
  everything: Map<string, Declared>,
  findings: Findings,
): void {
  const jsonNames = new Map<string, Field>();
  for (const field of message.fields) {
    const earlier = jsonNames.get(field.jsonName);
    if (earlier === undefined) jsonNames.set(field.jsonName, field);
    else
      findings.error(
        field.position,
        `'${field.name}' and '${earlier.name}' are both '${field.jsonName}' in JSON`,
      );
    if (field.type.kind !== 'unresolved') continue;
    const { name } = field.type;
    const type = resolve(name, message.fullName, visible);
    if (type !== undefined) {
      field.type =
        type.kind === 'message' ? { kind: 'message', message: type } : { kind: 'enum', enum: type };
      continue;
    }
    const elsewhere = resolve(name, message.fullName, everything);
    findings.error(field.typePosition, unknownType(name, elsewhere, message.file));
  }
}

function unknownType(name: string, elsewhere: Declared | undefined, file: SchemaFile): string {
  const proto2 = file.imports.find(one => one.file.optionsOnly && name.includes(`${one.file.package}.`));
  if (proto2 !== undefined) return `'${name}' is not supported: ${proto2.file.importName} is proto2`;
  if (elsewhere === undefined) return `'${name}' is not declared`;
  return `'${name}' is not declared here; ${elsewhere.file.importName} declares it and is not imported`;
}

/** Searches from the innermost scope outward, as protobuf does; a leading dot names the whole path. */
function resolve(name: string, scope: string, among: Map<string, Declared>): Declared | undefined {
  if (name.startsWith('.')) return among.get(name.slice(1));
  for (let inner = scope; ; inner = inner.slice(0, Math.max(0, inner.lastIndexOf('.')))) {
    const found = among.get(inner === '' ? name : `${inner}.${name}`);
    if (found !== undefined || inner === '') return found;
  }
}

function checkEnum(type: EnumType, findings: Findings): void {
  const [first] = type.values;
  if (first === undefined) findings.error(type.position, `enum ${type.name} needs at least one value`);
  else if (first.number !== 0) findings.error(first.position, 'the first value of a proto3 enum must be 0');
  for (const value of type.values) {
    if (value.number !== (value.number | 0))
      findings.error(value.position, 'enum values are 32-bit integers');
  }
}
