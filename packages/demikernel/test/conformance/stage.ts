// The stage that the behaviours of the suite play on: two library OSes that reach each other, and ways to wait for both
// at once. Nothing here says how anything should behave.

import assert from 'node:assert/strict';
import {
  type AddressLike,
  type AsyncDemikernel,
  type Coroutines,
  coroutines,
  type Demikernel,
  errnoName,
  OP_PUSH,
  promises,
  type QueueToken,
  type Result,
  type ScatterGatherArray,
} from '../../src/index.ts';
import type { Feature, LibraryOsName } from './support.ts';
import { NOT_SHOWN, UNSUPPORTED } from './support.ts';

/** Two open library OSes that can reach each other, or one twice. */
export interface Pair {
  readonly server: Demikernel;
  readonly client: Demikernel;
  /** IPv4 addresses, as text without a port. */
  readonly serverAddress: string;
  readonly clientAddress: string;
  /** Turns both loops once; where time is simulated, moves it. */
  drive(): void;
  /** Slots by which what a device holds may vary from moment to moment. Default 0: every slot is accounted for. */
  readonly deviceSlackSlots?: number;
  /** Cuts the two apart for good, or mends it. Absent: cannot be done. */
  cut?(apart: boolean): void;
  close(): void;
}

/** How long, in real time, something may take that must happen. */
const DEADLINE_MS = 20_000;

/** Bytes after which a peer that does not read must have stopped the sender. */
const FAR_TOO_MUCH_BYTES = 64 << 20;

/** A connection, from both ends. */
export interface Connected {
  listeningQd: number;
  serverQd: number;
  clientQd: number;
}

export class Stage {
  readonly name: LibraryOsName;
  readonly pair: Pair;
  private freeAtStart: Map<Demikernel, number>;
  private readonly promised: Map<Demikernel, AsyncDemikernel>;
  private readonly scheduled: Map<Demikernel, Coroutines>;

  constructor(name: LibraryOsName, pair: Pair) {
    this.name = name;
    this.pair = pair;
    this.freeAtStart = new Map();
    this.promised = new Map();
    this.scheduled = new Map();
  }

  get server(): Demikernel {
    return this.pair.server;
  }

  get client(): Demikernel {
    return this.pair.client;
  }

  /** The library OSes, each once. */
  get all(): Demikernel[] {
    return this.server === this.client ? [this.server] : [this.server, this.client];
  }

  /** Promises on a library OS; there is one of these for each. */
  promises(os: Demikernel): AsyncDemikernel {
    let found = this.promised.get(os);
    if (found === undefined) this.promised.set(os, (found = promises(os)));
    return found;
  }

  /** Coroutines on a library OS; one scheduler for each. */
  coroutines(os: Demikernel): Coroutines {
    let found = this.scheduled.get(os);
    if (found === undefined) this.scheduled.set(os, (found = coroutines(os)));
    return found;
  }

  /** Ends both. */
  async close(): Promise<void> {
    for (const asynchronous of this.promised.values()) await asynchronous.close();
    this.pair.close();
    for (const os of this.all) {
      const { pool } = os.libraryOs;
      assert.equal(pool.freeSlots, pool.slotCount, 'slots are missing after the library OS was closed');
    }
  }

  supports(feature: Feature): boolean {
    return UNSUPPORTED[this.name][feature] === undefined;
  }

  /** Why a feature cannot be shown here, or `undefined`. */
  notShown(feature: Feature): string | undefined {
    return UNSUPPORTED[this.name][feature] ?? NOT_SHOWN[this.name][feature];
  }

  /** The types of sockets that there are on every library OS that has them. */
  get socketTypes(): readonly ('stream' | 'datagram')[] {
    return this.supports('datagrams') ? ['stream', 'datagram'] : ['stream'];
  }

  // ---- time ----

  /** Drives both until `done`; fails after a while. */
  until(done: () => boolean, what: string): void {
    const deadlineMs = Date.now() + DEADLINE_MS;
    while (!done()) {
      assert.ok(Date.now() < deadlineMs, `still waiting for ${what}`);
      this.pair.drive();
    }
  }

  /** Drives both for a while, in which nothing needs to happen. */
  idle(turns = 200): void {
    for (let i = 0; i < turns; i++) this.pair.drive();
  }

