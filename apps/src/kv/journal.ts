// The changes of the store as an append-only log holds them: commands again, with moments instead of durations, so that
// reading them back makes the same store. Where they are kept is server.ts's business.

import type { Region } from '@demikernel/memory';
import type { Output } from './output.ts';
import { ARRAY, BULK } from './replies.ts';
import type { Store } from './store.ts';

const encode = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'latin1'));
const SET: Uint8Array = encode('$3\r\nSET\r\n');
const PXAT: Uint8Array = encode('$4\r\nPXAT\r\n');
const DEL: Uint8Array = encode('*2\r\n$3\r\nDEL\r\n');
const PEXPIREAT: Uint8Array = encode('*3\r\n$9\r\nPEXPIREAT\r\n');
const PERSIST: Uint8Array = encode('*2\r\n$7\r\nPERSIST\r\n');
const FLUSHDB: Uint8Array = encode('*1\r\n$7\r\nFLUSHDB\r\n');

function noteKey(journal: Output, region: Region, offset: number, lengthBytes: number): void {
  journal.number(BULK, lengthBytes);
  journal.copy(region, offset, lengthBytes);
  journal.line();
}

/** The bytes of a whole number up to 2^53, as a bulk string. */
function noteNumber(journal: Output, value: number): void {
  let digits = 1;
  for (let bound = 10; bound <= value; bound *= 10) digits++;
  journal.number(BULK, digits);
  journal.digits(value);
  journal.line();
}

/** The key found has a new value. */
export function noteSet(
  journal: Output,
  store: Store,
  region: Region,
  offset: number,
  lengthBytes: number,
): void {
  const { expiresMs } = store;
  journal.number(ARRAY, expiresMs === 0 ? 3 : 5);
  journal.put(SET);
  noteKey(journal, region, offset, lengthBytes);
  const { large } = store;
  journal.number(BULK, store.valueLength);
  if (large === undefined) journal.copy(store.region, store.valueOffset, store.valueLength);
  else journal.refer(large);
  journal.line();
  if (expiresMs === 0) return;
  journal.put(PXAT);
  noteNumber(journal, expiresMs);
}

export function noteDelete(journal: Output, region: Region, offset: number, lengthBytes: number): void {
  journal.put(DEL);
  noteKey(journal, region, offset, lengthBytes);
}

/** The key expires at a moment, or never any more. */
export function noteExpiry(
  journal: Output,
  region: Region,
  offset: number,
  lengthBytes: number,
  atMs: number,
): void {
  journal.put(atMs === 0 ? PERSIST : PEXPIREAT);
  noteKey(journal, region, offset, lengthBytes);
  if (atMs !== 0) noteNumber(journal, atMs);
}

export function noteFlush(journal: Output): void {
  journal.put(FLUSHDB);
}
