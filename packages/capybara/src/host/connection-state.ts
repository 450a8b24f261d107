// What travels: the stack's record of a connection, and the bytes that its application has saved.

/** A version, and how long the record is, in front of both. */
const HEAD_BYTES = 8;
const VERSION = 1;

export interface ConnectionState {
  record: Uint8Array;
  /** The application's. */
  saved: Uint8Array;
}

export function packState(record: Uint8Array, saved: Uint8Array): Uint8Array {
  const bytes = Buffer.allocUnsafe(HEAD_BYTES + record.length + saved.length);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  view.setUint32(0, VERSION, true);
  view.setUint32(4, record.length, true);
  bytes.set(record, HEAD_BYTES);
  bytes.set(saved, HEAD_BYTES + record.length);
  return bytes;
}

/** Takes a state apart, without copying; `undefined` when it is none. */
export function unpackState(bytes: Uint8Array): ConnectionState | undefined {
  if (bytes.length < HEAD_BYTES) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const recordBytes = view.getUint32(4, true);
  if (view.getUint32(0, true) !== VERSION || recordBytes > bytes.length - HEAD_BYTES) return undefined;
  return {
    record: bytes.subarray(HEAD_BYTES, HEAD_BYTES + recordBytes),
    saved: bytes.subarray(HEAD_BYTES + recordBytes),
  };
}
