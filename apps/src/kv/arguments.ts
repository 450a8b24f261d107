// What every command does with its arguments: find the key that one names, check it, read a word or a moment.

import type { ClientState } from './client-state.ts';
import { readInteger } from './integers.ts';
import { noteSet } from './journal.ts';
import { KEY_BYTES } from './limits.ts';
import * as replies from './replies.ts';
import type { Store } from './store.ts';

/** Options of SET and EXPIRE. */
export const NX = 1;
export const XX = 2;

/** No moment later than this is kept: the largest round one that is exact as a double. */
const LATEST_MS = 9e15;

/** Has the store look for the key that an argument names. */
export function findKey(store: Store, client: ClientState, argument: number): boolean {
  const { parser } = client;
  // What has come in pieces is too long for a key.
  if (!parser.isPlain(argument)) return false;
  return store.find(parser.region, parser.offset(argument), parser.lengthOf(argument));
}

/** Whether an argument can be a key that is stored; false when the reply is an error. */
export function keyFits(client: ClientState, argument: number): boolean {
  const { parser } = client;
  if (parser.isPlain(argument) && parser.lengthOf(argument) <= KEY_BYTES) return true;
  client.out.put(replies.KEY_TOO_LONG);
  return false;
}

/** Notes down that the key found, which an argument names, has a new value. */
export function noteValue(store: Store, client: ClientState, key: number): void {
  const { journal, parser } = client;
  if (journal === undefined) return;
  noteSet(journal, store, parser.region, parser.offset(key), parser.lengthOf(key));
}

/** An argument as an integer; see `readInteger`. */
export function integerAt(client: ClientState, argument: number): number {
  const { parser } = client;
  if (!parser.isPlain(argument)) return Number.NaN;
  return readInteger(parser.region, parser.offset(argument), parser.lengthOf(argument));
}

/** Reads a duration, or a moment, into the store's `moment`; false when the reply is an error. */
export function readMoment(
  store: Store,
  client: ClientState,
  argument: number,
  unit: number,
  absolute: boolean,
  command: string,
  positive: boolean,
): boolean {
  const { out } = client;
  const value = integerAt(client, argument);
  if (Number.isNaN(value)) {
    out.put(replies.NOT_INTEGER);
    return false;
  }
  const atMs = value * unit + (absolute ? 0 : store.nowMs[0]!);
  if ((positive && value <= 0) || Math.abs(atMs) > LATEST_MS) {
    replies.error(out, `ERR invalid expire time in '${command}' command`);
    return false;
  }
  // 0 would mean never.
  store.moment[0] = atMs === 0 ? -1 : Math.floor(atMs);
  return true;
}

/** Whether an argument is a word, in any case. */
export function isWord(client: ClientState, argument: number, word: string): boolean {
  const { parser } = client;
  if (!parser.isPlain(argument) || parser.lengthOf(argument) !== word.length) return false;
  const { bytes } = parser.region;
  const offset = parser.offset(argument);
  for (let i = 0; i < word.length; i++) {
    if ((bytes[offset + i]! & 0xdf) !== word.charCodeAt(i)) return false;
  }
  return true;
}
