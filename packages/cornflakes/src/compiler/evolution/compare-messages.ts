// Changes of one message's fields. Fields are matched by number: that is what the wire has.

import { type EnumType, type Field, type MessageType, type ScalarName, typeName } from '../schema/model.ts';
import type { Changes } from './compare.ts';
import { isReferenceFormat } from './reference-format.ts';
import { isReserved } from './reserved.ts';

type SameType = (a: MessageType | EnumType, b: MessageType | EnumType) => boolean;

export function compareMessages(
  before: MessageType,
  after: MessageType,
  sameType: SameType,
  changes: Changes,
): void {
  const name = after.fullName;
  for (const field of after.fields) {
    const old = before.fields.find(one => one.number === field.number);
    if (old === undefined) added(name, field, before, after, changes);
    else compareFields(name, old, field, sameType, changes);
  }
  compareFormats(before, after, changes);
  for (const field of before.fields) {
    if (!after.fields.some(one => one.number === field.number)) removed(name, field, before, after, changes);
  }
}

function added(name: string, field: Field, before: MessageType, after: MessageType, changes: Changes): void {
  const moved = before.fields.find(one => one.name === field.name);
  const what = `${name}.${field.name}`;
  if (moved !== undefined) {
    changes.breaking(field.numberPosition, `${what} was number ${moved.number} and is now ${field.number}`);
  } else if (isReserved(before.reserved, field.number)) {
    changes.breaking(field.numberPosition, `${what} uses the reserved number ${field.number}`);
  } else if (before.reserved.names.includes(field.name)) {
    changes.breaking(field.position, `${what} uses a reserved name`);
  } else {
    addedUnreserved(what, field, before, after, changes);
  }
}

/** A reader of the reference's format cannot step over a field that it does not know: it does not know its size. */
function addedUnreserved(
  what: string,
  field: Field,
  before: MessageType,
  after: MessageType,
  changes: Changes,
): void {
  const behind = before.fields.find(one => one.number > field.number);
  if (!isReferenceFormat(after)) {
    changes.compatible(field.position, `${what} is new; old readers keep it unread`);
  } else if (behind === undefined) {
    changes.compatible(field.position, `${what} is new; old readers drop it (reference format)`);
  } else {
    const message = `${what} is new and stands before ${behind.name}: in the reference format old readers reject it`;
    changes.breaking(field.numberPosition, message);
  }
}

function compareFormats(before: MessageType, after: MessageType, changes: Changes): void {
  const [from, to] = [isReferenceFormat(before), isReferenceFormat(after)];
  if (from === to) return;
  const message = `${after.fullName} is now written in the ${to ? 'reference' : 'extended'} format`;
  changes.compatible(after.position, message);
}

function removed(
  name: string,
  field: Field,
  before: MessageType,
  after: MessageType,
  changes: Changes,
): void {
  // A field with the same name and another number is reported where it is now.
  if (after.fields.some(one => one.name === field.name)) return;
  const what = `${name}.${field.name}`;
  const behind = after.fields.find(one => one.number > field.number);
  if (behind !== undefined && isReferenceFormat(before)) {
    const message = `${what} is gone from before ${behind.name}: in the reference format new readers reject old messages`;
    changes.breaking(field.position, message);
  } else if (isReserved(after.reserved, field.number)) {
    changes.compatible(field.position, `${what} is gone and its number reserved`);
  } else {
    const message = `${what} is gone; reserve its number ${field.number}, or it may be used again`;
    changes.breaking(field.position, message);
  }
}

function compareFields(
  name: string,
  before: Field,
  after: Field,
  sameType: SameType,
  changes: Changes,
): void {
  const what = `${name}.${after.name}`;
  if (before.name !== after.name && before.jsonName !== after.jsonName) {
    const message = `${what} was called ${before.name}: the wire has no names, JSON and programs do`;
    changes.breaking(after.position, message);
  } else if (before.jsonName !== after.jsonName) {
    changes.breaking(
      after.position,
      `${what} was '${before.jsonName}' in JSON and is now '${after.jsonName}'`,
    );
  } else if (before.name !== after.name) {
    changes.compatible(after.position, `${what} was called ${before.name}`);
  }
  const [oldShape, newShape] = [shape(before), shape(after)];
  if (oldShape !== newShape) {
    changes.breaking(after.typePosition, `${what} was ${oldShape} and is now ${newShape}`);
  } else if (!sameFieldType(before, after, sameType)) {
    changes.breaking(after.typePosition, `${what} was ${describe(before)} and is now ${describe(after)}`);
  } else if (describe(before) !== describe(after)) {
    changes.compatible(after.typePosition, `${what} was ${describe(before)} and is now ${describe(after)}`);
  }
  compareOneof(what, before, after, changes);
  compareOptional(what, before, after, changes);
}

/** What the wire tells apart. */
function shape({ cardinality }: Field): string {
  return cardinality === 'repeated' ? 'repeated' : cardinality === 'map' ? 'a map' : 'a single value';
}

function sameFieldType(before: Field, after: Field, sameType: SameType): boolean {
  if (before.keyType !== undefined && after.keyType !== undefined) {
    if (scalarClass(before.keyType) !== scalarClass(after.keyType)) return false;
  }
  const [a, b] = [before.type, after.type];
  if (a.kind === 'scalar' && b.kind === 'scalar') return scalarClass(a.name) === scalarClass(b.name);
  if (a.kind === 'message' && b.kind === 'message') return sameType(a.message, b.message);
  return a.kind === 'enum' && b.kind === 'enum' && sameType(a.enum, b.enum);
}

/** Types of one class have the same bytes, the same values and the same JSON. */
function scalarClass(name: ScalarName): string {
  if (name === 'sint32' || name === 'sfixed32') return 'int32';
  if (name === 'sint64' || name === 'sfixed64') return 'int64';
  return name === 'fixed32' ? 'uint32' : name === 'fixed64' ? 'uint64' : name;
}

function describe(field: Field): string {
  const type = typeName(field.type);
  return field.keyType === undefined ? type : `map<${field.keyType}, ${type}>`;
}

function compareOneof(what: string, before: Field, after: Field, changes: Changes): void {
  const [from, to] = [before.oneof, after.oneof];
  if (from?.name === to?.name) return;
  if (from === undefined && to !== undefined) {
    if (to.fields.length === 1)
      changes.compatible(after.position, `${what} is now alone in oneof ${to.name}`);
    else
      changes.breaking(
        after.position,
        `${what} is now in oneof ${to.name}: setting another member clears it`,
      );
  } else if (from !== undefined && to === undefined) {
    changes.breaking(
      after.position,
      `${what} has left oneof ${from.name}: readers may find it beside other members`,
    );
  } else {
    // Renaming a whole oneof changes programs, not data.
    const numbers = new Set(from!.fields.map(field => field.number));
    const whole = to!.fields.every(field => numbers.has(field.number));
    const message = `${what} was in oneof ${from!.name} and is now in ${to!.name}`;
    if (whole) changes.compatible(after.position, message);
    else changes.breaking(after.position, message);
  }
}

function compareOptional(what: string, before: Field, after: Field, changes: Changes): void {
  const [from, to] = [before.cardinality === 'optional', after.cardinality === 'optional'];
  if (from === to || shape(before) !== shape(after)) return;
  changes.compatible(after.position, `${what} is ${to ? 'now' : 'no longer'} optional`);
}
