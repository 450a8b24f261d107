// What the commands do: read the arguments where the parser has found them, work on the store, write the reply. Commands
// that are about the service and not about keys are service-commands.ts.

import { heapRegion, type Region, type ScatterGatherArray } from '@demikernel/memory';
import type { ClientState } from './client-state.ts';
import * as names from './command-names.ts';
import { BIG, isInt64, readBigInteger, readInteger } from './integers.ts';
import { noteDelete, noteExpiry, noteFlush, noteSet } from './journal.ts';
import { KEY_BYTES } from './limits.ts';
import { writeDigits } from './output.ts';
import * as replies from './replies.ts';
import { type ServiceFacts, serviceCommand } from './service-commands.ts';
import type { Store } from './store.ts';

/** No moment later than this is kept: the largest that is exact as a double. */
const LATEST_MS = 9e15;
const UNKNOWN_ARGUMENTS_BYTES = 128;

/** Options of SET. */
const NX = 1;
const XX = 2;
const GET = 4;
const KEEPTTL = 8;
const EXPIRES = 16;
/** And of EXPIRE. */
const GT = 32;
const LT = 64;

export class Commands {
  readonly store: Store;
  /** Commands executed, since the start. */
  executed: number;
  private readonly facts: ServiceFacts;
  private readonly known: names.CommandNames;
  /** Where new numbers are written before they are stored. */
  private readonly scratch: Region;

  constructor(store: Store, facts: ServiceFacts) {
    this.store = store;
    this.executed = 0;
    this.facts = facts;
    this.known = new names.CommandNames();
    this.scratch = heapRegion(64);
  }

  /** Executes the command that the client's parser holds. */
  execute(client: ClientState): void {
    const { out, parser } = client;
    if (parser.count === 0) return;
    this.executed++;
    const command = parser.isPlain(0)
      ? this.known.find(parser.region, parser.offset(0), parser.lengthOf(0))
      : undefined;
    if (command === undefined) {
      unknown(client);
      return;
    }
    const { arity } = command;
    if (arity > 0 ? parser.count !== arity : parser.count < -arity) {
      replies.error(out, `ERR wrong number of arguments for '${command.name}' command`);
      return;
    }
    if (parser.refused) {
      out.put(replies.OUT_OF_MEMORY);
      return;
    }
    switch (command.id) {
      case names.GET:
        this.get(client, 1);
        break;
      case names.SET:
        this.set(client);
        break;
      case names.INCR:
        this.add(client, 1, false);
        break;
      case names.DECR:
        this.add(client, -1, false);
        break;
      case names.INCRBY:
      case names.DECRBY:
        this.addArgument(client, command.id === names.DECRBY);
        break;
      case names.MGET:
        out.number(replies.ARRAY, parser.count - 1);
        for (let i = 1; i < parser.count; i++) this.get(client, i);
        break;
      case names.MSET:
        this.setMany(client);
        break;
      case names.DEL:
      case names.EXISTS:
        this.countKeys(client, command.id === names.DEL);
        break;
      case names.STRLEN:
        out.number(replies.INTEGER, this.find(client, 1) ? this.store.valueLength : 0);
        break;
      case names.EXPIRE:
      case names.PEXPIRE:
      case names.EXPIREAT:
      case names.PEXPIREAT:
        this.expire(client, command);
        break;
      case names.TTL:
      case names.PTTL:
        this.timeToLive(client, command.id === names.PTTL);
        break;
      case names.PERSIST:
        this.persist(client);
        break;
      case names.PING:
        if (parser.count > 2) replies.error(out, "ERR wrong number of arguments for 'ping' command");
        else if (parser.count === 2) this.argument(client, 1);
        else out.put(replies.PONG);
        break;
      case names.ECHO:
        this.argument(client, 1);
        break;
      case names.DBSIZE:
        out.number(replies.INTEGER, this.store.size);
        break;
      case names.FLUSHDB:
        this.flush(client);
        break;
      default:
        serviceCommand(client, command, this.store, this.facts);
    }
  }

  // ---- arguments ----

