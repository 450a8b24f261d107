// EXPIRE, TTL, PERSIST: when keys go.

import { findKey, isWord, NX, readMoment, XX } from './arguments.ts';
import type { ClientState } from './client-state.ts';
import * as names from './command-names.ts';
import { noteDelete, noteExpiry } from './journal.ts';
import * as replies from './replies.ts';
import type { Store } from './store.ts';

/** Options of EXPIRE beside NX and XX. */
const GT = 32;
const LT = 64;

export class TimeCommands {
  private readonly store: Store;

  constructor(store: Store) {
    this.store = store;
  }

  expire(client: ClientState, command: names.CommandSpec): void {
    const { store } = this;
    const { journal, out, parser } = client;
    const options = this.expireOptions(client);
    if (options < 0) return;
    const { id, name } = command;
    const unit = id === names.EXPIRE || id === names.EXPIREAT ? 1000 : 1;
    const absolute = id === names.EXPIREAT || id === names.PEXPIREAT;
    if (!readMoment(store, client, 2, unit, absolute, name, false)) return;
    if (!findKey(store, client, 1) || !this.mayExpire(options)) {
      out.put(replies.ZERO);
      return;
    }
    const atMs = this.store.moment[0]!;
    const offset = parser.offset(1);
    const length = parser.lengthOf(1);
    if (atMs <= store.nowMs[0]!) {
      store.remove();
      if (journal !== undefined) noteDelete(journal, parser.region, offset, length);
    } else {
      store.expire();
      if (journal !== undefined) noteExpiry(journal, parser.region, offset, length, atMs);
    }
    out.put(replies.ONE);
  }

  private expireOptions(client: ClientState): number {
    const { out, parser } = client;
    let options = 0;
    for (let i = 3; i < parser.count; i++) {
      if (isWord(client, i, 'NX')) options |= NX;
      else if (isWord(client, i, 'XX')) options |= XX;
      else if (isWord(client, i, 'GT')) options |= GT;
      else if (isWord(client, i, 'LT')) options |= LT;
      else {
        replies.error(out, `ERR Unsupported option ${client.text(i)}`);
        return -1;
      }
    }
    if ((options & NX) !== 0 && options !== NX) {
      out.put(replies.OPTIONS_CLASH);
      return -1;
    }
    if ((options & (GT | LT)) === (GT | LT)) {
      out.put(replies.GT_LT_CLASH);
      return -1;
    }
    return options;
  }

  /** Whether EXPIRE's options let the key found expire at `moment`. No time to live counts as an endless one. */
  private mayExpire(options: number): boolean {
    if (options === 0) return true;
    const current = this.store.expiresMs;
    if ((options & NX) !== 0) return current === 0;
    if ((options & XX) !== 0 && current === 0) return false;
    if ((options & GT) !== 0) return current !== 0 && this.store.moment[0]! > current;
    if ((options & LT) !== 0) return current === 0 || this.store.moment[0]! < current;
    return true;
  }

  timeToLive(client: ClientState, milliseconds: boolean): void {
    const { store } = this;
    let answer = -2;
    if (findKey(store, client, 1)) {
      const atMs = store.expiresMs;
      if (atMs === 0) answer = -1;
      else {
        const left = Math.max(0, Math.ceil(atMs - store.nowMs[0]!));
        answer = milliseconds ? left : Math.floor((left + 500) / 1000);
      }
    }
    client.out.number(replies.INTEGER, answer);
  }

  persist(client: ClientState): void {
    const { store } = this;
    const { journal, out, parser } = client;
    if (!findKey(store, client, 1) || store.expiresMs === 0) {
      out.put(replies.ZERO);
      return;
    }
    store.persist();
    if (journal !== undefined) {
      noteExpiry(journal, parser.region, parser.offset(1), parser.lengthOf(1), 0);
    }
    out.put(replies.ONE);
  }
}
