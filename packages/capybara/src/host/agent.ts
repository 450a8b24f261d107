// A backend's part in moving connections: which of its connections may leave, what arrives, who is told what. The protocol itself is
// ../tcpmig/origin.ts and target.ts; what is done to one connection leaving.ts and arriving.ts.

import { randomFillSync } from 'node:crypto';
import {
  type AddressLike,
  DemiError,
  type Demikernel,
  EEXIST,
  parseSocketAddress,
  SocketAddress,
} from 'demikernel';
import { departable, type Expected, expectConnection, listenFor, onStranger } from 'demikernel/migration';
import { Timer } from 'demikernel/stack';
import {
  type FlowName,
  flowKey,
  type MigrationName,
  migrationKey,
  readName,
  writeName,
} from '../tcpmig/flow.ts';
import {
  ABORT,
  ANY_BACKEND,
  CLAIM_BACK,
  HeaderMac,
  MIGRATION_PORT,
  MigrationHeader,
  ORDER,
  PREPARE,
  PREPARE_ACK,
  REASON_BUSY,
  REASON_EXISTS,
  REASON_NO_LISTENER,
  REASON_REFUSED,
  REJECT,
  VERDICT,
} from '../tcpmig/header.ts';
import { sipHashOf } from '../tcpmig/keys.ts';
import { OriginMigration, type OriginOutcome } from '../tcpmig/origin.ts';
import { StateSeal } from '../tcpmig/seal.ts';
import { TARGET_DONE, TARGET_RELEASING, TargetMigration } from '../tcpmig/target.ts';
import { DEFAULT_TIMING, type MigrationTiming } from '../tcpmig/timing.ts';
import { ArrivingState } from './arriving.ts';
import { ControlSocket } from './control-socket.ts';
import type { ArrivalHooks, MigratableHooks } from './hooks.ts';
import { LeavingConnection } from './leaving.ts';
import { Readiness } from './readiness.ts';
import { Relearning } from './relearning.ts';
import { Strangers } from './strangers.ts';
import { SwitchWatch } from './switch-watch.ts';

/** Attempts that are over and remembered, so that their late messages are answered and not taken for new ones. */
const REMEMBERED = 4096;
/** For how long a PREPARE_ACK waits until the application has taken what it has popped. */
const TAKING_US = 20_000;

/** Randomness for identifiers. */
export interface IdentifierSource {
  int32(): number;
}

export interface AgentOptions {
  os: Demikernel;
  /** Number of this backend. */
  self: number;
  /** This backend's own address, text or int32. */
  address: string | number;
  /** The switch's. */
  switchAddress: string | number;
  /** Own addresses of the other backends, for packets that come late. */
  addressOf?: (backend: number) => number | undefined;
  /** Whether a backend is known to be dead: its connections are reset by whoever gets their packets. */
  isDown?: (backend: number) => boolean;
  /** 16 bytes: the MAC of messages. */
  headerKey: Uint8Array;
  /** 32 bytes: state travels under keys made of this one. */
  fleetKey: Uint8Array;
  timing?: Partial<MigrationTiming>;
  /** Connections that may be arriving at once. Default 256. */
  maximumArrivals?: number;
  /** Bytes of one connection's state. Default 4 MiB. */
  maximumStateBytes?: number;
  /** Packets kept for a connection on its way. Default 256. */
  heldPackets?: number;
  /** Hears of hooks that have thrown; default a warning of the process. What threw on arrival has lost its connection, all others kept it. */
  onHookError?: (error: unknown) => void;
  /** Default node:crypto. */
  random?: IdentifierSource;
}

/** What has happened. */
export interface AgentCounters {
  left: number;
  arrived: number;
  /** Attempts that ended with the connection where it was. */
  stayed: number;
  /** Connections of which no current copy was left here. */
  lost: number;
  /** Attempts of others that ended without the connection here. */
  notArrived: number;
  /** PREPAREs refused. */
  refused: number;
  /** Messages of attempts that nobody here knows. */
  unknown: number;
  /** Hooks of applications that have thrown. */
  hookErrors: number;
}

