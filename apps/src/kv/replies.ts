// Replies that are always the same, and how the rest are written in RESP2 and RESP3.

import type { Output } from './output.ts';

const encode = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'latin1'));

export const OK: Uint8Array = encode('+OK\r\n');
export const PONG: Uint8Array = encode('+PONG\r\n');
export const ZERO: Uint8Array = encode(':0\r\n');
export const ONE: Uint8Array = encode(':1\r\n');
export const NO_BULK: Uint8Array = encode('$-1\r\n');
export const NULL: Uint8Array = encode('_\r\n');
export const LINE_END: Uint8Array = encode('\r\n');
export const SYNTAX: Uint8Array = encode('-ERR syntax error\r\n');
export const NOT_INTEGER: Uint8Array = encode('-ERR value is not an integer or out of range\r\n');
export const OVERFLOW: Uint8Array = encode('-ERR increment or decrement would overflow\r\n');
export const DECREMENT_OVERFLOW: Uint8Array = encode('-ERR decrement would overflow\r\n');
export const OUT_OF_MEMORY: Uint8Array = encode(
  "-OOM command not allowed when used memory > 'maxmemory'.\r\n",
);
export const KEY_TOO_LONG: Uint8Array = encode('-ERR key is too long\r\n');
export const TOO_MANY_CLIENTS: Uint8Array = encode('-ERR max number of clients reached\r\n');
export const OPTIONS_CLASH: Uint8Array = encode(
  '-ERR NX and XX, GT or LT options at the same time are not compatible\r\n',
);
export const GT_LT_CLASH: Uint8Array = encode(
  '-ERR GT and LT options at the same time are not compatible\r\n',
);

/** The byte a bulk string begins with, and so on: what `Output.number` takes. */
export const BULK = 36;
export const INTEGER = 58;
export const ARRAY = 42;
export const MAP = 37;
export const PUSH = 62;
export const SETOF = 126;

// ---- replies of rare commands, made from strings ----

export function error(out: Output, text: string): void {
  // A reply is one line, whatever a client has put into it.
  out.put(encode(`-${text.replace(/[\r\n]/g, ' ')}\r\n`));
}

export function bulk(out: Output, text: string): void {
  const bytes = Buffer.from(text, 'utf8');
  out.number(BULK, bytes.length);
  out.put(bytes);
  out.put(LINE_END);
}

export function simple(out: Output, text: string): void {
  out.put(encode(`+${text}\r\n`));
}

/** A text for people: verbatim in RESP3, a bulk string in RESP2. */
export function verbatim(out: Output, version: number, text: string): void {
  if (version < 3) {
    bulk(out, text);
    return;
  }
  const bytes = Buffer.from(text, 'utf8');
  out.number(61, bytes.length + 4);
  out.put(encode('txt:'));
  out.put(bytes);
  out.put(LINE_END);
}

/** The head of a map: in RESP2 an array of twice as many. */
export function map(out: Output, version: number, pairs: number): void {
  if (version < 3) out.number(ARRAY, pairs * 2);
  else out.number(MAP, pairs);
}
