// A key-value service that speaks RESP, on any library OS: one wait set over its connections and, when asked, a log. What
// the commands do is commands.ts.

import type { Arrival } from '@demikernel/capybara/host';
import { heapRegion, type Region, type ScatterGatherArray, type SlotPool } from '@demikernel/memory';
import {
  type AddressLike,
  type Demikernel,
  OP_ACCEPT,
  OP_POP,
  type QueueToken,
  type Result,
  type SocketAddress,
  type WaitSet,
} from 'demikernel';
import type { Mover } from '../moving/session.ts';
import { ClientState } from './client-state.ts';
import { Commands } from './commands.ts';
import { Connection } from './connection.ts';
import { ConnectionTable } from './connection-table.ts';
import { ExpiryClock } from './expiry-clock.ts';
import { DEFAULT_LIMITS, type KvLimits, REPLY_BYTES } from './limits.ts';
import { Output } from './output.ts';
import { recover } from './recovery.ts';
import * as replies from './replies.ts';
import { BROKEN, COMMAND, RespParser } from './resp-parser.ts';
import type { ServiceFacts } from './service-commands.ts';
import { isSession, readSession, restoreSession, writeSession } from './session.ts';
import { Store } from './store.ts';

/** Slots that must be free before a command is executed: what its reply and its record may take. */
const SPARE_SLOTS = 16;
/** How long to wait for slots to come back, in microseconds. */
const SLOTS_WAIT_US = 1000;

export interface KvServerOptions {
  address: AddressLike;
  limits?: Partial<KvLimits>;
  /** Name of the log that changes go to before they are acknowledged; made when it is missing. */
  appendOnly?: string;
  /** Milliseconds since 1970 at the start; default the system's clock. Time goes on with the library OS's clock. */
  startMs?: number;
  /** With an agent, clients come from other backends and leave to them, at any byte. Their data does not. */
  mover?: Mover;
  /** The first client's identifier is the number after this; a fleet gives each backend numbers of its own. Default 0. */
  idsAfter?: number;
}

export class KvServer implements ServiceFacts {
  readonly os: Demikernel;
  readonly store: Store;
  readonly commandSet: Commands;
  /** Connections taken since the start, those that were one too many, and those ended for want of memory. */
  accepted: number;
  turnedAway: number;
  starved: number;
  /** Connections that came from other backends, and that went to them. */
  arrived: number;
  left: number;
  private readonly listeningQd: number;
  private readonly set: WaitSet;
  private readonly pool: SlotPool;
  private readonly sliceBytes: number;
  private readonly spare: Region;
  private readonly connections: ConnectionTable<Connection>;
  private readonly clock: ExpiryClock;
  /** Descriptor of the log, or -1; and whose changes a push to it holds. */
  private readonly logQd: number;
  private readonly logged: Map<QueueToken, Connection>;
  private readonly pausedConnections: Connection[];
  private readonly mover: Mover | undefined;
  private readonly idsAfter: number;

  /** Listens; with a log, reads that first. @throws what the library OS says of the address, and of the log */
  constructor(os: Demikernel, options: KvServerOptions) {
    const limits = { ...DEFAULT_LIMITS, ...options.limits };
    const { pool, runtime, sliceBytes } = os.libraryOs;
    this.os = os;
    this.pool = pool;
    this.sliceBytes = sliceBytes;
    this.spare = heapRegion(sliceBytes);
    const secret = [runtime.random.int32(), runtime.random.int32()] as const;
    this.store = new Store({ pool, sliceBytes, limits, secret });
    this.commandSet = new Commands(this.store, this);
    this.accepted = 0;
    this.turnedAway = 0;
    this.starved = 0;
    this.arrived = 0;
    this.left = 0;
    this.mover = options.mover;
    this.idsAfter = options.idsAfter ?? 0;
    this.connections = new ConnectionTable();
    this.logged = new Map();
    this.pausedConnections = [];
    this.set = os.waitSet();
    this.clock = new ExpiryClock(runtime.clock, this.store, options.startMs ?? Date.now());
    this.logQd = options.appendOnly === undefined ? -1 : this.openLog(options.appendOnly);
    this.listeningQd = os.socket('stream');
    os.bind(this.listeningQd, options.address);
    os.listen(this.listeningQd, 1024);
    this.set.add(os.accept(this.listeningQd));
    this.mover?.serve(this.listeningQd, {
      mayArrive: () => this.connections.count < limits.clients,
      canGoOn: isSession,
      arrived: arrival => this.arrive(arrival),
    });
    os.beforeShutDown(() => this.close());
  }

