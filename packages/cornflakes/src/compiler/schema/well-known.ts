// The schemas that programs import without having them: google/protobuf/*.proto.
// Declarations as the Protocol Buffers reference ("Well-Known Types") gives them; the words are ours.

import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import type { SourceText } from './load.ts';

const HEAD = 'syntax = "proto3";\npackage google.protobuf;\n';

const TEXTS: Record<string, string> = {
  'google/protobuf/any.proto': `${HEAD}
// A message of any type beside the type's name.
message Any {
  // A URL whose last segment is the full name of the type.
  string type_url = 1;
  // The message, serialized.
  bytes value = 2;
}
`,
  'google/protobuf/duration.proto': `${HEAD}
// A signed span of time.
message Duration {
  // Whole seconds, of either sign; about 10,000 years at most.
  int64 seconds = 1;
  // The rest in nanoseconds, of the same sign as the seconds.
  int32 nanos = 2;
}
`,
  'google/protobuf/empty.proto': `${HEAD}
// Nothing, where a message is asked for.
message Empty {}
`,
  'google/protobuf/field_mask.proto': `${HEAD}
// Names fields of a message, each as a path of names with dots.
message FieldMask {
  repeated string paths = 1;
}
`,
  'google/protobuf/struct.proto': `${HEAD}
// What JSON calls an object.
message Struct {
  map<string, Value> fields = 1;
}

// Any value that JSON can hold.
message Value {
  oneof kind {
    NullValue null_value = 1;
    double number_value = 2;
    string string_value = 3;
    bool bool_value = 4;
    Struct struct_value = 5;
    ListValue list_value = 6;
  }
}

// JSON's null.
enum NullValue {
  NULL_VALUE = 0;
}

// What JSON calls an array.
message ListValue {
  repeated Value values = 1;
}
`,
  'google/protobuf/timestamp.proto': `${HEAD}
// A point in time, in UTC without leap seconds.
message Timestamp {
  // Whole seconds since 1970-01-01T00:00:00Z.
  int64 seconds = 1;
  // The rest in nanoseconds, never negative.
  int32 nanos = 2;
}
`,
  'google/protobuf/wrappers.proto': `${HEAD}
// A double that may be absent.
message DoubleValue { double value = 1; }

// A float that may be absent.
message FloatValue { float value = 1; }

// An int64 that may be absent.
message Int64Value { int64 value = 1; }

// A uint64 that may be absent.
message UInt64Value { uint64 value = 1; }

// An int32 that may be absent.
message Int32Value { int32 value = 1; }

// A uint32 that may be absent.
message UInt32Value { uint32 value = 1; }

// A bool that may be absent.
message BoolValue { bool value = 1; }

// A string that may be absent.
message StringValue { string value = 1; }

// Bytes that may be absent.
message BytesValue { bytes value = 1; }
`,
};

/** The text of a well-known schema: ours, or one that the parser's package carries. */
export function wellKnown(importName: string): SourceText | undefined {
  if (Object.hasOwn(TEXTS, importName)) return { path: importName, text: TEXTS[importName]! };
  if (!/^google\/[a-z_/]+\.proto$/.test(importName)) return undefined;
  const directory = path.dirname(createRequire(import.meta.url).resolve('protobufjs/package.json'));
  const file = path.join(directory, importName);
  return existsSync(file) ? { path: importName, text: readFileSync(file, 'utf8') } : undefined;
}
