// Schemas nobody wrote, and values for them: every kind of field, numbers with holes, names in each other's way.

import fc from 'fast-check';
import type { JsonValue } from '../../src/index.ts';
import { WELL_KNOWN } from './well-known-values.ts';

const SCALARS = [
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
];
const KEYS = SCALARS.filter(name => name !== 'float' && name !== 'double' && name !== 'bytes');
/** Without `constructor`: protobufjs takes the inherited one for a value. golden/names.proto has it. */
const NAMES = [
  ...['a', 'b', 'has_a', 'clear_a', 'a_field', 'a_number', 'value', 'key', 'type', 'length', 'name', 'class'],
  ...['to_string', 'prototype', 'source', 'release', 'read', 'present0', 'unknown', 'default'],
  ...[
    'first_name',
    'x1',
    'y_2',
    'of',
    'get',
    'set',
    'this',
    'new',
    'live',
    'root',
    'measure',
    'load',
    'await',
  ],
  ...Array.from({ length: 40 }, (_, at) => `field_${String.fromCharCode(97 + (at % 26))}${at}`),
];
const ENUM_VALUES: Record<string, number> = { NOTHING: 0, SOME: 1, MUCH: 2_147_483_647, LESS: -7 };

export type Label = 'implicit' | 'optional' | 'repeated' | 'map' | 'oneof';

export interface RandomField {
  name: string;
  number: number;
  label: Label;
  /** A scalar, `E` for the enum, `M0`, `M1`, … for a message, or a well-known type without its package. */
  type: string;
  key: string;
}

/** Messages `M0`, `M1`, … */
export type RandomSchema = RandomField[][];

const number = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 1, max: 40 }) },
  { weight: 2, arbitrary: fc.integer({ min: 1, max: 300 }) },
  { weight: 1, arbitrary: fc.integer({ min: 301, max: 18_999 }) },
  { weight: 1, arbitrary: fc.integer({ min: 20_000, max: 2 ** 29 - 1 }) },
);

function field(messages: number): fc.Arbitrary<RandomField> {
  const references = ['E', ...Array.from({ length: messages }, (_, at) => `M${at}`)];
  return fc.record({
    name: fc.constantFrom(...NAMES),
    number,
    label: fc.constantFrom<Label>('implicit', 'implicit', 'optional', 'repeated', 'map', 'oneof'),
    type: fc.oneof(
      { weight: 8, arbitrary: fc.constantFrom(...SCALARS) },
      { weight: 2, arbitrary: fc.constantFrom(...references) },
      { weight: 1, arbitrary: fc.constantFrom(...Object.keys(WELL_KNOWN)) },
    ),
    key: fc.constantFrom(...KEYS),
  });
}

export const randomSchema: fc.Arbitrary<RandomSchema> = fc.integer({ min: 1, max: 4 }).chain(messages =>
  fc.array(
    fc
      .uniqueArray(field(messages), { maxLength: 45, selector: one => one.number })
      .map(fields => fields.filter((one, at) => fields.findIndex(other => other.name === one.name) === at)),
    { minLength: messages, maxLength: messages },
  ),
);

/** The schema as text, its fields in the order they were drawn. */
export function schemaText(schema: RandomSchema, packageName: string): string {
  const values = Object.keys(ENUM_VALUES).map(name => `  ${name} = ${ENUM_VALUES[name]};`);
  const messages = schema.flatMap((fields, at) => [
    `message M${at} {`,
    ...fields.filter(one => one.label !== 'oneof').map(one => `  ${fieldText(one)}`),
    ...oneofText(fields.filter(one => one.label === 'oneof')),
    '}',
  ]);
  const imports = [...new Set(Object.values(WELL_KNOWN).map(({ file }) => file))];
  const head = [
    'syntax = "proto3";',
    `package ${packageName};`,
    ...imports.map(file => `import "google/protobuf/${file}.proto";`),
    ...['enum E {', ...values, '}'],
  ];
  return `${[...head, ...messages].join('\n')}\n`;
}

function fieldText({ name, number, label, type: short, key }: RandomField): string {
  const type = Object.hasOwn(WELL_KNOWN, short) ? `google.protobuf.${short}` : short;
  if (label === 'map') return `map<${key}, ${type}> ${name} = ${number};`;
  return `${label === 'optional' || label === 'repeated' ? `${label} ` : ''}${type} ${name} = ${number};`;
}