/** A connection that may leave. */
interface Migratable {
  readonly flow: FlowName;
  readonly qd: number;
  readonly hooks: MigratableHooks;
  /** The application is about to close it. */
  forgotten: boolean;
  /** Epoch of the switch's entry, as far as we know; 0 for a connection that was accepted here. */
  epoch: number;
  moving: Departure | undefined;
}

interface Departure {
  readonly migration: OriginMigration;
  readonly leaving: LeavingConnection;
  readonly timer: Timer;
  readonly done: ((outcome: OriginOutcome, reason: number) => void) | undefined;
}

interface Arriving {
  readonly migration: TargetMigration;
  readonly timer: Timer;
}

/** One per library OS that takes part. */
export class MigrationAgent {
  readonly counters: AgentCounters;
  readonly socket: ControlSocket;
  readonly self: number;
  readonly timing: MigrationTiming;
  private readonly os: Demikernel;
  private readonly options: AgentOptions;
  private readonly seal: StateSeal;
  private readonly random: IdentifierSource;
  private readonly listeners: Map<number, ArrivalHooks>;
  private readonly migratables: Map<string, Migratable>;
  private readonly byQd: Map<number, Migratable>;
  private readonly departures: Map<string, Migratable>;
  private readonly arrivals: Map<string, Arriving>;
  private readonly arrivalsByFlow: Map<string, Arriving>;
  /** Attempts to leave that are over: who took part in one may still ask. */
  private readonly departed: Map<string, OriginMigration>;
  /** Attempts refused at once: the same answer again. */
  private readonly refusals: Map<string, number>;
  private liveArrivals: number;
  private readonly header: MigrationHeader;
  private readonly strangers: Strangers;
  private readonly claims: Relearning;
  private readonly watch: SwitchWatch;
  /** Since when the switch is the one we know. */
  private switchSinceUs: number;

  constructor(options: AgentOptions) {
    const { os, self } = options;
    this.counters = {
      left: 0,
      arrived: 0,
      stayed: 0,
      lost: 0,
      notArrived: 0,
      refused: 0,
      unknown: 0,
      hookErrors: 0,
    };
    this.os = os;
    this.self = self;
    this.options = options;
    this.timing = { ...DEFAULT_TIMING, ...options.timing };
    this.seal = new StateSeal(options.fleetKey);
    this.random = options.random ?? new CryptoIdentifiers();
    this.listeners = new Map();
    this.migratables = new Map();
    this.byQd = new Map();
    this.departures = new Map();
    this.arrivals = new Map();
    this.arrivalsByFlow = new Map();
    this.departed = new Map();
    this.refusals = new Map();
    this.liveArrivals = 0;
    this.header = new MigrationHeader();
    this.socket = new ControlSocket({
      os,
      local: controlAddress(options.address),
      remote: controlAddress(options.switchAddress),
      mac: new HeaderMac(sipHashOf(options.headerKey)),
      sink: (header, payload) => this.receive(header, payload),
    });
    const send = (header: MigrationHeader): void => this.send(header, undefined);
    this.strangers = new Strangers(os, self, send, backend => options.isDown?.(backend) === true);
    this.claims = new Relearning(os.libraryOs.runtime, self, send, this.timing.maximumRetryUs);
    this.switchSinceUs = Number.NEGATIVE_INFINITY;
    this.watch = new SwitchWatch(self, this.random, send, () => this.relearn());
  }

  // ---- what applications say ----

  /** Takes connections of a listening queue from other backends. */
  serve(listenerQd: number, hooks: ArrivalHooks): void {
    this.listeners.set(listenerQd, hooks);
    onStranger(this.os.libraryOs, listenerQd, stranger => this.strangers.meet(listenerQd, stranger));
  }

  /** Lets an established connection leave when somebody asks for it. It ends with the connection, or by `forget`. */
  migratable(qd: number, hooks: MigratableHooks): void {
    const flow = this.flowOf(qd);
    const migratable = { flow, qd, hooks, forgotten: false, epoch: 0, moving: undefined };
    this.migratables.set(flowKey(flow), migratable);
    this.byQd.set(qd, migratable);
  }