  /** Drives both until `promise` is settled. */
  async settled<T>(promise: Promise<T>): Promise<T> {
    let over = false;
    const deadlineMs = Date.now() + DEADLINE_MS;
    const guarded = promise.finally(() => {
      over = true;
    });
    guarded.catch(() => {});
    while (!over && Date.now() < deadlineMs) {
      this.pair.drive();
      await new Promise(resolve => setImmediate(resolve));
    }
    assert.ok(over, 'a promise is still pending');
    return guarded;
  }

  // ---- results ----

  /** Drives both until an operation is over. */
  result(os: Demikernel, token: QueueToken, what = 'an operation'): Result {
    this.until(() => os.isComplete(token), what);
    return os.wait(token, 0)!;
  }

  /** As `result`, of an operation that must succeed. */
  success(os: Demikernel, token: QueueToken, what = 'an operation'): Result {
    const result = this.result(os, token, what);
    assert.equal(errnoName(result.errno), errnoName(0), what);
    return result;
  }

  /** As `result`, of an operation that must fail in one of these ways. */
  failure(os: Demikernel, token: QueueToken, ...errnos: number[]): Result {
    const result = this.result(os, token);
    result.array?.free();
    assert.ok(
      errnos.includes(result.errno),
      `expected ${errnos.map(errnoName).join(' or ')}, got ${errnoName(result.errno)}`,
    );
    return result;
  }

  // ---- streams ----

  /** A listening queue of the server on a free port. */
  listen(backlog = 64): number {
    const qd = this.server.socket('stream');
    this.server.bind(qd, `${this.pair.serverAddress}:0`);
    this.server.listen(qd, backlog);
    return qd;
  }

  /** Where a server's queue can be reached. */
  addressOf(qd: number): string {
    return `${this.pair.serverAddress}:${this.server.getsockname(qd).port}`;
  }

  connect(listeningQd: number = this.listen()): Connected {
    const clientQd = this.client.socket('stream');
    const accepting = this.server.accept(listeningQd);
    this.success(this.client, this.client.connect(clientQd, this.addressOf(listeningQd)), 'connect');
    const { acceptedQd } = this.success(this.server, accepting, 'accept');
    return { listeningQd, serverQd: acceptedQd, clientQd };
  }

  /** Closes all three queues and lets the peers know. */
  disconnect(connected: Connected): void {
    this.client.close(connected.clientQd);
    this.server.close(connected.serverQd);
    this.server.close(connected.listeningQd);
    this.idle(20);
  }

  /** Pops until `lengthBytes` bytes are there, or the stream ends. */
  receive(os: Demikernel, qd: number, lengthBytes: number): Uint8Array {
    const bytes = new Uint8Array(lengthBytes);
    let at = 0;
    while (at < lengthBytes) {
      const { array } = this.success(os, os.pop(qd, lengthBytes - at), `byte ${at} of ${lengthBytes}`);
      const length = array!.copyTo(bytes, at);
      assert.equal(length, array!.lengthBytes, 'more arrived than was sent');
      array!.free();
      if (length === 0) return bytes.subarray(0, at);
      at += length;
    }
    return bytes;
  }

  /** Pops the end of the stream. */
  receiveEnd(os: Demikernel, qd: number): void {
    const { array } = this.success(os, os.pop(qd), 'the end of the stream');
    assert.equal(array!.lengthBytes, 0, 'the end of the stream');
    assert.equal(array!.count, 0, 'the end of the stream is an empty array');
    array!.free();
  }

  /** Pushes, waits until the queue has it, and receives it at the other end. */
  transfer(from: Demikernel, fromQd: number, to: Demikernel, toQd: number, bytes: Uint8Array): void {
    const pushing = from.push(fromQd, bytes);
    const received = this.receive(to, toQd, bytes.length);
    this.success(from, pushing, 'push');
    sameBytes(received, bytes);
  }

  /**
   * Pushes blocks to a peer that does not read until one has to wait; its token.
   *
   * @returns the token and how many blocks went before it
   */
  pushUntilPending(
    os: Demikernel,
    qd: number,
    block: ScatterGatherArray,
  ): { token: QueueToken; blocks: number } {
    const most = Math.ceil(FAR_TOO_MUCH_BYTES / block.lengthBytes);
    for (let blocks = 0; blocks < most; blocks++) {
      const token = os.push(qd, block);
      for (let turns = 0; turns < 500 && !os.isComplete(token); turns++) this.pair.drive();
      if (!os.isComplete(token)) return { token, blocks };
      this.success(os, token, 'push');
    }
    assert.fail(`${FAR_TOO_MUCH_BYTES} bytes were taken and nobody read any`);
  }