/** Two oneofs where there is enough for two. */
function oneofText(fields: readonly RandomField[]): string[] {
  const half = fields.length >> 1;
  const groups = half === 0 ? [fields] : [fields.slice(0, half), fields.slice(half)];
  return groups
    .filter(group => group.length > 0)
    .flatMap((group, at) => [`  oneof choice_${at} {`, ...group.map(one => `    ${fieldText(one)}`), '  }']);
}

/** proto3's JSON name. */
export function jsonName(name: string): string {
  return name.replace(/_+(.?)/g, (_, letter: string) => letter.toUpperCase());
}

const MAX_DEPTH = 3;

/** Values of message `index`, as proto3 JSON. */
export function randomValue(schema: RandomSchema, index: number, depth = 0): fc.Arbitrary<JsonValue> {
  const fields = schema[index]!.filter(one => depth < MAX_DEPTH || !one.type.startsWith('M'));
  const oneofs = oneofGroups(fields);
  const record: Record<string, fc.Arbitrary<JsonValue>> = {};
  for (const one of fields) record[jsonName(one.name)] = fieldValue(schema, one, depth);
  return fc
    .record(record, { requiredKeys: [] })
    .chain(value =>
      fc.array(fc.nat(), { minLength: 2, maxLength: 2 }).map(picks => onlyOne(value, oneofs, picks)),
    );
}

/** JSON names of the members of each oneof, grouped as {@link schemaText} groups all of them. */
function oneofGroups(fields: readonly RandomField[]): string[][] {
  // Fewer groups than in the schema are safe: at most one member of all is kept.
  return [fields.filter(one => one.label === 'oneof').map(one => jsonName(one.name))];
}

function onlyOne(
  value: Record<string, JsonValue | undefined>,
  oneofs: string[][],
  picks: number[],
): JsonValue {
  const result: Record<string, JsonValue> = {};
  for (const [name, one] of Object.entries(value)) if (one !== undefined) result[name] = one;
  oneofs.forEach((names, at) => {
    const present = names.filter(name => Object.hasOwn(result, name));
    present.splice(picks[at]! % Math.max(1, present.length), 1);
    for (const name of present) delete result[name];
  });
  return result;
}

function fieldValue(schema: RandomSchema, one: RandomField, depth: number): fc.Arbitrary<JsonValue> {
  const single = typeValue(schema, one.type, depth);
  if (one.label === 'repeated') return fc.array(single, { maxLength: 5 });
  if (one.label !== 'map') return single;
  return fc.dictionary(keyValue(one.key), single, { maxKeys: 4, noNullPrototype: true });
}

/** protobufjs leaves out entries under `__proto__`; ours are tested in use.test.ts. */
function keyValue(key: string): fc.Arbitrary<string> {
  return (scalarValue(key) as fc.Arbitrary<JsonValue>).map(String).filter(text => text !== '__proto__');
}

function typeValue(schema: RandomSchema, type: string, depth: number): fc.Arbitrary<JsonValue> {
  if (type === 'E') return fc.oneof(fc.constantFrom(...Object.keys(ENUM_VALUES)), fc.constant(4711));
  if (Object.hasOwn(WELL_KNOWN, type)) return WELL_KNOWN[type]!.value;
  if (type.startsWith('M')) return randomValue(schema, Number(type.slice(1)), depth + 1);
  return scalarValue(type);
}

function scalarValue(type: string): fc.Arbitrary<JsonValue> {
  switch (type) {
    case 'bool':
      return fc.boolean();
    case 'string':
      return fc.string({ unit: 'grapheme', maxLength: 20 });
    case 'bytes':
      return fc.uint8Array({ maxLength: 700 }).map(bytes => Buffer.from(bytes).toString('base64'));
    case 'float':
      return fc.float().map(special);
    case 'double':
      return fc.double().map(special);
    case 'uint64':
    case 'fixed64':
      return fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(String);
    case 'int64':
    case 'sint64':
    case 'sfixed64':
      return fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String);
    case 'uint32':
    case 'fixed32':
      return fc.integer({ min: 0, max: 2 ** 32 - 1 });
    default:
      return fc.integer();
  }
}

/** Without -0, which protobufjs takes for the default and leaves out; it has a test in use.test.ts. */
function special(value: number): JsonValue {
  return Number.isFinite(value) ? value + 0 : String(value);
}