  /** The connection may leave no more: the application is about to close it. */
  forget(qd: number): void {
    const migratable = this.byQd.get(qd);
    if (migratable === undefined) return;
    migratable.forgotten = true;
    const { moving, flow } = migratable;
    if (moving === undefined) this.drop(flowKey(flow), migratable);
    else {
      moving.migration.cancel(this.nowUs);
      this.arm(moving);
    }
  }

  /**
   * Begins to move a connection.
   *
   * @param target number of a backend; the switch chooses when there is none
   * @returns false when it cannot go now: it is not migratable, moving, refused by its application, or not established
   */
  move(
    qd: number,
    target: number = ANY_BACKEND,
    done?: (outcome: OriginOutcome, reason: number) => void,
  ): boolean {
    const migratable = this.byQd.get(qd);
    if (migratable === undefined || migratable.moving !== undefined) return false;
    if (!this.isOpen(migratable) || migratable.hooks.mayLeave?.() === false) return false;
    const host = this.os.libraryOs;
    const estimateBytes = departable(host, qd);
    const name: MigrationName = {
      ...migratable.flow,
      identifierLow: this.random.int32(),
      identifierHigh: this.random.int32(),
    };
    const key = migrationKey(name);
    const leaving = new LeavingConnection({
      host,
      qd,
      hooks: migratable.hooks,
      heldPackets: this.options.heldPackets ?? 256,
      graceUs: this.timing.graceUs,
      send: (header, payload) => this.send(header, payload),
      addressOf: backend => this.options.addressOf?.(backend),
      ended: (outcome, reason) => this.endDeparture(key, outcome, reason),
      hookFailed: error => this.hookFailed(error),
    });
    const migration = new OriginMigration({
      name,
      self: this.self,
      target,
      estimateBytes,
      seal: this.seal,
      timing: this.timing,
      actions: leaving,
    });
    leaving.migration = migration;
    const departure: Departure = { migration, leaving, timer: this.timerOf(migration), done };
    migratable.moving = departure;
    this.departures.set(key, migratable);
    migration.start(this.nowUs);
    this.arm(departure);
    return true;
  }

  /** Whether a connection is frozen here, on its way out or in. For whoever watches over silence. */
  isFrozen(flow: FlowName): boolean {
    const key = flowKey(flow);
    if (this.migratables.get(key)?.moving?.migration.frozen === true) return true;
    const arriving = this.arrivalsByFlow.get(key);
    return arriving !== undefined && arriving.migration.state < TARGET_RELEASING;
  }

  /** Connections that may leave, by descriptor. */
  get connections(): number[] {
    const qds: number[] = [];
    for (const [key, migratable] of this.migratables) {
      if (migratable.moving !== undefined || this.isOpen(migratable)) qds.push(migratable.qd);
      else this.drop(key, migratable); // it has ended, and nobody has said so
    }
    return qds;
  }

  /** Whether the descriptor still stands for the connection that it was given for. */
  private isOpen({ qd, flow }: Migratable): boolean {
    try {
      return flowKey(this.flowOf(qd)) === flowKey(flow) && departable(this.os.libraryOs, qd) > 0;
    } catch {
      return false;
    }
  }

  /** Migrations that are not over. */
  get moving(): number {
    return this.departures.size + this.liveArrivals;
  }

  /** Asks the switch whether it is still the one that we know; one that was restarted is told what is ours. For every now and then. */
  watchSwitch(): void {
    this.watch.ask();
  }

  /** Tells a restarted switch which connections are ours. What is frozen is not: its outcome is still to come. */
  relearn(): void {
    for (const migratable of this.migratables.values()) {
      if (!this.isOpen(migratable)) continue;
      this.claims.claim(migratable.flow, () =>
        this.isOpen(migratable) && migratable.moving?.migration.frozen !== true
          ? migratable.epoch
          : undefined,
      );
    }
    this.claims.begin();
  }

  /** Connections that a restarted switch has not yet confirmed. */
  get relearning(): number {
    return this.claims.open;
  }

