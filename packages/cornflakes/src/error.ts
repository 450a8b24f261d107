// What reading can find wrong with a message, and the error that says so. Codes are small integers on the way, because
// a server that is sent rubbish should not build a string per message.

import { DemiError } from '@demikernel/memory';

/** The message is well formed. */
export const OK = 0;
/** An offset, length or count reaches outside the message. */
export const OUT_OF_BOUNDS = 1;
/** The first word of a header is none that this version knows. */
export const BAD_HEADER = 2;
/** Headers of two format versions in one message. */
export const MIXED_VERSIONS = 3;
/** Nested deeper than the limit. */
export const TOO_DEEP = 4;
/** Parts of the message are shared so often that reading it would cost more than its size. */
export const TOO_MUCH_WORK = 5;
/** A field has another kind on the wire than in the schema. */
export const WRONG_KIND = 6;
/** A field that the schema does not know stands before one that it knows, in the format that cannot skip it. */
export const UNKNOWN_FIELD = 7;
/** Two fields of one `oneof` are present. */
export const SEVERAL_OF_ONEOF = 8;
/** A packed list does not end with a whole element. */
export const BROKEN_LIST = 9;
/** The message is longer than the limit. */
export const TOO_LONG = 10;
/** Strict: parts overlap, or bytes belong to no part. */
export const NOT_CANONICAL = 11;
/** A string is not UTF-8. */
export const BAD_UTF8 = 12;

const DESCRIPTIONS: readonly string[] = [
  'it is well formed',
  'an offset, length or count reaches outside it',
  'a header begins with a word that no known version has',
  'its headers are of two format versions',
  'it is nested too deep',
  'its parts are shared so often that reading it costs more than its size',
  'a field has another kind on the wire than in the schema',
  'a field that the schema does not know stands before one that it knows',
  'two fields of one oneof are present',
  'a packed list does not end with a whole element',
  'it is longer than the limit',
  'its parts overlap, or bytes belong to no part',
  'a string is not UTF-8',
];

/** Thrown by `read`, and by accessors of messages that were read without verification. `reason` is one of the constants. */
export class MalformedMessageError extends DemiError {
  readonly reason: number;

  constructor(typeName: string, reason: number) {
    super('ERR_DEMI_MALFORMED_MESSAGE', `this is no ${typeName}: ${DESCRIPTIONS[reason]}`);
    this.name = 'MalformedMessageError';
    this.reason = reason;
  }
}