  private find(client: ClientState, argument: number): boolean {
    const { parser } = client;
    if (!parser.isPlain(argument)) return this.store.find(this.scratch, 0, 0) && false;
    return this.store.find(parser.region, parser.offset(argument), parser.lengthOf(argument));
  }

  private keyFits(client: ClientState, argument: number): boolean {
    const { parser } = client;
    if (parser.isPlain(argument) && parser.lengthOf(argument) <= KEY_BYTES) return true;
    client.out.put(replies.KEY_TOO_LONG);
    return false;
  }

  /** Sends an argument back. */
  private argument(client: ClientState, argument: number): void {
    const { out, parser } = client;
    out.number(replies.BULK, parser.lengthOf(argument));
    const stream = parser.stream(argument);
    if (stream === undefined) out.copy(parser.region, parser.offset(argument), parser.lengthOf(argument));
    else out.refer(stream);
    out.line();
  }

  // ---- values ----

  private get(client: ClientState, argument: number): void {
    const { store } = this;
    const { out } = client;
    if (!this.find(client, argument)) {
      store.misses++;
      this.nothing(client);
      return;
    }
    store.hits++;
    this.value(client);
    if (out.failed) client.quits = true;
  }

  private nothing(client: ClientState): void {
    client.out.put(client.version < 3 ? replies.NO_BULK : replies.NULL);
  }

  /** Writes the value found: by reference where it lies in slots. */
  private value(client: ClientState): void {
    const { store } = this;
    const { out } = client;
    const length = store.valueLength;
    const { large } = store;
    out.number(replies.BULK, length);
    if (large === undefined) out.copy(store.region, store.valueOffset, length);
    else out.refer(large);
    out.line();
  }

  private put(client: ClientState, key: number, value: number): boolean {
    const { parser } = client;
    const stream: ScatterGatherArray | undefined = parser.stream(value);
    const done = this.store.put(
      parser.region,
      parser.offset(key),
      parser.lengthOf(key),
      parser.region,
      stream === undefined ? parser.offset(value) : 0,
      parser.lengthOf(value),
      stream,
    );
    if (done && stream !== undefined) parser.takeStream(value);
    return done;
  }

  private note(client: ClientState, key: number): void {
    const { journal, parser } = client;
    if (journal === undefined) return;
    noteSet(journal, this.store, parser.region, parser.offset(key), parser.lengthOf(key));
  }

  private set(client: ClientState): void {
    const { store } = this;
    const { out, parser } = client;
    if (!this.keyFits(client, 1)) return;
    const options = parser.count === 3 ? 0 : this.setOptions(client);
    if (options < 0) return;
    const found = this.find(client, 1);
    if ((options & GET) !== 0) {
      if (found) this.value(client);
      else this.nothing(client);
    }
    const wanted = (options & NX) !== 0 ? !found : (options & XX) === 0 || found;
    if (!wanted) {
      if ((options & GET) === 0) this.nothing(client);
      return;
    }
    if (!this.put(client, 1, 2)) {
      // With GET the old value has been written: an error behind it would be a reply too many.
      if ((options & GET) === 0) out.put(replies.OUT_OF_MEMORY);
      else client.quits = true;
      return;
    }
    if ((options & EXPIRES) !== 0) store.expire();
    else if ((options & KEEPTTL) === 0 && store.expiring > 0) store.persist();
    this.note(client, 1);
    if ((options & GET) === 0) out.put(replies.OK);
  }

  /** The options of SET as bits, and `moment`; -1 when the reply is an error. */
  private setOptions(client: ClientState): number {
    const { out, parser } = client;
    let options = 0;
    for (let i = 3; i < parser.count; i++) {
      const timed = i + 1 < parser.count;
      if (isWord(client, i, 'NX')) options |= NX;
      else if (isWord(client, i, 'XX')) options |= XX;
      else if (isWord(client, i, 'GET')) options |= GET;
      else if (isWord(client, i, 'KEEPTTL') && (options & EXPIRES) === 0) options |= KEEPTTL;
      else if (timed && (options & (EXPIRES | KEEPTTL)) === 0) {
        const unit = isWord(client, i, 'EX') || isWord(client, i, 'EXAT') ? 1000 : 1;
        const absolute = isWord(client, i, 'EXAT') || isWord(client, i, 'PXAT');
        if (unit === 1 && !absolute && !isWord(client, i, 'PX')) {
          out.put(replies.SYNTAX);
          return -1;
        }
        options |= EXPIRES;
        i++;
        if (!this.readMoment(client, i, unit, absolute, 'set', true)) return -1;
      } else {
        out.put(replies.SYNTAX);
        return -1;
      }
    }
    if ((options & (NX | XX)) === (NX | XX)) {
      out.put(replies.SYNTAX);
      return -1;
    }
    return options;
  }