  /** Ends everything that is on its way: what was frozen is gone. */
  close(): void {
    this.socket.close();
    this.claims.close();
    const { timers } = this.os.libraryOs.runtime;
    for (const { moving } of this.migratables.values()) if (moving !== undefined) timers.cancel(moving.timer);
    for (const { timer } of this.arrivals.values()) timers.cancel(timer);
    this.migratables.clear();
    this.byQd.clear();
    this.departures.clear();
    this.arrivals.clear();
    this.arrivalsByFlow.clear();
  }

  // ---- what the network says ----

  /** Whatever leaves names the switch that we know. */
  private send(header: MigrationHeader, payload: Uint8Array | undefined): void {
    header.boot = this.watch.boot;
    this.socket.send(header, payload);
  }

  private receive(h: MigrationHeader, payload: Uint8Array): void {
    const { boot } = this.watch;
    const wasAnswer = this.watch.receive(h);
    if (this.watch.boot !== boot) this.switchSinceUs = this.nowUs;
    if (wasAnswer) return;
    const key = migrationKey(readName(h));
    const leaving = this.departures.get(key)?.moving;
    if (leaving !== undefined) {
      if (h.stage === PREPARE_ACK && this.mustWait(key, h)) return;
      leaving.migration.receive(h, this.nowUs);
      this.arm(leaving);
      return;
    }
    const arriving = this.arrivals.get(key);
    if (arriving !== undefined) {
      arriving.migration.receive(h, payload, this.nowUs);
      this.arm(arriving);
      return;
    }
    const departed = this.departed.get(key);
    if (departed !== undefined && h.stage === ABORT) departed.receive(h, this.nowUs);
    else if (h.stage === VERDICT && h.identifierLow === 0 && h.identifierHigh === 0) {
      if (this.claims.answered(h)) return;
      const flow = flowKey(readName(h));
      const arriving = this.arrivalsByFlow.get(flow)?.migration;
      const isComing = arriving !== undefined && arriving.state !== TARGET_DONE;
      this.strangers.judge(
        h,
        isComing || this.migratables.has(flow),
        this.nowUs - this.switchSinceUs < this.timing.orphanUs,
      );
    } else if (h.stage === PREPARE && h.origin !== this.self) this.prepare(h, key);
    else if (h.stage === PREPARE_ACK && h.origin === this.self) this.returnStray(h);
    else if (h.stage === ORDER) this.obey(h);
    else this.counters.unknown++;
  }

  /** The controller wants a connection elsewhere. An order for another epoch is an old one: it has moved since, or come back. */
  private obey(h: MigrationHeader): void {
    const migratable = this.migratables.get(flowKey(readName(h)));
    // The epoch of a connection that was accepted here is the switch's to know, until it has moved once.
    if (migratable === undefined || (migratable.epoch !== 0 && migratable.epoch !== h.epoch)) {
      this.counters.unknown++;
      return;
    }
    this.move(migratable.qd, h.target);
  }

  /**
   * The switch has flipped an entry for an attempt that is over here. Without a word its packets would go to somebody who waits in
   * vain: claim it back. Who really has it, the switch knows.
   */
  private returnStray(h: MigrationHeader): void {
    this.counters.unknown++;
    const answer = this.header;
    writeName(answer, readName(h));
    answer.stage = CLAIM_BACK;
    answer.verdict = 0;
    answer.epoch = h.epoch;
    answer.origin = this.self;
    answer.target = h.target;
    answer.sender = this.self;
    this.send(answer, undefined);
  }

  /**
   * What was popped and not taken is not in the application's state, and what was handed to a promise is not before its handler has
   * run: the freeze waits until it is.
   */
  private mustWait(key: string, h: MigrationHeader): boolean {
    const migratable = this.departures.get(key)!;
    const readiness = new Readiness(this.os.libraryOs, migratable.qd, migratable.hooks);
    if (!this.isOpen(migratable) || readiness.check()) return false;
    const later = Object.assign(new MigrationHeader(), h);
    const untilUs = this.nowUs + TAKING_US;
    const { deferred } = this.os.libraryOs.runtime;
    const task = {
      runDeferred: (): void => {
        const { moving } = migratable;
        if (moving === undefined || this.departures.get(key) !== migratable) return;
        if (!this.isOpen(migratable) || readiness.check()) moving.migration.receive(later, this.nowUs);
        else if (this.nowUs < untilUs) {
          deferred.schedule(task);
          return;
        } else moving.migration.cancel(this.nowUs);
        this.arm(moving);
      },
    };
    deferred.schedule(task);
    return true;
  }

