// What changed between two states of a schema, and whether readers and writers of one still understand the other.
// A change breaks when bytes or JSON of one state mean something else, or nothing, to the other.

import type { Position } from '../schema/diagnostics.ts';
import {
  allEnums,
  allMessages,
  type EnumType,
  type MessageType,
  type Schema,
  type SchemaFile,
} from '../schema/model.ts';
import { compareEnums } from './compare-enums.ts';
import { compareMessages } from './compare-messages.ts';

/** One difference. */
export interface Change {
  breaking: boolean;
  message: string;
  /** In the new state; of what was removed, in the old one. */
  position: Position;
}

/** Collects changes. */
export class Changes {
  readonly list: Change[] = [];

  breaking(position: Position, message: string): void {
    this.list.push({ breaking: true, message, position });
  }

  compatible(position: Position, message: string): void {
    this.list.push({ breaking: false, message, position });
  }
}

/** Compares everything that the two states declare. */
export function compareSchemas(before: Schema, after: Schema): Change[] {
  const changes = new Changes();
  // Of one file each, types are matched without the package, so that a new package is one change and not all.
  const [oldPackage, newPackage] = [onlyPackage(before), onlyPackage(after)];
  const renamed = oldPackage !== newPackage;
  if (renamed && oldPackage !== undefined && newPackage !== undefined) {
    const position = { file: after.files[0]!.path, line: 1, column: 1 };
    changes.compatible(position, `package '${oldPackage}' is now '${newPackage}'`);
  }
  const ignorePackage = oldPackage !== undefined && newPackage !== undefined;
  const compared = new Set([...before.files, ...after.files]);
  // The dot keeps them from imported types with the same name.
  const key = (type: MessageType | EnumType): string =>
    ignorePackage && compared.has(type.file) ? `.${withoutPackage(type)}` : type.fullName;
  const sameType = (a: MessageType | EnumType, b: MessageType | EnumType): boolean => key(a) === key(b);

  const oldMessages = byKey(before.all.flatMap(allMessages), key);
  const newMessages = byKey(after.all.flatMap(allMessages), key);
  for (const [name, message] of newMessages) {
    const old = oldMessages.get(name);
    if (old === undefined) changes.compatible(message.position, `message ${message.fullName} is new`);
    else compareMessages(old, message, sameType, changes);
  }
  const oldEnums = byKey(before.all.flatMap(allEnums), key);
  const newEnums = byKey(after.all.flatMap(allEnums), key);
  for (const [name, type] of newEnums) {
    const old = oldEnums.get(name);
    if (old === undefined) changes.compatible(type.position, `enum ${type.fullName} is new`);
    else compareEnums(old, type, changes);
  }
  removed(oldMessages, newMessages, changes);
  removed(oldEnums, newEnums, changes);
  return changes.list;
}

function removed<T extends MessageType | EnumType>(
  before: Map<string, T>,
  after: Map<string, T>,
  changes: Changes,
): void {
  for (const [name, type] of before) {
    if (!after.has(name)) changes.breaking(type.position, `${type.kind} ${type.fullName} is gone`);
  }
}

function byKey<T>(types: readonly T[], key: (type: T) => string): Map<string, T> {
  return new Map(types.map(type => [key(type), type]));
}

function onlyPackage({ files }: Schema): string | undefined {
  return files.length === 1 ? files[0]!.package : undefined;
}

function withoutPackage(type: MessageType | EnumType): string {
  const { file }: { file: SchemaFile } = type;
  return file.package === '' ? type.fullName : type.fullName.slice(file.package.length + 1);
}
