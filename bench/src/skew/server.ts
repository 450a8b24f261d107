// A server that takes a fixed time per request, one after the other, and whose connections may move at any moment: what has been
// asked and not answered goes along.

import { MigrationAgent } from '@demikernel/capybara/host';
import { type Demikernel, OP_POP, type WaitSet } from 'demikernel';
import { SeededRandom } from 'demikernel/simulator';
import {
  addressNumber,
  backendAddress,
  HEADER_KEY,
  PORT,
  SWITCH_ADDRESS,
  VIRTUAL_ADDRESS,
} from '../testbed/moving-addresses.ts';
import type { Actor, Place } from './place.ts';

export const REQUEST_BYTES = 64;
/** The first bytes of the request. */
export const REPLY_BYTES = 8;
const FLEET_KEY: Uint8Array = new Uint8Array(32).fill(2);
const EMPTY: Uint8Array = new Uint8Array(0);

/** A connection as its server sees it. */
export class Session {
  readonly qd: number;
  /** Requests that wait, and a part of one. */
  bytes: Uint8Array;

  constructor(qd: number, bytes: Uint8Array) {
    this.qd = qd;
    this.bytes = bytes;
  }
}

export class Server implements Actor {
  readonly os: Demikernel;
  readonly agent: MigrationAgent;
  /** By the client's port. */
  readonly sessions: Map<number, Session>;
  readonly #byQd: Map<number, Session>;
  readonly #place: Place;
  readonly #set: WaitSet;
  readonly #listener: number;
  /** A session for each request that waits, in the order in which they came; the first is under way. */
  readonly #queue: Session[];
  #accept: number;
  /** When the request under way will have been done. */
  #untilUs: number;

  static async open(place: Place, id: number, seed: number): Promise<Server> {
    const server = new Server(place, await place.openBackend(id), id, seed);
    place.attach(server.os, server);
    return server;
  }

  private constructor(place: Place, os: Demikernel, id: number, seed: number) {
    this.os = os;
    this.sessions = new Map();
    this.#byQd = new Map();
    this.#place = place;
    this.#set = os.waitSet();
    this.#listener = os.socket('stream');
    this.#queue = [];
    this.#untilUs = 0;
    os.bind(this.#listener, `${VIRTUAL_ADDRESS}:${PORT}`);
    os.listen(this.#listener);
    this.#accept = os.accept(this.#listener);
    this.agent = new MigrationAgent({
      os,
      self: id,
      address: backendAddress(id),
      switchAddress: SWITCH_ADDRESS,
      addressOf: backend => addressNumber(backendAddress(backend)) | 0,
      headerKey: HEADER_KEY,
      fleetKey: FLEET_KEY,
      random: new SeededRandom(seed * 100 + id),
    });
    this.agent.serve(this.#listener, { arrived: ({ qd, saved }) => this.#begin(qd, saved) });
  }

  #begin(qd: number, saved: Uint8Array): void {
    const session = new Session(qd, saved);
    const { port } = this.os.getpeername(qd);
    this.os.setsockopt(qd, 'noDelay', true);
    this.sessions.set(port, session);
    this.#byQd.set(qd, session);
    this.agent.migratable(qd, {
      save: () => {
        this.#forget(session);
        return session.bytes;
      },
      stayed: () => this.#queueUp(session, session.bytes.length),
      left: () => {
        this.sessions.delete(port);
        this.#byQd.delete(qd);
        this.os.close(qd);
      },
    });
    this.#queueUp(session, saved.length);
    this.#set.add(this.os.pop(qd));
  }

  #forget(session: Session): void {
    const wasUnderWay = this.#queue[0] === session;
    for (let i = this.#queue.length - 1; i >= 0; i--)
      if (this.#queue[i] === session) this.#queue.splice(i, 1);
    if (wasUnderWay) this.#untilUs = this.#place.nowUs + this.#place.serviceUs;
  }

  /** @param fresh bytes that are new */
  #queueUp(session: Session, fresh: number): void {
    const before = Math.floor((session.bytes.length - fresh) / REQUEST_BYTES);
    const now = Math.floor(session.bytes.length / REQUEST_BYTES);
    if (this.#queue.length === 0) this.#untilUs = this.#place.nowUs + this.#place.serviceUs;
    for (let i = before; i < now; i++) this.#queue.push(session);
  }

  turn(): number {
    const { os } = this;
    let work = 0;
    if (os.isComplete(this.#accept)) {
      work++;
      this.#begin(os.wait(this.#accept)!.acceptedQd, EMPTY);
      this.#accept = os.accept(this.#listener);
    }
    for (let result = this.#set.take(); result !== undefined; result = this.#set.take()) {
      work++;
      if (result.opcode !== OP_POP || result.errno !== 0 || result.array === undefined) continue;
      const session = this.#byQd.get(result.qd);
      const bytes = result.array.toBytes();
      result.array.free();
      if (session === undefined || bytes.length === 0) continue;
      session.bytes = Buffer.concat([session.bytes, bytes]);
      this.#queueUp(session, bytes.length);
      this.#set.add(os.pop(session.qd));
    }
    return work + this.#answer();
  }

  #answer(): number {
    const { nowUs, serviceUs } = this.#place;
    let answers = 0;
    for (; this.#queue.length > 0 && nowUs >= this.#untilUs; answers++) {
      const session = this.#queue.shift()!;
      this.#set.add(this.os.push(session.qd, session.bytes.slice(0, REPLY_BYTES)));
      session.bytes = session.bytes.slice(REQUEST_BYTES);
      // Busy without a gap while somebody waits: how long a turn takes is not the server's.
      this.#untilUs += serviceUs;
    }
    return answers;
  }

  untilNextUs(): number {
    return this.#queue.length === 0
      ? Number.POSITIVE_INFINITY
      : Math.max(0, this.#untilUs - this.#place.nowUs);
  }
}
