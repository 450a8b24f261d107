// Inline commands: a line of words, quoted as in a shell. For people with nc; the path of clients is resp-parser.ts.

/** The words of a line. */
export interface InlineParts {
  count: number;
  /** Where words begin: from the line's first byte, or in `decoded`. */
  offsets: number[];
  lengths: number[];
  /** The words without their quotes; `undefined`: no word had any. */
  decoded: Uint8Array | undefined;
}

const DOUBLE = 34;
const SINGLE = 39;
const BACKSLASH = 92;
const ESCAPES: Readonly<Record<string, number>> = { n: 10, r: 13, t: 9, b: 8, a: 7 };

/** Splits a line; `undefined` when a quote is not closed, or is not followed by a space. */
export function splitInline(bytes: Uint8Array, start: number, lengthBytes: number): InlineParts | undefined {
  const parts: InlineParts = { count: 0, offsets: [], lengths: [], decoded: undefined };
  const end = start + lengthBytes;
  for (let i = start; i < end; i++) {
    if (bytes[i] === DOUBLE || bytes[i] === SINGLE) return decode(bytes, start, end, parts);
  }
  let at = start;
  for (;;) {
    while (at < end && isSpace(bytes[at]!)) at++;
    if (at === end) return parts;
    const first = at;
    while (at < end && !isSpace(bytes[at]!)) at++;
    add(parts, first - start, at - first);
  }
}

function add(parts: InlineParts, offset: number, length: number): void {
  parts.offsets.push(offset);
  parts.lengths.push(length);
  parts.count++;
}

function isSpace(byte: number): boolean {
  return byte === 32 || (byte >= 9 && byte <= 13) || byte === 0;
}

function decode(bytes: Uint8Array, start: number, end: number, parts: InlineParts): InlineParts | undefined {
  const out: number[] = [];
  let at = start;
  for (;;) {
    while (at < end && isSpace(bytes[at]!)) at++;
    if (at === end) break;
    const first = out.length;
    while (at < end && !isSpace(bytes[at]!)) {
      const byte = bytes[at]!;
      if (byte === DOUBLE || byte === SINGLE) {
        at = byte === DOUBLE ? decodeDouble(bytes, at + 1, end, out) : decodeSingle(bytes, at + 1, end, out);
        // Behind a closing quote there is a space or nothing.
        if (at < 0 || (at < end && !isSpace(bytes[at]!))) return undefined;
        break;
      }
      out.push(byte);
      at++;
    }
    add(parts, first, out.length - first);
  }
  parts.decoded = Uint8Array.from(out);
  return parts;
}

/** Position behind the closing quote, or -1. */
function decodeDouble(bytes: Uint8Array, start: number, end: number, out: number[]): number {
  for (let at = start; at < end; at++) {
    const byte = bytes[at]!;
    if (byte === DOUBLE) return at + 1;
    if (byte !== BACKSLASH || at + 1 >= end) {
      out.push(byte);
      continue;
    }
    const next = String.fromCharCode(bytes[at + 1]!);
    const hex = next === 'x' ? String.fromCharCode(bytes[at + 2] ?? 0, bytes[at + 3] ?? 0) : '';
    if (at + 3 < end && /^[0-9a-f]{2}$/i.test(hex)) {
      out.push(Number.parseInt(hex, 16));
      at += 3;
    } else {
      out.push(ESCAPES[next] ?? bytes[at + 1]!);
      at++;
    }
  }
  return -1;
}

function decodeSingle(bytes: Uint8Array, start: number, end: number, out: number[]): number {
  for (let at = start; at < end; at++) {
    const byte = bytes[at]!;
    if (byte === SINGLE) return at + 1;
    if (byte === BACKSLASH && bytes[at + 1] === SINGLE && at + 1 < end) at++;
    out.push(bytes[at]!);
  }
  return -1;
}