  /** Where it listens: with port 0 asked for, the port that was found. */
  get address(): SocketAddress {
    return this.os.getsockname(this.listeningQd);
  }

  /** Serves until the process is asked to stop. Owns the thread. */
  serve(): void {
    while (!this.os.stopping) {
      const result = this.set.wait(
        this.pausedConnections.length > 0 ? SLOTS_WAIT_US : this.clock.untilSweepUs,
      );
      this.clock.tick();
      if (result !== undefined) this.handle(result);
      if (this.pausedConnections.length > 0) this.resumePaused();
    }
  }

  /** Handles what is ready without waiting, for a loop that somebody else turns; returns how much that was. */
  serveReady(): number {
    let handled = 0;
    this.clock.tick();
    for (let result = this.set.take(); result !== undefined; result = this.set.take()) {
      this.handle(result);
      handled++;
    }
    if (this.pausedConnections.length > 0) this.resumePaused();
    return handled;
  }

  // ---- facts ----

  get name(): string {
    return this.os.name;
  }

  get port(): number {
    return this.address.port;
  }

  get uptimeSeconds(): number {
    return this.clock.uptimeSeconds;
  }

  get clients(): number {
    return this.connections.count;
  }

  get commands(): number {
    return this.commandSet.executed;
  }

  get appendOnly(): boolean {
    return this.logQd >= 0;
  }

  clientList(): readonly ClientState[] {
    return this.connections.all().map(each => each.client);
  }

  // ---- what has happened ----

  private handle(result: Result): void {
    const { opcode, qd } = result;
    if (opcode === OP_ACCEPT) {
      this.acceptResult(result);
      return;
    }
    if (qd === this.logQd) {
      this.durable(result);
      return;
    }
    const connection = this.connections.ownerOf(result);
    if (connection === undefined) return;
    if (opcode === OP_POP) this.popped(connection, result);
    else this.pushed(connection, result);
  }

  private acceptResult(result: Result): void {
    const { acceptedQd, address, errno } = result;
    if (errno === 0) {
      this.accepted++;
      this.os.setsockopt(acceptedQd, 'noDelay', true);
      if (this.connections.count >= this.store.limits.clients) this.turnAway(acceptedQd);
      else {
        const connection = this.connect(acceptedQd, String(address), this.idsAfter + this.accepted);
        this.begin(connection);
      }
    }
    this.set.add(this.os.accept(this.listeningQd));
  }

  private arrive({ qd, saved }: Arrival): void {
    const session = readSession(saved);
    this.arrived++;
    const connection = this.connect(qd, String(this.os.getpeername(qd)), session.idNumber);
    restoreSession(connection, session);
    session.release();
    this.begin(connection);
  }

  private begin(connection: Connection): void {
    this.mover?.migratable(connection.qd, {
      // Replies that wait for the log speak of changes that are only here.
      mayLeave: () => !connection.logging,
      save: () => {
        const saved = writeSession(connection);
        connection.frozen = true;
        return saved;
      },
      stayed: () => {
        connection.frozen = false;
        if (!connection.closed) this.goOn(connection);
      },
      left: () => {
        this.left++;
        this.leave(connection);
      },
      lost: () => this.leave(connection),
    });
    this.goOn(connection);
  }

  private connect(qd: number, address: string, id: number): Connection {
    const output = (): Output => new Output(this.pool, this.sliceBytes, this.spare);
    const journal = this.logQd < 0 ? undefined : output();
    const client = new ClientState(id, new RespParser(this.store), output(), journal);
    client.address = address;
    const connection = new Connection(qd, client);
    this.connections.add(connection);
    return connection;
  }

  private turnAway(qd: number): void {
    this.turnedAway++;
    this.set.add(this.os.push(qd, replies.TOO_MANY_CLIENTS));
    this.os.close(qd);
  }

  private popped(connection: Connection, result: Result): void {
    const { array, errno } = result;
    connection.popping = false;
    if (errno !== 0 || array === undefined) this.end(connection);
    else if (array.count === 0) {
      array.free();
      connection.ending = true;
      this.goOn(connection);
    } else {
      connection.waiting = array;
      this.goOn(connection);
    }
  }

  private pushed(connection: Connection, result: Result): void {
    connection.pushing = false;
    if (result.errno !== 0) this.end(connection);
    else if (
      connection.unread ||
      connection.waiting !== undefined ||
      connection.ending ||
      connection.client.quits
    ) {
      this.goOn(connection);
    }
  }

