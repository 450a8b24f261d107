// The log service's protocol: frames in both directions, a length of four bytes (little-endian, of what follows), a kind,
// a body.

import { ByteBuffer } from '../http/byte-buffer.ts';

/** Request: append the body. Answer: a position, eight bytes, once that is durable. */
export const APPEND = 1;
/** Request: a position (8 bytes; 0 is the oldest record) and a count (4): the next records, as they come. */
export const READ = 2;
/** Answer: a position and the record there. */
export const RECORD = 3;
/** Answer: an errno, four bytes. The connection is then closed. */
export const FAILED = 4;

/** Longest body; longer frames end the connection. */
export const LARGEST_BODY_BYTES: number = 1 << 20;
/** Length and kind. */
export const HEAD_BYTES = 5;

/** Takes frames out of a stream, however it is cut. */
export class FrameReader {
  private readonly gathered: ByteBuffer;
  private at: number;
  /** A frame was too long: nothing more is read. */
  broken: boolean;
  kind: number;
  /** The last frame's body; valid until the next call. */
  body: Uint8Array;

  constructor() {
    this.gathered = new ByteBuffer();
    this.at = 0;
    this.broken = false;
    this.kind = 0;
    this.body = new Uint8Array(0);
  }

  /** Bytes that have been added and are not in a frame yet. */
  get heldBytes(): number {
    return this.gathered.lengthBytes - this.at;
  }

  add(bytes: Uint8Array): void {
    const { gathered } = this;
    if (this.at > 0) {
      gathered.bytes.copyWithin(0, this.at, gathered.lengthBytes);
      gathered.lengthBytes -= this.at;
      this.at = 0;
    }
    gathered.append(bytes, 0, bytes.length);
  }

  /** Whether there is a whole frame, now in `kind` and `body`. */
  next(): boolean {
    const { bytes, lengthBytes } = this.gathered;
    const left = lengthBytes - this.at;
    if (this.broken || left < HEAD_BYTES) return false;
    const view = new DataView(bytes.buffer, bytes.byteOffset + this.at);
    const length = view.getUint32(0, true);
    this.broken = length < 1 || length > LARGEST_BODY_BYTES + 1;
    if (this.broken || left < 4 + length) return false;
    this.kind = view.getUint8(4);
    this.body = bytes.subarray(this.at + HEAD_BYTES, this.at + 4 + length);
    this.at += 4 + length;
    return true;
  }
}

/** Frames on their way out. */
export class FrameWriter {
  private readonly gathered: ByteBuffer;
  private readonly head: DataView;
  private readonly headBytes: Uint8Array;

  constructor() {
    this.gathered = new ByteBuffer();
    this.headBytes = new Uint8Array(HEAD_BYTES + 8);
    this.head = new DataView(this.headBytes.buffer);
  }

  get lengthBytes(): number {
    return this.gathered.lengthBytes;
  }

  /** A frame with a body. */
  frame(kind: number, body: Uint8Array): void {
    this.begin(kind, body.length, HEAD_BYTES);
    this.gathered.append(body, 0, body.length);
  }

  /** A frame that begins with a position; `rest` follows. */
  positioned(kind: number, position: number, rest: Uint8Array): void {
    this.head.setFloat64(HEAD_BYTES, position, true);
    this.begin(kind, 8 + rest.length, HEAD_BYTES + 8);
    this.gathered.append(rest, 0, rest.length);
  }

  private begin(kind: number, bodyBytes: number, headBytes: number): void {
    this.head.setUint32(0, 1 + bodyBytes, true);
    this.head.setUint8(4, kind);
    this.gathered.append(this.headBytes, 0, headBytes);
  }

  /** Everything so far, which is then forgotten. */
  take(): Uint8Array {
    const bytes = this.gathered.copy();
    this.gathered.clear();
    return bytes;
  }
}

/** The body of a READ request. */
export function readRequest(position: number, count: number): Uint8Array {
  const body = new Uint8Array(12);
  const view = new DataView(body.buffer);
  view.setFloat64(0, position, true);
  view.setUint32(8, count, true);
  return body;
}
