// The object protocol over connections of any library OS, streams or whole messages, in one wait set. What a request does is
// object-service.ts, datagrams are object-datagrams.ts.

import { DemiError, type ScatterGatherArray } from '@demikernel/memory';
import {
  type AddressLike,
  type Demikernel,
  OP_ACCEPT,
  OP_POP,
  type Result,
  type SocketAddress,
  type SocketType,
  type WaitSet,
} from 'demikernel';
import { ConnectionTable } from '../connection-table.ts';
import type { Codec } from './messages.ts';
import { ObjectConnection } from './object-connection.ts';
import { ObjectDatagrams } from './object-datagrams.ts';
import { ObjectService } from './object-service.ts';
import { ObjectStore } from './object-store.ts';
import { Outbox } from './outbox.ts';

/** Replies of one client that may be under construction; then they are sent. */
const REPLY_BYTES = 256 << 10;
/** Slots that must be free before a request is looked at, and how long to wait for them, in microseconds. */
const SPARE_SLOTS = 16;
const SLOTS_WAIT_US = 1000;
/** After so long without, who has sent most of a message that is not whole yet has to go. */
const PATIENCE_US = 100_000;

export interface ObjectServerOptions {
  address: AddressLike;
  /** What clients speak: from `loadCodec`, and this server's alone. */
  codec: Codec;
  /** Default `stream`: each message behind its length. */
  socketType?: SocketType;
  /** Connections at once. Default 4096. */
  clients?: number;
  /** Share of the device's slots that values may take. Default 0.5. */
  slotShare?: number;
}

export class ObjectServer {
  readonly os: Demikernel;
  readonly store: ObjectStore;
  readonly service: ObjectService;
  /** Connections taken, those that were one too many, those ended for want of memory. */
  accepted: number;
  turnedAway: number;
  starved: number;
  /** Instead of connections. */
  readonly datagrams: ObjectDatagrams | undefined;
  private readonly socketType: SocketType;
  private readonly clients: number;
  private readonly listeningQd: number;
  private readonly set: WaitSet;
  private readonly connections: ConnectionTable<ObjectConnection>;
  /** Connections that wait for slots. */
  private readonly paused: ObjectConnection[];
  /** When slots began to be missing, as the clock's `micros32`. */
  private pausedSince32: number;

  /** Listens. @throws what the library OS says of the address */
  constructor(os: Demikernel, options: ObjectServerOptions) {
    const { pool, runtime } = os.libraryOs;
    this.os = os;
    this.socketType = options.socketType ?? 'stream';
    this.clients = options.clients ?? 4096;
    const secret = [runtime.random.int32(), runtime.random.int32()] as const;
    this.listeningQd = os.socket(this.socketType);
    os.bind(this.listeningQd, options.address);
    this.store = new ObjectStore({ pool, slotShare: options.slotShare ?? 0.5, secret });
    this.service = new ObjectService(options.codec, this.store);
    this.accepted = 0;
    this.turnedAway = 0;
    this.starved = 0;
    this.connections = new ConnectionTable();
    this.paused = [];
    this.pausedSince32 = 0;
    this.set = os.waitSet();
    if (this.socketType === 'datagram') {
      this.datagrams = new ObjectDatagrams(os, this.listeningQd, this.set, this.service);
    } else {
      this.datagrams = undefined;
      os.listen(this.listeningQd, 1024);
      this.set.add(os.accept(this.listeningQd));
    }
    os.beforeShutDown(() => this.close());
  }

  /** Where it listens: with port 0 asked for, the port that was found. */
  get address(): SocketAddress {
    return this.os.getsockname(this.listeningQd);
  }

  /** Serves until the process is asked to stop. Owns the thread. */
  serve(): void {
    while (!this.os.stopping) {
      const result = this.set.wait(this.paused.length > 0 ? SLOTS_WAIT_US : Number.POSITIVE_INFINITY);
      if (result !== undefined) this.handle(result);
      if (this.paused.length > 0) this.resumePaused();
    }
  }

  /** Handles what is ready without waiting, for a loop that somebody else turns; returns how much that was. */
  serveReady(): number {
    let handled = 0;
    for (let result = this.set.take(); result !== undefined; result = this.set.take()) {
      this.handle(result);
      handled++;
    }
    if (this.paused.length > 0) this.resumePaused();
    return handled;
  }

  // ---- what has happened ----

  private handle(result: Result): void {
    const { opcode, qd } = result;
    if (opcode === OP_ACCEPT) {
      this.acceptResult(result);
      return;
    }
    if (qd === this.listeningQd) {
      this.datagrams?.handle(result);
      return;
    }
    const connection = this.connections.ownerOf(result);
    if (connection === undefined) return;
    if (opcode === OP_POP) this.popped(connection, result);
    else this.pushed(connection, result);
  }

