// The commands by name: numbers to switch over, what Redis says of each, and the lookup from the bytes of a name.

import type { Region } from '@demikernel/memory';

export const GET = 1;
export const SET = 2;
export const DEL = 3;
export const EXISTS = 4;
export const MGET = 5;
export const MSET = 6;
export const INCR = 7;
export const DECR = 8;
export const INCRBY = 9;
export const DECRBY = 10;
export const EXPIRE = 11;
export const PEXPIRE = 12;
export const EXPIREAT = 13;
export const PEXPIREAT = 14;
export const TTL = 15;
export const PTTL = 16;
export const PERSIST = 17;
export const PING = 18;
export const ECHO = 19;
export const INFO = 20;
export const COMMAND_LIST = 21;
export const CLIENT = 22;
export const SELECT = 23;
export const HELLO = 24;
export const DBSIZE = 25;
export const FLUSHDB = 26;
export const QUIT = 27;
export const CONFIG = 28;
export const STRLEN = 29;

/** A command as COMMAND describes it: name, number, arity (negative: at least so many), flags, first key, last, step. */
export interface CommandSpec {
  readonly name: string;
  readonly id: number;
  readonly arity: number;
  readonly flags: readonly string[];
  readonly keys: readonly [first: number, last: number, step: number];
}

const READ = ['readonly', 'fast'];
const WRITE = ['write', 'denyoom', 'fast'];
const CHANGE = ['write', 'fast'];
const ADMIN = ['loading', 'stale', 'fast'];

function spec(
  name: string,
  id: number,
  arity: number,
  flags: readonly string[],
  keys: readonly [number, number, number] = [0, 0, 0],
): CommandSpec {
  return { name, id, arity, flags, keys };
}

export const COMMANDS: readonly CommandSpec[] = [
  spec('get', GET, 2, READ, [1, 1, 1]),
  spec('set', SET, -3, ['write', 'denyoom'], [1, 1, 1]),
  spec('del', DEL, -2, ['write'], [1, -1, 1]),
  spec('unlink', DEL, -2, CHANGE, [1, -1, 1]),
  spec('exists', EXISTS, -2, READ, [1, -1, 1]),
  spec('strlen', STRLEN, 2, READ, [1, 1, 1]),
  spec('mget', MGET, -2, READ, [1, -1, 1]),
  spec('mset', MSET, -3, ['write', 'denyoom'], [1, -1, 2]),
  spec('incr', INCR, 2, WRITE, [1, 1, 1]),
  spec('decr', DECR, 2, WRITE, [1, 1, 1]),
  spec('incrby', INCRBY, 3, WRITE, [1, 1, 1]),
  spec('decrby', DECRBY, 3, WRITE, [1, 1, 1]),
  spec('expire', EXPIRE, -3, CHANGE, [1, 1, 1]),
  spec('pexpire', PEXPIRE, -3, CHANGE, [1, 1, 1]),
  spec('expireat', EXPIREAT, -3, CHANGE, [1, 1, 1]),
  spec('pexpireat', PEXPIREAT, -3, CHANGE, [1, 1, 1]),
  spec('ttl', TTL, 2, READ, [1, 1, 1]),
  spec('pttl', PTTL, 2, READ, [1, 1, 1]),
  spec('persist', PERSIST, 2, CHANGE, [1, 1, 1]),
  spec('ping', PING, -1, ['fast']),
  spec('echo', ECHO, 2, ['loading', 'stale', 'fast']),
  spec('info', INFO, -1, ['loading', 'stale']),
  spec('command', COMMAND_LIST, -1, ['loading', 'stale']),
  spec('client', CLIENT, -2, ADMIN),
  spec('select', SELECT, 2, ADMIN),
  spec('hello', HELLO, -1, ['noscript', 'loading', 'stale', 'fast', 'no_auth']),
  spec('dbsize', DBSIZE, 1, READ),
  spec('flushdb', FLUSHDB, -1, ['write']),
  spec('flushall', FLUSHDB, -1, ['write']),
  spec('quit', QUIT, -1, ADMIN),
  spec('config', CONFIG, -2, ['admin', 'noscript', 'loading', 'stale']),
];

const PLACES = 256;
const LONGEST = 12;

/** From the bytes of a name, in any case, to its command: a table probed with three words, no string. */
export class CommandNames {
  private readonly words: Int32Array;
  private readonly specs: (CommandSpec | undefined)[];
  private w0: number;
  private w1: number;
  private w2: number;

  constructor() {
    this.words = new Int32Array(PLACES * 3);
    this.specs = Array.from({ length: PLACES }, () => undefined);
    this.w0 = 0;
    this.w1 = 0;
    this.w2 = 0;
    for (const command of COMMANDS) {
      const bytes = Buffer.from(command.name, 'latin1');
      this.read(bytes, 0, bytes.length);
      let place = this.first();
      while (this.specs[place] !== undefined) place = (place + 1) & (PLACES - 1);
      this.words[place * 3] = this.w0;
      this.words[place * 3 + 1] = this.w1;
      this.words[place * 3 + 2] = this.w2;
      this.specs[place] = command;
    }
  }

  find(region: Region, offset: number, lengthBytes: number): CommandSpec | undefined {
    if (lengthBytes > LONGEST) return undefined;
    this.read(region.bytes, offset, lengthBytes);
    const { specs, words } = this;
    for (let place = this.first(); ; place = (place + 1) & (PLACES - 1)) {
      const command = specs[place];
      if (command === undefined) return undefined;
      const at = place * 3;
      if (words[at] === this.w0 && words[at + 1] === this.w1 && words[at + 2] === this.w2) return command;
    }
  }

  private read(bytes: Uint8Array, offset: number, lengthBytes: number): void {
    let w0 = 0;
    let w1 = 0;
    let w2 = 0;
    for (let i = 0; i < lengthBytes; i++) {
      let byte = bytes[offset + i]!;
      if (byte >= 65 && byte <= 90) byte |= 32;
      const shifted = byte << ((i & 3) << 3);
      if (i < 4) w0 |= shifted;
      else if (i < 8) w1 |= shifted;
      else w2 |= shifted;
    }
    this.w0 = w0;
    this.w1 = w1;
    this.w2 = w2;
  }

  private first(): number {
    return (
      (Math.imul(this.w0 ^ Math.imul(this.w1, 31) ^ Math.imul(this.w2, 961), 0x9e3779b1) >>> 24) &
      (PLACES - 1)
    );
  }
}
