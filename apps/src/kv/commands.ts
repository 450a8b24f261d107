// What the commands do: read the arguments where the parser has found them, work on the store, write the reply. Commands
// that are about the service and not about keys are service-commands.ts.

import type { ScatterGatherArray } from '@demikernel/memory';
import { findKey, isWord, keyFits, NX, noteValue, readMoment, XX } from './arguments.ts';
import type { ClientState } from './client-state.ts';
import * as names from './command-names.ts';
import { CounterCommands } from './counter-commands.ts';
import { noteDelete, noteFlush } from './journal.ts';
import * as replies from './replies.ts';
import { type ServiceFacts, serviceCommand } from './service-commands.ts';
import type { Store } from './store.ts';
import { TimeCommands } from './time-commands.ts';

const UNKNOWN_ARGUMENTS_BYTES = 128;

/** Options of SET beside NX and XX. */
const GET = 4;
const KEEPTTL = 8;
const EXPIRES = 16;

export class Commands {
  readonly store: Store;
  /** Commands executed, since the start. */
  executed: number;
  private readonly facts: ServiceFacts;
  private readonly known: names.CommandNames;
  private readonly counters: CounterCommands;
  private readonly times: TimeCommands;

  constructor(store: Store, facts: ServiceFacts) {
    this.store = store;
    this.executed = 0;
    this.facts = facts;
    this.known = new names.CommandNames();
    this.counters = new CounterCommands(store);
    this.times = new TimeCommands(store);
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
        this.counters.add(client, 1);
        break;
      case names.DECR:
        this.counters.add(client, -1);
        break;
      case names.INCRBY:
      case names.DECRBY:
        this.counters.addArgument(client, command.id === names.DECRBY);
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
        out.number(replies.INTEGER, findKey(this.store, client, 1) ? this.store.valueLength : 0);
        break;
      case names.EXPIRE:
      case names.PEXPIRE:
      case names.EXPIREAT:
      case names.PEXPIREAT:
        this.times.expire(client, command);
        break;
      case names.TTL:
      case names.PTTL:
        this.times.timeToLive(client, command.id === names.PTTL);
        break;
      case names.PERSIST:
        this.times.persist(client);
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
    if (!findKey(this.store, client, argument)) {
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

  private set(client: ClientState): void {
    const { store } = this;
    const { out, parser } = client;
    if (!keyFits(client, 1)) return;
    const options = parser.count === 3 ? 0 : this.setOptions(client);
    if (options < 0) return;
    const found = findKey(this.store, client, 1);
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
    noteValue(this.store, client, 1);
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
        if (!readMoment(this.store, client, i, unit, absolute, 'set', true)) return -1;
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

  private setMany(client: ClientState): void {
    const { out, parser } = client;
    if ((parser.count & 1) === 0) {
      replies.error(out, "ERR wrong number of arguments for 'mset' command");
      return;
    }
    for (let i = 1; i < parser.count; i += 2) if (!keyFits(client, i)) return;
    for (let i = 1; i < parser.count; i += 2) {
      findKey(this.store, client, i);
      if (!this.put(client, i, i + 1)) {
        out.put(replies.OUT_OF_MEMORY);
        return;
      }
      if (this.store.expiring > 0) this.store.persist();
      noteValue(this.store, client, i);
    }
    out.put(replies.OK);
  }

  private countKeys(client: ClientState, remove: boolean): void {
    const { journal, parser } = client;
    let count = 0;
    for (let i = 1; i < parser.count; i++) {
      if (!findKey(this.store, client, i)) continue;
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
}

function unknown(client: ClientState): void {
  let rest = '';
  for (let i = 1; i < client.parser.count && rest.length < UNKNOWN_ARGUMENTS_BYTES; i++) {
    rest += `'${client.text(i).slice(0, UNKNOWN_ARGUMENTS_BYTES - rest.length)}' `;
  }
  const name = client.text(0).slice(0, UNKNOWN_ARGUMENTS_BYTES);
  replies.error(client.out, `ERR unknown command '${name}', with args beginning with: ${rest}`);
}
