// Names of a generated class's members. A field brings several (`x`, `hasX`, `clearX`, `_x`); none may hide what
// the runtime's base class or Object.prototype has, nor another field's.

import type { Field, MessageType, Oneof } from '../schema/model.ts';
import { camelCase, capitalized, NameScope } from './names.ts';

/** Members of the runtime's `Message` (member-names.test.ts compares), and what a generated class declares itself. */
export const BASE_MEMBERS: ReadonlySet<string> = new Set(
  (
    'constructor type internals lost copyThresholdBytes measuredBytes writtenBytes clearFields load ' +
    'measure emit clear release tryRead copiedBytes byteLength write gather toIovec toBytes toJSON ' +
    // Static ones, and names kept for later.
    'acquire read fromJSON source retain measureList countLists'
  ).split(' '),
);

export interface MemberNames {
  /** The accessor's name of each field. */
  fields: Map<Field, string>;
  /** The stem of each oneof: `choice` of `choiceCase` and `clearChoice`. */
  oneofs: Map<Oneof, string>;
}

/** More presence words than a class can have: their names are never given to fields. */
const MAX_PRESENT_WORDS = 72;

/**
 * Names are given in the order of the fields' numbers, a oneof's right before its first member's: so what is added with
 * higher numbers renames nothing.
 */
export function memberNames(message: MessageType): MemberNames {
  const scope = new NameScope([...BASE_MEMBERS, ...Object.getOwnPropertyNames(Object.prototype)]);
  for (let word = 0; word < MAX_PRESENT_WORDS; word++) scope.take(`present${word}`);
  const fields = new Map<Field, string>();
  const oneofs = new Map<Oneof, string>();
  for (const field of message.fields) {
    const { oneof } = field;
    if (oneof !== undefined && !oneofs.has(oneof)) {
      const derived = (name: string): string[] => [`${name}Case`, `clear${capitalized(name)}`];
      oneofs.set(oneof, scope.takeAll(camelCase(oneof.name), derived));
    }
    fields.set(
      field,
      scope.takeAll(camelCase(field.name), name => membersOf(field, name)),
    );
  }
  return { fields, oneofs };
}

function membersOf(field: Field, name: string): string[] {
  const capital = capitalized(name);
  const members = [name, `_${name}`];
  if (field.cardinality === 'repeated') return members;
  if (field.cardinality === 'map') return [...members, `get${capital}`, `set${capital}`, `mutable${capital}`];
  members.push(`has${capital}`, `clear${capital}`);
  if (field.type.kind === 'message') return [...members, `mutable${capital}`];
  if (field.type.kind !== 'scalar') return members;
  if (field.type.name === 'string' || field.type.name === 'bytes') return [...members, `${name}Field`];
  if (field.type.name.endsWith('64')) {
    return [...members, `${name}Number`, `_${name}Low`, `_${name}High`];
  }
  return members;
}