  /** Reads a duration or a moment into the store's `moment`; false when the reply is an error. */
  private readMoment(
    client: ClientState,
    argument: number,
    unit: number,
    absolute: boolean,
    command: string,
    positive: boolean,
  ): boolean {
    const { out, parser } = client;
    const value = parser.isPlain(argument)
      ? readInteger(parser.region, parser.offset(argument), parser.lengthOf(argument))
      : Number.NaN;
    if (Number.isNaN(value)) {
      out.put(replies.NOT_INTEGER);
      return false;
    }
    const atMs = value * unit + (absolute ? 0 : this.store.nowMs[0]!);
    if ((positive && value <= 0) || Math.abs(atMs) > LATEST_MS) {
      replies.error(out, `ERR invalid expire time in '${command}' command`);
      return false;
    }
    // 0 would mean never.
    this.store.moment[0] = atMs === 0 ? -1 : Math.floor(atMs);
    return true;
  }

  private setMany(client: ClientState): void {
    const { out, parser } = client;
    if ((parser.count & 1) === 0) {
      replies.error(out, "ERR wrong number of arguments for 'mset' command");
      return;
    }
    for (let i = 1; i < parser.count; i += 2) if (!this.keyFits(client, i)) return;
    for (let i = 1; i < parser.count; i += 2) {
      this.find(client, i);
      if (!this.put(client, i, i + 1)) {
        out.put(replies.OUT_OF_MEMORY);
        return;
      }
      if (this.store.expiring > 0) this.store.persist();
      this.note(client, i);
    }
    out.put(replies.OK);
  }

  private countKeys(client: ClientState, remove: boolean): void {
    const { journal, parser } = client;
    let count = 0;
    for (let i = 1; i < parser.count; i++) {
      if (!this.find(client, i)) continue;
      count++;
      if (!remove) continue;
      this.store.remove();
      if (journal !== undefined) {
        noteDelete(journal, parser.region, parser.offset(i), parser.lengthOf(i));
      }
    }
    client.out.number(replies.INTEGER, count);
  }

  private flush(client: ClientState): void {
    const { out, parser } = client;
    if (
      parser.count > 2 ||
      (parser.count === 2 && !isWord(client, 1, 'SYNC') && !isWord(client, 1, 'ASYNC'))
    ) {
      out.put(replies.SYNTAX);
      return;
    }
    this.store.clear();
    if (client.journal !== undefined) noteFlush(client.journal);
    out.put(replies.OK);
  }

  // ---- counters ----

  private addArgument(client: ClientState, negate: boolean): void {
    const { out, parser } = client;
    const delta = parser.isPlain(2)
      ? readInteger(parser.region, parser.offset(2), parser.lengthOf(2))
      : Number.NaN;
    if (Number.isNaN(delta)) out.put(replies.NOT_INTEGER);
    else if (delta !== BIG) this.add(client, negate ? -delta : delta, false);
    else {
      const whole = readBigInteger(parser.region, parser.offset(2), parser.lengthOf(2))!;
      if (negate && !isInt64(-whole)) out.put(replies.DECREMENT_OVERFLOW);
      else this.addBig(client, negate ? -whole : whole);
    }
  }