  private acceptResult(result: Result): void {
    const { acceptedQd, errno } = result;
    if (errno === 0) {
      this.accepted++;
      if (this.connections.count >= this.clients) {
        this.turnedAway++;
        this.os.close(acceptedQd);
      } else this.connect(acceptedQd);
    }
    this.set.add(this.os.accept(this.listeningQd));
  }

  private connect(qd: number): void {
    const isStream = this.socketType === 'stream';
    if (isStream) this.os.setsockopt(qd, 'noDelay', true);
    const { pool, sliceBytes } = this.os.libraryOs;
    const connection = new ObjectConnection(qd, new Outbox(pool, sliceBytes, isStream), isStream);
    this.connections.add(connection);
    this.receiveFrom(connection);
  }

  private popped(connection: ObjectConnection, result: Result): void {
    const { array, errno } = result;
    connection.popping = false;
    if (errno !== 0 || array === undefined) {
      this.end(connection);
      return;
    }
    if (array.count === 0) {
      array.free();
      connection.ending = true;
    } else connection.received(array);
    if (!connection.pushing) this.goOn(connection);
  }

  private pushed(connection: ObjectConnection, result: Result): void {
    connection.pushing = false;
    if (result.errno !== 0) this.end(connection);
    else this.goOn(connection);
  }

  // ---- what to do next ----

  /** Answers what has arrived, as long as replies can leave; then asks for more. */
  private goOn(connection: ObjectConnection): void {
    while (!connection.pushing) {
      const { pool } = this.os.libraryOs;
      if (pool.freeSlots - pool.reserveSlots < SPARE_SLOTS) {
        this.pause(connection);
        return;
      }
      const more = this.answerSome(connection);
      const array = connection.outbox.take();
      if (array !== undefined) {
        connection.pushing = true;
        connection.pushToken = this.os.push(connection.qd, array);
        this.set.add(connection.pushToken);
        array.free();
      }
      if (connection.closed) return;
      if (!more) break;
    }
    if (connection.ending && !connection.pushing) this.end(connection);
    else if (!connection.ending) this.receiveFrom(connection);
  }

  /** Answers requests into the outbox until there is no whole one, or enough is written. True: there may be more. */
  private answerSome(connection: ObjectConnection): boolean {
    const { outbox } = connection;
    while (outbox.pendingBytes < REPLY_BYTES) {
      let frame: ScatterGatherArray | undefined;
      try {
        frame = connection.next();
      } catch (error) {
        if (!(error instanceof DemiError)) throw error;
        this.service.malformed++;
        connection.break();
        return false;
      }
      if (frame === undefined) return false;
      const taken = this.answer(frame, outbox);
      frame.free();
      if (!taken) {
        connection.break();
        return false;
      }
      // A message is a push of its own where messages keep their bounds.
      if (connection.deframer === undefined) return true;
    }
    return true;
  }

  /** Writes the reply to one request. False: it was none, or there is no memory for any reply; then the client is lost. */
  private answer(frame: ScatterGatherArray, outbox: Outbox): boolean {
    const { service } = this;
    const reply = service.answer(frame);
    if (reply === undefined) {
      service.done();
      return false;
    }
    const taken = outbox.add(reply) || outbox.add(service.apology());
    service.done();
    if (!taken) this.starved++;
    return taken;
  }

  private receiveFrom(connection: ObjectConnection): void {
    if (connection.popping || connection.message !== undefined) return;
    connection.popping = true;
    connection.popToken = this.os.pop(connection.qd);
    this.set.add(connection.popToken);
  }

  private pause(connection: ObjectConnection): void {
    if (this.paused.includes(connection)) return;
    if (this.paused.length === 0) this.pausedSince32 = this.os.libraryOs.runtime.clock.micros32;
    this.paused.push(connection);
  }

  private resumePaused(): void {
    const { pool, runtime } = this.os.libraryOs;
    if (pool.freeSlots - pool.reserveSlots < SPARE_SLOTS) {
      if (((runtime.clock.micros32 - this.pausedSince32) | 0) < PATIENCE_US) return;
      this.pausedSince32 = runtime.clock.micros32;
      this.endLargest();
    }
    const waiting = this.paused.splice(0);
    for (const connection of waiting) {
      if (!connection.closed && !connection.pushing) this.goOn(connection);
    }
  }

  /** Ends the connection that holds most of a message that is not whole. */
  private endLargest(): void {
    let largest: ObjectConnection | undefined;
    for (const connection of this.connections.all()) {
      if (connection.heldBytes === 0) continue;
      if (largest === undefined || connection.heldBytes > largest.heldBytes) largest = connection;
    }
    if (largest === undefined) return;
    this.starved++;
    this.end(largest);
  }

  /** Closes a connection; what has been pushed is still sent. */
  private end(connection: ObjectConnection): void {
    if (connection.closed) return;
    connection.drop();
    this.connections.remove(connection);
    this.os.close(connection.qd);
  }

  /** Gives the memory back. */
  private close(): void {
    for (const connection of this.connections.all()) connection.drop();
    this.service.done();
    this.store.close();
  }
}