  /** A record is durable: the replies that speak of it may leave. */
  private durable(result: Result): void {
    const connection = this.logged.get(result.token);
    this.logged.delete(result.token);
    if (connection === undefined || connection.closed) return;
    connection.logging = false;
    const { held } = connection;
    connection.held = undefined;
    if (result.errno !== 0) {
      // What is not durable must not be acknowledged.
      held?.free();
      this.end(connection);
      return;
    }
    if (held !== undefined) this.push(connection, held);
    this.goOn(connection);
  }

  // ---- what to do next ----

  /** Executes what has arrived, as long as replies can leave; then asks for more. */
  private goOn(connection: Connection): void {
    if (connection.frozen) return;
    const { client } = connection;
    while (!connection.pushing && !connection.logging && !client.quits) {
      if (!connection.unread) {
        if (connection.waiting === undefined) break;
        client.parser.feed(connection.waiting);
        connection.waiting = undefined;
        connection.unread = true;
      }
      if (!this.executeSome(connection)) return;
      this.send(connection);
      if (connection.closed) return;
    }
    if (connection.pushing || connection.logging) {
      // Input may come while replies leave: it is looked at when they have.
      if (!connection.unread) this.receive(connection);
      return;
    }
    if (connection.ending || client.quits) this.end(connection);
    else this.receive(connection);
  }

  private receive(connection: Connection): void {
    if (connection.popping || connection.ending || connection.client.quits) return;
    if (connection.waiting !== undefined) return;
    connection.popping = true;
    connection.popToken = this.os.pop(connection.qd);
    this.set.add(connection.popToken);
  }

  /** Executes commands until input or room for replies ends; false when the connection waits for memory. */
  private executeSome(connection: Connection): boolean {
    const { client } = connection;
    const { journal, out, parser } = client;
    while (!client.quits) {
      if (this.pool.freeSlots - this.pool.reserveSlots < SPARE_SLOTS) {
        this.pause(connection);
        return false;
      }
      const status = parser.next();
      if (status === COMMAND) this.commandSet.execute(client);
      else {
        if (status === BROKEN) {
          replies.error(out, `ERR ${parser.error}`);
          client.quits = true;
        }
        connection.unread = false;
        return true;
      }
      if (out.pendingBytes >= REPLY_BYTES) return true;
      if (journal !== undefined && journal.pendingBytes >= REPLY_BYTES) return true;
    }
    connection.unread = false;
    return true;
  }

  /** Sends what has been written, when the changes it speaks of are durable. */
  private send(connection: Connection): void {
    const { journal, out } = connection.client;
    if (out.failed || journal?.failed === true) {
      this.starved++;
      this.end(connection);
      return;
    }
    const array = out.take();
    const changes = journal?.take();
    if (changes !== undefined) {
      connection.logging = true;
      connection.held = array;
      const token = this.os.push(this.logQd, changes);
      this.logged.set(token, connection);
      this.set.add(token);
      changes.free();
    } else if (array !== undefined) this.push(connection, array);
  }

  private push(connection: Connection, array: ScatterGatherArray): void {
    connection.pushing = true;
    connection.pushToken = this.os.push(connection.qd, array);
    this.set.add(connection.pushToken);
    array.free();
  }

  /** Replies go out, values are replaced: slots come back, and then it goes on. */
  private pause(connection: Connection): void {
    this.send(connection);
    if (!connection.closed && !this.pausedConnections.includes(connection)) {
      this.pausedConnections.push(connection);
    }
  }

  private resumePaused(): void {
    const paused = this.pausedConnections.splice(0);
    for (const connection of paused) if (!connection.closed) this.goOn(connection);
  }

  /** Closes a connection; what has been pushed is still sent. */
  private end(connection: Connection): void {
    if (connection.closed) return;
    this.mover?.forget(connection.qd);
    this.leave(connection);
  }

  private leave(connection: Connection): void {
    if (connection.closed) return;
    this.forget(connection);
    this.os.close(connection.qd);
  }

  private forget(connection: Connection): void {
    const { client } = connection;
    connection.closed = true;
    this.connections.remove(connection);
    client.parser.close();
    client.out.drop();
    client.journal?.drop();
    connection.waiting?.free();
    connection.waiting = undefined;
    connection.held?.free();
    connection.held = undefined;
  }

  private openLog(name: string): number {
    const { commandSet, os, store } = this;
    const client = new ClientState(
      0,
      new RespParser(store),
      new Output(this.pool, this.sliceBytes, this.spare),
      undefined,
    );
    return recover(os, name, client, commandSet);
  }

  /** Gives the memory of values and of what is under way back. */
  private close(): void {
    for (const connection of this.connections.all()) this.forget(connection);
    this.store.clear();
  }
}
