// Values of the well-known types, as the JSON that only they have.

import fc from 'fast-check';
import type { JsonValue } from '../../src/index.ts';

/** By the name of the type: the file that declares it, and its values. */
export const WELL_KNOWN: Record<string, { file: string; value: fc.Arbitrary<JsonValue> }> = {
  Timestamp: { file: 'timestamp', value: timestamp() },
  Duration: { file: 'duration', value: duration() },
  FieldMask: { file: 'field_mask', value: fc.constantFrom('', 'a', 'a.bC,dE') },
  Empty: { file: 'empty', value: fc.constant({}) },
  Struct: { file: 'struct', value: struct() },
  Value: { file: 'struct', value: anything() },
  ListValue: { file: 'struct', value: fc.array(anything(), { maxLength: 4 }) },
  BoolValue: { file: 'wrappers', value: fc.boolean() },
  StringValue: { file: 'wrappers', value: fc.string({ maxLength: 9 }) },
  BytesValue: { file: 'wrappers', value: fc.constantFrom('', 'AQID', '/+8=') },
  Int32Value: { file: 'wrappers', value: fc.integer() },
  UInt32Value: { file: 'wrappers', value: fc.integer({ min: 0, max: 2 ** 32 - 1 }) },
  Int64Value: { file: 'wrappers', value: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String) },
  UInt64Value: { file: 'wrappers', value: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(String) },
  FloatValue: { file: 'wrappers', value: fc.constantFrom(0, 0.5, -3, 'NaN', 'Infinity') },
  DoubleValue: { file: 'wrappers', value: fc.constantFrom(0, 0.1, -1e300, 'NaN', '-Infinity') },
};

function timestamp(): fc.Arbitrary<JsonValue> {
  const times = fc.date({
    min: new Date('0001-01-01T00:00:00Z'),
    max: new Date('9999-12-31T23:59:59Z'),
    noInvalidDate: true,
  });
  return fc.tuple(times, nanos()).map(([time, part]) => time.toISOString().replace(/\.\d+Z$/, `${part}Z`));
}

function duration(): fc.Arbitrary<JsonValue> {
  return fc
    .tuple(fc.constantFrom('', '-'), fc.integer({ min: 0, max: 315_576_000_000 - 1 }), nanos())
    .map(([sign, seconds, part]) => (seconds === 0 && part === '' ? '0s' : `${sign}${seconds}${part}s`));
}

/** As JSON prints them: none, 3, 6 or 9 digits. */
function nanos(): fc.Arbitrary<string> {
  return fc.constantFrom('', '.500', '.001', '.000001', '.123456789', '.999999999');
}

function anything(): fc.Arbitrary<JsonValue> {
  // -0 is no value of its own in JSON; names of prototypes are tested in use.test.ts.
  return fc
    .jsonValue({ maxDepth: 2, noUnicodeString: false })
    .map(value => JSON.parse(plain(value)) as JsonValue);
}

function struct(): fc.Arbitrary<JsonValue> {
  return fc
    .dictionary(fc.string({ maxLength: 5 }), anything(), { maxKeys: 3 })
    .map(value => JSON.parse(plain(value)) as JsonValue);
}

function plain(value: unknown): string {
  return JSON.stringify(value).replaceAll('__proto__', 'proto');
}