  private prepare(h: MigrationHeader, key: string): void {
    const known = this.refusals.get(key);
    if (known !== undefined) {
      this.reject(h, known);
      return;
    }
    const flow = readName(h);
    this.makeWay(flow, h.epoch);
    const found = this.expect(flow);
    if (typeof found === 'number') {
      remember(this.refusals, key, found);
      this.counters.refused++;
      this.reject(h, found);
      return;
    }
    this.beginArrival(h, key, found.expected, found.hooks);
  }

  /** A migration of this connection at a later epoch means that what we were still waiting for has been decided. */
  private makeWay(flow: FlowName, epoch: number): void {
    const leaving = this.migratables.get(flowKey(flow))?.moving;
    if (leaving?.migration.superseded(epoch) === true) this.arm(leaving);
    const arriving = this.arrivalsByFlow.get(flowKey(flow));
    if (arriving?.migration.superseded(epoch) === true) this.arm(arriving);
  }

  private expect(flow: FlowName): { expected: Expected; hooks: ArrivalHooks } | number {
    const host = this.os.libraryOs;
    const { virtualAddress: localAddress, virtualPort: localPort, clientAddress, clientPort } = flow;
    const listenerQd = listenFor(host, this.listeners.keys(), localAddress, localPort);
    if (listenerQd === undefined) return REASON_NO_LISTENER;
    const hooks = this.listeners.get(listenerQd)!;
    if (hooks.mayArrive?.() === false) return REASON_REFUSED;
    if (this.liveArrivals >= (this.options.maximumArrivals ?? 256)) return REASON_BUSY;
    const name = { localAddress, localPort, remoteAddress: clientAddress, remotePort: clientPort };
    try {
      const heldPackets = this.options.heldPackets ?? 256;
      return { expected: expectConnection(host, listenerQd, name, { heldPackets }), hooks };
    } catch (error) {
      if (error instanceof DemiError) return error.errno === EEXIST ? REASON_EXISTS : REASON_NO_LISTENER;
      throw error;
    }
  }

  private beginArrival(h: MigrationHeader, key: string, expected: Expected, hooks: ArrivalHooks): void {
    const state = new ArrivingState({
      expected,
      canGoOn: saved => this.canGoOn(hooks, saved),
      send: header => this.send(header, undefined),
      ended: outcome => {
        this.liveArrivals--;
        if (outcome === 'owned') this.takeOver(migration, state, hooks);
        else this.counters.notArrived++;
      },
    });
    const migration = new TargetMigration({
      prepare: h,
      self: this.self,
      maximumStateBytes: this.options.maximumStateBytes ?? 4 * 1024 * 1024,
      seal: this.seal,
      timing: this.timing,
      actions: state,
    });
    const arriving: Arriving = { migration, timer: this.timerOf(migration) };
    this.liveArrivals++;
    this.forgetOldArrival();
    this.arrivals.set(key, arriving);
    this.arrivalsByFlow.set(flowKey(migration.name), arriving);
    migration.start(this.nowUs);
    this.arm(arriving);
  }

  private canGoOn(hooks: ArrivalHooks, saved: Uint8Array): boolean {
    try {
      return hooks.canGoOn?.(saved) !== false;
    } catch (error) {
      this.hookFailed(error);
      return false;
    }
  }

  private takeOver(migration: TargetMigration, state: ArrivingState, hooks: ArrivalHooks): void {
    this.counters.arrived++;
    const { qd } = state;
    const key = flowKey(migration.name);
    // What is remembered of an attempt should not hold on to its state.
    const saved = state.saved.slice();
    state.saved = new Uint8Array(0);
    try {
      hooks.arrived({ qd, saved, origin: migration.origin });
    } catch (error) {
      // Nobody goes on with it, and the client must know.
      this.os.setsockopt(qd, 'lingerUs', 0);
      this.os.close(qd);
      this.hookFailed(error);
    }
    const migratable = this.migratables.get(key);
    if (migratable !== undefined && migratable.qd === qd) migratable.epoch = migration.epoch;
  }

