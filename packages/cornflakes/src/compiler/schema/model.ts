// What a schema says, after parsing and linking: the only thing that code generation and the evolution check read.

import type { Diagnostic, Position } from './diagnostics.ts';

/** The scalar types of proto3, by their names in schemas. */
export type ScalarName =
  | 'int32'
  | 'uint32'
  | 'sint32'
  | 'fixed32'
  | 'sfixed32'
  | 'int64'
  | 'uint64'
  | 'sint64'
  | 'fixed64'
  | 'sfixed64'
  | 'float'
  | 'double'
  | 'bool'
  | 'string'
  | 'bytes';

export const SCALAR_NAMES: ReadonlySet<string> = new Set<ScalarName>([
  'int32',
  'uint32',
  'sint32',
  'fixed32',
  'sfixed32',
  'int64',
  'uint64',
  'sint64',
  'fixed64',
  'sfixed64',
  'float',
  'double',
  'bool',
  'string',
  'bytes',
]);

/** What a field holds (of a map: its value). A reference is filled in when the files are linked. */
export type FieldType =
  | { kind: 'scalar'; name: ScalarName }
  | { kind: 'message'; message: MessageType }
  | { kind: 'enum'; enum: EnumType }
  | { kind: 'unresolved'; name: string };

/**
 * How often a field occurs: `implicit` is proto3's plain field, whose zero is not told from absence;
 * members of a oneof are `oneof`.
 */
export type Cardinality = 'implicit' | 'optional' | 'repeated' | 'map' | 'oneof';

export interface Field {
  /** As in the schema. */
  name: string;
  /** As in proto3 JSON: `json_name`, else lowerCamelCase. */
  jsonName: string;
  number: number;
  cardinality: Cardinality;
  type: FieldType;
  /** Of a map. */
  keyType: ScalarName | undefined;
  /** Of a member of a oneof. */
  oneof: Oneof | undefined;
  deprecated: boolean;
  comment: string;
  position: Position;
  numberPosition: Position;
  typePosition: Position;
}

export interface Oneof {
  name: string;
  fields: Field[];
  comment: string;
  position: Position;
}

export interface MessageType {
  kind: 'message';
  name: string;
  /** With the package, without a leading dot. */
  fullName: string;
  file: SchemaFile;
  /** The message it is declared in. */
  parent: MessageType | undefined;
  /** In the order of their numbers. */
  fields: Field[];
  oneofs: Oneof[];
  messages: MessageType[];
  enums: EnumType[];
  reserved: Reservations;
  deprecated: boolean;
  comment: string;
  position: Position;
}

export interface EnumValue {
  name: string;
  number: number;
  deprecated: boolean;
  comment: string;
  position: Position;
}

export interface EnumType {
  kind: 'enum';
  name: string;
  fullName: string;
  file: SchemaFile;
  parent: MessageType | undefined;
  /** In the order of the schema. */
  values: EnumValue[];
  reserved: Reservations;
  deprecated: boolean;
  comment: string;
  position: Position;
}

/** Numbers (inclusive ranges) and names that must not be used again. */
export interface Reservations {
  ranges: { from: number; to: number }[];
  names: string[];
}

export interface Import {
  file: SchemaFile;
  public: boolean;
  position: Position;
}

export interface SchemaFile {
  /** As other files import it: relative to an import path, with `/`. Decides where the output goes. */
  importName: string;
  /** Where it was found. */
  path: string;
  package: string;
  imports: Import[];
  messages: MessageType[];
  enums: EnumType[];
  /** It is proto2: imported for its custom options, which are skipped; its types cannot be used. */
  optionsOnly: boolean;
}

/** Files with everything they import. */
export interface Schema {
  /** Those asked for, in the order asked. */
  files: SchemaFile[];
  /** Those and everything they import, dependencies first. */
  all: SchemaFile[];
  /** What was skipped. */
  notes: Diagnostic[];
}

/** Messages of a file, nested ones after the message they are declared in. */
export function allMessages(file: SchemaFile): MessageType[] {
  const found: MessageType[] = [];
  const visit = (message: MessageType): void => {
    found.push(message);
    message.messages.forEach(visit);
  };
  file.messages.forEach(visit);
  return found;
}

/** Enums of a file, those of messages behind those of the file. */
export function allEnums(file: SchemaFile): EnumType[] {
  return [...file.enums, ...allMessages(file).flatMap(message => message.enums)];
}

/** The type's name as a schema writes it. */
export function typeName(type: FieldType): string {
  if (type.kind === 'scalar' || type.kind === 'unresolved') return type.name;
  return type.kind === 'message' ? type.message.fullName : type.enum.fullName;
}
