// UTF-8, both ways, between JavaScript strings and memory. Short ASCII goes byte by byte: a call into Node costs more
// than the sixty-odd bytes it would save.

import { Buffer, isUtf8 } from 'node:buffer';
import { BAD_UTF8, MalformedMessageError } from './error.ts';

/** Up to this many characters are looked at one by one. */
const SHORT = 64;

/** Bytes of `text` in UTF-8; an unpaired surrogate counts as the replacement character it becomes. */
export function utf8Length(text: string): number {
  const length = text.length;
  if (length > SHORT) return Buffer.byteLength(text);
  let bytes = length;
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x80) continue;
    if (code < 0x800) bytes++;
    else {
      bytes += 2;
      // A pair is two units and four bytes: two units already counted, two bytes more, and none for the second unit.
      if (code >= 0xd800 && code < 0xdc00 && i + 1 < length) {
        const next = text.charCodeAt(i + 1);
        if (next >= 0xdc00 && next < 0xe000) i++;
      }
    }
  }
  return bytes;
}

/** What every `Buffer` has and the type declarations leave out: text of a range, without a view. */
interface SlicingBuffer extends Buffer {
  latin1Slice(start: number, end: number): string;
  utf8Slice(start: number, end: number): string;
}

let lastBuffer: SlicingBuffer = Buffer.alloc(0) as SlicingBuffer;

/** The same memory as a `Buffer`: its text methods take offsets where `TextDecoder` wants a view. */
function bufferOver(bytes: Uint8Array): SlicingBuffer {
  if (lastBuffer.buffer !== bytes.buffer || lastBuffer.byteOffset !== bytes.byteOffset) {
    lastBuffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength) as SlicingBuffer;
  }
  return lastBuffer;
}

/** Writes `text`, whose UTF-8 is `byteLength` long, at `start` of `bytes`. */
export function writeUtf8(text: string, bytes: Uint8Array, start: number, byteLength: number): void {
  if (byteLength === text.length && byteLength <= SHORT) {
    for (let i = 0; i < byteLength; i++) bytes[start + i] = text.charCodeAt(i);
    return;
  }
  bufferOver(bytes).write(text, start, byteLength, 'utf8');
}

/**
 * The text of `length` bytes at `start`.
 *
 * @throws MalformedMessageError BAD_UTF8
 */
export function readUtf8(bytes: Uint8Array, start: number, length: number): string {
  if (length === 0) return '';
  const end = start + length;
  if (length <= SHORT) {
    let all = 0;
    for (let i = start; i < end; i++) all |= bytes[i]!;
    if (all < 0x80) return bufferOver(bytes).latin1Slice(start, end);
  }
  const text = bufferOver(bytes).utf8Slice(start, end);
  // What is not UTF-8 was replaced by U+FFFD, which may also stand in the text itself.
  if (text.includes('\ufffd') && !isUtf8(bytes.subarray(start, end))) {
    throw new MalformedMessageError('string', BAD_UTF8);
  }
  return text;
}
