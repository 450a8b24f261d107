// The object protocol of the key-value store: what can be asked for, how it can end, in which serializations, and how much.
// The messages are apps/schemas/kv.proto and its likes; codecs.ts finds who writes and reads them.

/** The serializations. */
export const OBJECT_PROTOCOLS = [
  'cornflakes',
  'protobufjs',
  'protobuf-es',
  'flatbuffers',
  'capnp',
  'json',
  'raw',
] as const;

export type ObjectProtocol = (typeof OBJECT_PROTOCOLS)[number];

/** The first value of a key. */
export const GET = 1;
/** Gives a key a value, or a list of them. */
export const PUT = 2;
/** All values of a key. */
export const GET_LIST = 3;
/** The first value of each of several keys. */
export const GET_M = 4;

export const STATUS_OK = 0;
/** There is no such key; of several, not every one. */
export const STATUS_NOT_FOUND = 1;
/** Memory is used up. */
export const STATUS_NO_MEMORY = 2;
/** A key, a value or the whole reply is too long. */
export const STATUS_TOO_LONG = 3;
/** The request makes no sense. */
export const STATUS_INVALID = 4;

/** Keys or values in one message. */
export const MAX_BLOBS = 1024;
/** Longest message, on the wire. */
export const MAX_MESSAGE_BYTES: number = 1 << 20;
/** Longest key. */
export const MAX_KEY_BYTES = 1023;
/** Values of one reply together; the rest of a message is its header. */
export const MAX_REPLY_BYTES: number = MAX_MESSAGE_BYTES / 2;
