// One file's text to one file's model, through protobufjs' parser. Type names stay unresolved (link.ts).
// The parser reports lines only; columns come from the outline.

import protobuf from 'protobufjs';
import type { Findings, Position } from './diagnostics.ts';
import {
  type EnumType,
  type Field,
  type FieldType,
  type MessageType,
  type Oneof,
  type Reservations,
  SCALAR_NAMES,
  type ScalarName,
  type SchemaFile,
} from './model.ts';
import { type ImportStatement, type Outline, outline } from './outline.ts';

/** A file before its imports are read. */
export interface ParsedFile {
  file: SchemaFile;
  imports: ImportStatement[];
}

/**
 * Parses one file. Findings are added to `findings`; after an error the model may be incomplete.
 * Comments are taken from both `//` and block comments, before or behind what they describe.
 */
export function parse(importName: string, path: string, text: string, findings: Findings): ParsedFile {
  const file: SchemaFile = {
    importName,
    path,
    package: '',
    imports: [],
    messages: [],
    enums: [],
    optionsOnly: false,
  };
  const before = findings.errors.length;
  const positions = outline(path, text, findings);
  const parsed: ParsedFile = { file, imports: positions.imports };
  // What is not proto3 is told once, by the outline, and not again by the parser.
  if (findings.errors.length > before) return parsed;
  try {
    const result = protobuf.parse(text, { keepCase: true, alternateCommentMode: true });
    file.package = result.package ?? '';
    const scope = file.package === '' ? result.root : result.root.lookup(file.package);
    if (scope instanceof protobuf.Namespace) new Reader(file, positions).read(scope);
  } catch (error) {
    const { position, message } = locate(path, positions, error);
    findings.error(position, message);
  }
  return parsed;
}

/** Turns the parser's message into a position: its line, and the token it names or the last one it can have read. */
function locate(path: string, positions: Outline, error: unknown): { position: Position; message: string } {
  const { tokens } = positions;
  const text = error instanceof Error ? error.message : String(error);
  const match = /^(.*) \(line (\d+)\)$/s.exec(text);
  if (match === null) return locateMember(path, positions, text);
  const line = Number(match[2]);
  const expected = /, ('.+') expected$/.exec(match[1]!)?.[1];
  const quoted = /'(.*?)'/s.exec(match[1]!)?.[1];
  if (quoted === 'null') {
    const last = tokens.at(-1);
    const column = (last?.column ?? 1) + (last?.text.length ?? 0);
    return {
      position: { file: path, line: last?.line ?? line, column },
      message:
        expected === undefined ? 'unexpected end of file' : `${expected} expected, not the end of the file`,
    };
  }
  const message = expected === undefined ? match[1]! : `${expected} expected, not '${quoted}'`;
  const upTo = tokens.filter(token => token.line <= line);
  const named = upTo.findLast(token => token.text === quoted || token.text.slice(1, -1) === quoted);
  const at = named ?? upTo.findLast(token => token.line === line) ?? { line, column: 1 };
  return { position: { file: path, line: at.line, column: at.column }, message };
}

/** Messages without a line are about one member: `id 4 is reserved in Type M`, `duplicate id 1 in Enum E`. */
function locateMember(
  path: string,
  { names, numbers, tokens }: Outline,
  text: string,
): { position: Position; message: string } {
  const match = /^(?:duplicate )?(id|name) '?([^' ]+)'? (?:is reserved )?in (?:Type |Enum )\.?(.+)$/.exec(
    text,
  );
  let position: Position = { file: path, line: 1, column: 1 };
  if (match === null) return { position, message: text };
  const [, kind, member, owner] = match;
  for (const [name, candidate] of kind === 'id' ? numbers : names) {
    const dot = name.lastIndexOf('.');
    const scope = name.slice(0, Math.max(dot, 0));
    if (scope !== owner && !scope.endsWith(`.${owner}`) && !owner!.endsWith(`.${scope}`)) continue;
    const token = tokens.find(one => one.line === candidate.line && one.column === candidate.column);
    const matches = kind === 'id' ? Number(token?.text) === Number(member) : token?.text === member;
    // Of two with the same number, the later one is at fault.
    if (matches) position = candidate;
  }
  const alias = kind === 'id' && / in Enum /.test(text) && text.startsWith('duplicate');
  return { position, message: alias ? `${text}; option allow_alias = true permits it` : text };
}

/** Reads the parser's reflection objects into the model. */
class Reader {
  private readonly file: SchemaFile;
  private readonly positions: Outline;

  constructor(file: SchemaFile, positions: Outline) {
    this.file = file;
    this.positions = positions;
  }

  read(scope: protobuf.Namespace): void {
    for (const object of scope.nestedArray) {
      if (object instanceof protobuf.Type) this.file.messages.push(this.message(object, undefined));
      else if (object instanceof protobuf.Enum) this.file.enums.push(this.enum(object, undefined));
    }
  }