  private add(client: ClientState, delta: number, _big: boolean): void {
    const { scratch, store } = this;
    const { out } = client;
    if (!this.keyFits(client, 1)) return;
    let value = 0;
    if (this.find(client, 1)) {
      // A number is never long enough to lie in slots.
      value =
        store.large === undefined
          ? readInteger(store.region, store.valueOffset, store.valueLength)
          : Number.NaN;
      if (Number.isNaN(value)) {
        out.put(replies.NOT_INTEGER);
        return;
      }
      if (value === BIG) {
        this.addBig(client, BigInt(delta));
        return;
      }
    }
    const sum = value + delta;
    let end = 0;
    if (sum < 0) scratch.bytes[end++] = 45;
    end = writeDigits(scratch.bytes, end, sum < 0 ? -sum : sum);
    if (this.putScratch(client, end)) out.number(replies.INTEGER, sum);
  }

  /** Numbers of more than 15 digits. */
  private addBig(client: ClientState, delta: bigint): void {
    const { scratch, store } = this;
    const { out } = client;
    if (!this.keyFits(client, 1)) return;
    let value: bigint | undefined = 0n;
    if (this.find(client, 1)) {
      value =
        store.large === undefined
          ? readBigInteger(store.region, store.valueOffset, store.valueLength)
          : undefined;
    }
    if (value === undefined) {
      out.put(replies.NOT_INTEGER);
      return;
    }
    const sum = value + delta;
    if (!isInt64(sum)) {
      out.put(replies.OVERFLOW);
      return;
    }
    const text = Buffer.from(String(sum), 'latin1');
    scratch.bytes.set(text);
    if (!this.putScratch(client, text.length)) return;
    out.put(Buffer.from(`:${sum}\r\n`, 'latin1'));
  }

  private putScratch(client: ClientState, lengthBytes: number): boolean {
    const { parser } = client;
    const { scratch, store } = this;
    const offset = parser.offset(1);
    const length = parser.lengthOf(1);
    if (!store.put(parser.region, offset, length, scratch, 0, lengthBytes, undefined)) {
      client.out.put(replies.OUT_OF_MEMORY);
      return false;
    }
    this.note(client, 1);
    return true;
  }

  // ---- time ----

  private expire(client: ClientState, command: names.CommandSpec): void {
    const { store } = this;
    const { journal, out, parser } = client;
    const options = this.expireOptions(client);
    if (options < 0) return;
    const { id, name } = command;
    const unit = id === names.EXPIRE || id === names.EXPIREAT ? 1000 : 1;
    const absolute = id === names.EXPIREAT || id === names.PEXPIREAT;
    if (!this.readMoment(client, 2, unit, absolute, name, false)) return;
    if (!this.find(client, 1) || !this.mayExpire(options)) {
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

  private timeToLive(client: ClientState, milliseconds: boolean): void {
    const { store } = this;
    let answer = -2;
    if (this.find(client, 1)) {
      const atMs = store.expiresMs;
      if (atMs === 0) answer = -1;
      else {
        const left = Math.max(0, Math.ceil(atMs - store.nowMs[0]!));
        answer = milliseconds ? left : Math.floor((left + 500) / 1000);
      }
    }
    client.out.number(replies.INTEGER, answer);
  }

  private persist(client: ClientState): void {
    const { store } = this;
    const { journal, out, parser } = client;
    if (!this.find(client, 1) || store.expiresMs === 0) {
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

/** Whether an argument is a word, in any case. */
function isWord(client: ClientState, argument: number, word: string): boolean {
  const { parser } = client;
  if (!parser.isPlain(argument) || parser.lengthOf(argument) !== word.length) return false;
  const { bytes } = parser.region;
  const offset = parser.offset(argument);
  for (let i = 0; i < word.length; i++) {
    if ((bytes[offset + i]! & 0xdf) !== word.charCodeAt(i)) return false;
  }
  return true;
}

function unknown(client: ClientState): void {
  let rest = '';
  for (let i = 1; i < client.parser.count && rest.length < UNKNOWN_ARGUMENTS_BYTES; i++) {
    rest += `'${client.text(i).slice(0, UNKNOWN_ARGUMENTS_BYTES - rest.length)}' `;
  }
  const name = client.text(0).slice(0, UNKNOWN_ARGUMENTS_BYTES);
  replies.error(client.out, `ERR unknown command '${name}', with args beginning with: ${rest}`);
}