  // ---- datagrams ----

  /** A datagram queue bound to a free port; and its address. */
  datagrams(os: Demikernel): { qd: number; address: string } {
    const host = os === this.server ? this.pair.serverAddress : this.pair.clientAddress;
    const qd = os.socket('datagram');
    os.bind(qd, `${host}:0`);
    return { qd, address: `${host}:${os.getsockname(qd).port}` };
  }

  /** Sends a datagram, again until it is received: the first ones of a neighbourhood may be lost. */
  exchange(
    from: Demikernel,
    fromQd: number,
    to: Demikernel,
    toQd: number,
    payload: Uint8Array,
    address: AddressLike,
  ): Result {
    const popping = to.pop(toQd);
    for (let attempt = 0; attempt < 50 && !to.isComplete(popping); attempt++) {
      this.success(from, from.pushTo(fromQd, payload, address), 'push of a datagram');
      const untilMs = Date.now() + 200;
      while (!to.isComplete(popping) && Date.now() < untilMs) this.pair.drive();
    }
    return this.success(to, popping, 'a datagram');
  }

  // ---- accounts ----

  /** Remembers how much memory is free; `checkAccounts` compares. */
  openAccounts(): void {
    this.freeAtStart = new Map(this.all.map(os => [os, os.libraryOs.pool.freeSlots]));
  }

  /** Clears away what a behaviour that failed has left, so that the next one starts from nothing. */
  clearAway(): void {
    for (const os of this.all) {
      const { operations, queues } = os.libraryOs.runtime;
      this.scheduled.get(os)?.abandonAll();
      queues.forEach(queue => {
        os.close(queue.qd);
      });
      this.idle();
      operations.forEachLive(operation => {
        operation.array?.free();
        operations.retire(operation);
      });
    }
  }

  /** Everything that was taken has been given back: operations, queues, slots. */
  checkAccounts(): void {
    for (const os of this.all) {
      const { operations, queues } = os.libraryOs.runtime;
      assert.equal(operations.liveCount, 0, 'operations whose result nobody took');
      assert.equal(queues.liveCount, 0, 'queues left open');
    }
    const slackSlots = this.pair.deviceSlackSlots ?? 0;
    const missing = (): number[] =>
      this.all.map(os => this.freeAtStart.get(os)! - os.libraryOs.pool.freeSlots);
    this.until(() => missing().every(count => count <= slackSlots), 'slots to come back');
  }
}

/** Bytes that differ from place to place and from seed to seed. */
export function pattern(lengthBytes: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(lengthBytes);
  let state = (seed * 2654435761) | 1;
  for (let i = 0; i < lengthBytes; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

/** As `deepEqual`, without printing a mebibyte of difference. */
export function sameBytes(actual: Uint8Array, expected: Uint8Array): void {
  if (Buffer.compare(actual, expected) === 0) return;
  const length = Math.min(actual.length, expected.length);
  let at = 0;
  while (at < length && actual[at] === expected[at]) at++;
  assert.fail(`bytes differ: ${actual.length} for ${expected.length}, first at ${at}`);
}

/** The text of an array, which is freed. */
export function textOf(array: ScatterGatherArray | undefined): string {
  const text = Buffer.from(array!.toBytes()).toString();
  array!.free();
  return text;
}

/** Whether a result is of a push. */
export function isPush(result: Result): boolean {
  return result.opcode === OP_PUSH;
}

/** A call that must throw a DemiError of this code and, where it matters, this errno. */
export function refused(call: () => unknown, code: string, ...errnos: number[]): void {
  assert.throws(call, (error: { code?: string; errno?: number }) => {
    assert.equal(error.code, code);
    if (errnos.length > 0) {
      assert.ok(
        errnos.includes(error.errno ?? -1),
        `expected ${errnos.map(errnoName).join(' or ')}, got ${errnoName(error.errno ?? 0)}`,
      );
    }
    return true;
  });
}