  private hookFailed(error: unknown): void {
    this.counters.hookErrors++;
    if (this.options.onHookError !== undefined) this.options.onHookError(error);
    else process.emitWarning(error instanceof Error ? error : String(error));
  }

  /** The oldest attempt that is over makes room; what is alive stays. */
  private forgetOldArrival(): void {
    if (this.arrivals.size < REMEMBERED) return;
    for (const [key, arriving] of this.arrivals) {
      if (arriving.migration.state !== TARGET_DONE) continue;
      this.arrivals.delete(key);
      const flow = flowKey(arriving.migration.name);
      if (this.arrivalsByFlow.get(flow) === arriving) this.arrivalsByFlow.delete(flow);
      return;
    }
  }

  private endDeparture(key: string, outcome: OriginOutcome, reason: number): void {
    const migratable = this.departures.get(key)!;
    const { moving } = migratable;
    this.departures.delete(key);
    migratable.moving = undefined;
    remember(this.departed, key, moving!.migration);
    const flow = flowKey(migratable.flow);
    if (outcome === 'stayed') {
      this.counters.stayed++;
      migratable.epoch = moving!.migration.epoch;
      if (migratable.forgotten || !this.isOpen(migratable)) this.drop(flow, migratable);
    } else {
      if (outcome === 'moved') this.counters.left++;
      else this.counters.lost++;
      this.drop(flow, migratable);
    }
    moving!.done?.(outcome, reason);
  }

  private drop(flow: string, migratable: Migratable): void {
    if (this.migratables.get(flow) === migratable) this.migratables.delete(flow);
    if (this.byQd.get(migratable.qd) === migratable) this.byQd.delete(migratable.qd);
  }

  private reject(h: MigrationHeader, reason: number): void {
    const answer = this.header;
    writeName(answer, readName(h));
    answer.stage = REJECT;
    answer.verdict = reason;
    answer.epoch = h.epoch;
    answer.origin = h.origin;
    answer.target = this.self;
    answer.sender = this.self;
    this.send(answer, undefined);
  }

  // ---- the rest ----

  private flowOf(qd: number): FlowName {
    const local = this.os.getsockname(qd);
    const remote = this.os.getpeername(qd);
    return {
      clientAddress: remote.ipv4,
      clientPort: remote.port,
      virtualAddress: local.ipv4,
      virtualPort: local.port,
    };
  }

  private get nowUs(): number {
    return this.os.libraryOs.runtime.clock.micros[0]!;
  }

  private timerOf(machine: { onTime(nowUs: number): void; dueUs: number }): Timer {
    const timer: Timer = new Timer(
      {
        onTimer: () => {
          machine.onTime(this.nowUs);
          this.arm({ migration: machine, timer });
        },
      },
      0,
    );
    return timer;
  }

  private arm(entry: { migration: { dueUs: number }; timer: Timer }): void {
    const { timers } = this.os.libraryOs.runtime;
    const { dueUs } = entry.migration;
    if (dueUs === Number.POSITIVE_INFINITY) timers.cancel(entry.timer);
    else timers.arm(entry.timer, Math.max(0, dueUs - this.nowUs));
  }
}

/** Keeps the newest entries of a map. */
function remember<T>(map: Map<string, T>, key: string, value: T): void {
  map.set(key, value);
  if (map.size > REMEMBERED) map.delete(map.keys().next().value!);
}

function controlAddress(address: AddressLike | number): SocketAddress {
  if (typeof address === 'string') return parseSocketAddress(`${address}:${MIGRATION_PORT}`);
  const socketAddress = new SocketAddress();
  socketAddress.setIpv4(typeof address === 'number' ? address : address.ipv4, MIGRATION_PORT);
  return socketAddress;
}

class CryptoIdentifiers implements IdentifierSource {
  private readonly words = new Int32Array(64);
  private next = 64;

  int32(): number {
    if (this.next === this.words.length) {
      randomFillSync(this.words);
      this.next = 0;
    }
    return this.words[this.next++]!;
  }
}
