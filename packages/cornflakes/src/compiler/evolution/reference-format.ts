// Which messages are written in the reference's wire format: those that need nothing beyond it, and neither does
// anything that they contain (docs/wire-format.md). In that format a reader cannot skip a field.

import type { Field, MessageType } from '../schema/model.ts';

const SCALARS: ReadonlySet<string> = new Set(['int32', 'uint32', 'int64', 'uint64', 'float']);
const MAX_NUMBER = 32;

export function isReferenceFormat(message: MessageType, seen: Set<MessageType> = new Set()): boolean {
  if (seen.has(message)) return true;
  seen.add(message);
  return message.fields.every(field => isReferenceField(field, seen));
}

function isReferenceField({ number, cardinality, type }: Field, seen: Set<MessageType>): boolean {
  if (number > MAX_NUMBER || (cardinality !== 'implicit' && cardinality !== 'repeated')) return false;
  if (type.kind === 'message') return isReferenceFormat(type.message, seen);
  if (type.kind !== 'scalar') return false;
  if (type.name === 'string' || type.name === 'bytes') return true;
  return cardinality === 'implicit' && SCALARS.has(type.name);
}
