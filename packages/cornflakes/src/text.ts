// UTF-8, both ways, between JavaScript strings and memory. Short ASCII goes byte by byte, because a call into Node costs
// more than it would save.

import { Buffer, isUtf8 } from 'node:buffer';
import { BAD_UTF8, MalformedMessageError } from './error.ts';

/** Up to this many characters are measured and written one by one. */
const SHORT = 64;
/** Up to this many characters a string is made here: half the time of a call into Node, and still flat. */
const TINY = 12;

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
  utf8Slice(start: number, end: number): string;
}

let lastBytes: Uint8Array = new Uint8Array(0);
let lastBuffer: SlicingBuffer = Buffer.alloc(0) as SlicingBuffer;

/** The same memory as a `Buffer`: its text methods take offsets where `TextDecoder` wants a view. */
function bufferOver(bytes: Uint8Array): SlicingBuffer {
  // A region has one array over all of it, and a process few regions.
  if (lastBytes !== bytes) {
    lastBytes = bytes;
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
  if (length <= TINY) {
    let all = 0;
    for (let i = start; i < end; i++) all |= bytes[i]!;
    if (all < 0x80) return tinyText(bytes, start, length);
  }
  const text = bufferOver(bytes).utf8Slice(start, end);
  // What is not UTF-8 was replaced by U+FFFD, which may also stand in the text itself.
  if (text.includes('\ufffd') && !isUtf8(bytes.subarray(start, end))) {
    throw new MalformedMessageError('string', BAD_UTF8);
  }
  return text;
}

/** 1 to {@link TINY} characters of ASCII. V8 makes a string of several codes at once without leaving JavaScript. */
function tinyText(b: Uint8Array, i: number, length: number): string {
  if (length < 4) return tiniestText(b, i, length);
  const four = String.fromCharCode(b[i]!, b[i + 1]!, b[i + 2]!, b[i + 3]!);
  if (length === 4) return four;
  if (length < 8) return four + tiniestText(b, i + 4, length - 4);
  const rest = length - 8;
  const eight = four + String.fromCharCode(b[i + 4]!, b[i + 5]!, b[i + 6]!, b[i + 7]!);
  if (rest === 0) return eight;
  if (rest < 4) return eight + tiniestText(b, i + 8, rest);
  return eight + String.fromCharCode(b[i + 8]!, b[i + 9]!, b[i + 10]!, b[i + 11]!);
}

function tiniestText(b: Uint8Array, i: number, length: number): string {
  if (length === 1) return String.fromCharCode(b[i]!);
  if (length === 2) return String.fromCharCode(b[i]!, b[i + 1]!);
  return String.fromCharCode(b[i]!, b[i + 1]!, b[i + 2]!);
}
