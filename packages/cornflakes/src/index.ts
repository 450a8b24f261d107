// The runtime that generated code stands on, and what applications use beside it. The compiler is at ./compiler.

export { type AnyMessage, anyTypes } from './any-types.ts';
export { debugging, type Finding } from './debug.ts';
export * from './error.ts';
export { BytesField, type BytesValue, StringField, type StringValue } from './fields/bytes-field.ts';
export { BlobList, BytesList, StringList } from './fields/bytes-list.ts';
export { MessageField } from './fields/message-field.ts';
export { MessageList } from './fields/message-list.ts';
export { BigIntList, NumberList } from './fields/scalar-lists.ts';
export {
  FRAGMENT_HEADER_BYTES,
  fragmentAt,
  fragmentCount,
  gatherMessage,
  MAX_FRAGMENTS,
  Reassembler,
  type ReassemblyOptions,
} from './fragments.ts';
export { Deframer, Framed, PREFIX_BYTES } from './framing.ts';
export { high64, int64, int64Number, low64, uint64, uint64Number } from './int64.ts';
export type { Internals } from './internals.ts';
export type { JsonValue } from './json-value.ts';
export type { FieldDescriptor } from './layout.ts';
export { Message } from './message.ts';
export { type EnumType, enumType, MessageType, type MessageTypeOptions } from './message-type.ts';
export { type AnySource, Source } from './source.ts';
export { BY_DEVICE, tuning } from './tuning.ts';
export type { UnknownFields } from './unknown-fields.ts';
export { DEFAULT_MAX_BYTES, DEFAULT_MAX_DEPTH, MAX_DEPTH, type ReadOptions } from './verify.ts';
export {
  BOOL,
  BYTES,
  DOUBLE,
  ENUM,
  FIXED32,
  FIXED64,
  FLOAT,
  INT32,
  INT64,
  MAP,
  MESSAGE,
  population,
  REPEATED,
  SFIXED32,
  SFIXED64,
  SINGULAR,
  SINT32,
  SINT64,
  STRING,
  UINT32,
  UINT64,
} from './wire.ts';
export { Writer } from './writer.ts';