  private message(type: protobuf.Type, parent: MessageType | undefined): MessageType {
    const scoped = scopedName(parent, this.file, type.name);
    const message: MessageType = {
      kind: 'message',
      name: type.name,
      fullName: qualified(this.file.package, scoped),
      file: this.file,
      parent,
      fields: [],
      oneofs: [],
      messages: [],
      enums: [],
      reserved: reservations(type.reserved),
      deprecated: type.options?.['deprecated'] === true,
      comment: type.comment ?? '',
      position: this.position(this.positions.names, scoped),
    };
    const oneofs = new Map<string, Oneof>();
    for (const one of type.oneofsArray) {
      if (one.fieldsArray.some(isOptional)) continue;
      const oneof: Oneof = {
        name: one.name,
        fields: [],
        comment: one.comment ?? '',
        position: this.position(this.positions.names, `${scoped}.${one.name}`),
      };
      oneofs.set(one.name, oneof);
      message.oneofs.push(oneof);
    }
    for (const field of type.fieldsArray) {
      const read = this.field(field, scoped, oneofs);
      message.fields.push(read);
      read.oneof?.fields.push(read);
    }
    message.fields.sort((a, b) => a.number - b.number);
    for (const object of type.nestedArray) {
      if (object instanceof protobuf.Type) message.messages.push(this.message(object, message));
      else if (object instanceof protobuf.Enum) message.enums.push(this.enum(object, message));
    }
    return message;
  }

  private field(field: protobuf.Field, scope: string, oneofs: Map<string, Oneof>): Field {
    const scoped = `${scope}.${field.name}`;
    const oneof = field.partOf === null ? undefined : oneofs.get(field.partOf.name);
    const jsonName: unknown = field.options?.['json_name'];
    return {
      name: field.name,
      jsonName: typeof jsonName === 'string' ? jsonName : lowerCamelCase(field.name),
      number: field.id,
      cardinality: cardinality(field, oneof),
      type: fieldType(field.type),
      keyType: field instanceof protobuf.MapField ? (field.keyType as ScalarName) : undefined,
      oneof,
      deprecated: field.options?.['deprecated'] === true,
      comment: field.comment ?? '',
      position: this.position(this.positions.names, scoped),
      numberPosition: this.position(this.positions.numbers, scoped),
      typePosition: this.position(this.positions.types, scoped),
    };
  }

  private enum(type: protobuf.Enum, parent: MessageType | undefined): EnumType {
    const scoped = scopedName(parent, this.file, type.name);
    return {
      kind: 'enum',
      name: type.name,
      fullName: qualified(this.file.package, scoped),
      file: this.file,
      parent,
      values: Object.keys(type.values).map(name => ({
        name,
        number: type.values[name]!,
        deprecated: type.valuesOptions?.[name]?.['deprecated'] === true,
        comment: type.comments[name] ?? '',
        position: this.position(this.positions.names, `${scoped}.${name}`),
      })),
      reserved: reservations(type.reserved),
      deprecated: type.options?.['deprecated'] === true,
      comment: type.comment ?? '',
      position: this.position(this.positions.names, scoped),
    };
  }

  private position(from: Map<string, Position>, name: string): Position {
    return from.get(name) ?? { file: this.file.path, line: 1, column: 1 };
  }
}

function isOptional(field: protobuf.Field): boolean {
  return field.options?.['proto3_optional'] === true;
}

function cardinality(field: protobuf.Field, oneof: Oneof | undefined): Field['cardinality'] {
  if (field instanceof protobuf.MapField) return 'map';
  if (field.repeated) return 'repeated';
  if (oneof !== undefined) return 'oneof';
  return isOptional(field) ? 'optional' : 'implicit';
}

function fieldType(name: string): FieldType {
  if (SCALAR_NAMES.has(name)) return { kind: 'scalar', name: name as ScalarName };
  return { kind: 'unresolved', name };
}

function reservations(from: (number[] | string)[] | undefined): Reservations {
  const result: Reservations = { ranges: [], names: [] };
  for (const entry of from ?? []) {
    if (typeof entry === 'string') result.names.push(entry);
    else result.ranges.push({ from: entry[0]!, to: entry[1]! });
  }
  return result;
}

function scopedName(parent: MessageType | undefined, file: SchemaFile, name: string): string {
  if (parent === undefined) return name;
  const prefix = file.package === '' ? 0 : file.package.length + 1;
  return `${parent.fullName.slice(prefix)}.${name}`;
}

function qualified(packageName: string, name: string): string {
  return packageName === '' ? name : `${packageName}.${name}`;
}

/** proto3 JSON: an underscore goes, and the letter behind it becomes a capital (descriptor.proto, json_name). */
function lowerCamelCase(name: string): string {
  return name.replace(/_+(.?)/g, (_, letter: string) => letter.toUpperCase());
}
