// The controller of a fleet: backends come by their heartbeats and go without them; connections move as the policy says. Pure but
// for the switch's tables, which it reads and writes: messages go out by a function that it is given, the time is given too.

import { DemiError } from '@demikernel/memory';
import { formatIpv4 } from 'demikernel';
import { type Move, type Plan, Policy, type PolicyOptions, type Stuck } from '../policy/index.ts';
import type { BackendState, Flow, FlowTable, SwitchTables } from '../switch/index.ts';
import type { Heartbeat } from '../tcpmig/heartbeat.ts';
import { LoadMeter, type MeasuredFlow } from './loads.ts';

/** What the controller needs of a switch. `Switch` has it, and so has a model. */
export interface ControlledSwitch {
  readonly tables: SwitchTables;
  readonly flows: FlowTable;
}

export interface ControllerOptions {
  controlled: ControlledSwitch;
  policy?: PolicyOptions;
  /** Plans are made and shown, and nothing moves; draining and orders are obeyed. */
  dryRun?: boolean;
  /** Without a heartbeat for so long a backend is down, in ms; 350 by default, three missed ones. */
  deadAfterMs?: number;
  /** How far a backend's clock may be from ours, in ms: older heartbeats are replays. 30 s by default. */
  clockToleranceMs?: number;
  /**
   * Where a backend is: behind a port of the switch, by its index, or behind the port that its clients come in by (`{}`).
   * `undefined`: it may not register.
   */
  placeOf: (heartbeat: Heartbeat) => { port?: number } | undefined;
  /** Tells the owner of a connection to move it; `address` as a number. */
  order: (flow: Flow, owner: { id: number; address: number }, target: number) => void;
}

/** A backend, as the controller sees it. */
export interface BackendStatus {
  id: number;
  state: BackendState;
  /** `address` as a number. */
  address: number;
  weight: number;
  /** Entries of the switch. */
  connections: number;
  /** What it says itself. */
  reported: number;
  /** Packets from clients per second. */
  load: number;
  delayUs: number;
  /** ms since its last heartbeat. */
  silentMs: number;
  /** How often it came back after it was down. */
  returns: number;
}

/** One migration that was ordered, or seen. */
export interface MigrationEvent {
  /** ms of the controller's clock. */
  orderedMs: number;
  /** When the switch's entry had another owner; `undefined` while it has not. */
  doneMs: number | undefined;
  outcome: 'underWay' | 'moved' | 'stayed' | 'gone';
  reason: Move['reason'] | 'own';
  client: string;
  from: number;
  to: number;
}

interface Backend {
  heartbeat: Heartbeat;
  lastMs: number;
  down: boolean;
  /** An operator's word, which stands above the backend's own. */
  drained: boolean;
  returns: number;
  load: number;
}

interface Ordered {
  event: MigrationEvent;
  flow: Flow;
  slot: number;
}

const DEAD_AFTER_MS = 350;
const CLOCK_TOLERANCE_MS = 30_000;
/** An order that has had no effect for so long was refused. */
const ORDER_TIMEOUT_MS = 1000;
const REMEMBERED_EVENTS = 512;
const US_PER_MS = 1000;

/** Counters of a controller. */
export interface ControllerCounters {
  heartbeats: number;
  /** Older than one that has been heard, or than the clock allows. */
  replayed: number;
  /** Of backends that may not register. */
  unknown: number;
  ordered: number;
  moved: number;
  stayed: number;
  deaths: number;
}

/** Decides for one switch. */
export class Controller {
  readonly counters: ControllerCounters;
  readonly policy: Policy;
  readonly #options: ControllerOptions;
  readonly #tables: SwitchTables;
  readonly #meter: LoadMeter;
  readonly #backends: Map<number, Backend>;
  readonly #ordered: Map<number, Ordered>;
  readonly #events: MigrationEvent[];
  #flows: MeasuredFlow[];
  #stuck: readonly Stuck[];
  #planned: readonly Move[];

  constructor(options: ControllerOptions) {
    this.counters = { heartbeats: 0, replayed: 0, unknown: 0, ordered: 0, moved: 0, stayed: 0, deaths: 0 };
    this.policy = new Policy(options.policy);
    this.#options = options;
    this.#tables = options.controlled.tables;
    this.#meter = new LoadMeter(options.controlled.flows);
    this.#backends = new Map();
    this.#ordered = new Map();
    this.#events = [];
    this.#flows = [];
    this.#stuck = [];
    this.#planned = [];
  }

  /**
   * A backend is there.
   *
   * @param wallMs the time of day, ms since 1970: what sequences of heartbeats are made of
   */
  heard(heartbeat: Heartbeat, nowMs: number, wallMs: number): void {
    this.counters.heartbeats++;
    const known = this.#backends.get(heartbeat.backend);
    const { clockToleranceMs = CLOCK_TOLERANCE_MS } = this.#options;
    const late = Math.abs(heartbeat.sequence / US_PER_MS - wallMs) > clockToleranceMs;
    if (late || (known !== undefined && heartbeat.sequence <= known.heartbeat.sequence)) {
      this.counters.replayed++;
      return;
    }
    const place = this.#options.placeOf(heartbeat);
    if (place === undefined) {
      this.counters.unknown++;
      return;
    }
    const backend: Backend = known ?? {
      heartbeat,
      lastMs: nowMs,
      down: false,
      drained: false,
      returns: 0,
      load: 0,
    };
    const moved = known === undefined || hasMoved(known.heartbeat, heartbeat);
    backend.heartbeat = heartbeat;
    backend.lastMs = nowMs;
    if (backend.down) {
      backend.down = false;
      backend.returns++;
    }
    this.#backends.set(heartbeat.backend, backend);
    if (moved) {
      this.#tables.setBackend(heartbeat.backend, {
        macAddress: heartbeat.macAddress,
        address: heartbeat.address,
        ...place,
        weight: heartbeat.weight,
        state: stateOf(backend),
      });
      // A fleet that has grown evens out.
      if (known === undefined && this.#backends.size > 1) this.policy.rebalance(nowMs * US_PER_MS);
    } else {
      this.#setState(heartbeat.backend, stateOf(backend));
    }
  }

  /** Looks at the fleet and acts. To be called ten times a second or so. */
  tick(nowMs: number): void {
    this.#bury(nowMs);
    this.#flows = this.#meter.measure(nowMs);
    this.#watch(nowMs);
    const plan = this.#plan(nowMs);
    this.#stuck = plan.stuck;
    this.#planned = plan.moves;
    const bySlot = new Map(this.#flows.map(each => [each.slot, each]));
    for (const move of plan.moves) {
      const measured = bySlot.get(move.connection);
      if (measured === undefined) {
        this.policy.closed(move.connection);
        continue;
      }
      if (this.#options.dryRun === true && move.reason !== 'drain' && move.reason !== 'order') continue;
      this.policy.started(move, nowMs * US_PER_MS);
      this.#order(measured, move, nowMs);
    }
  }

  /** Empties a backend, or lets it work again. @throws DemiError `ERR_DEMI_ARGUMENT` for one that is not known */
  drain(id: number, drained = true): void {
    const backend = this.#known(id);
    backend.drained = drained;
    this.#setState(id, stateOf(backend));
  }

  /**
   * Moves one connection by order.
   *
   * @param client `address:port`
   * @throws DemiError `ERR_DEMI_ARGUMENT` when there is no such connection, or no such backend
   */
  move(client: string, to: number): void {
    this.#known(to);
    const found = this.#flows.find(each => clientOf(each.flow) === client);
    if (found === undefined)
      throw new DemiError('ERR_DEMI_ARGUMENT', `no connection from ${client} is known`);
    this.policy.order({ connection: found.slot, from: found.flow.owner, to, load: found.load });
  }

  /** Forgets a backend that will not come back. @throws DemiError `ERR_DEMI_ARGUMENT` for one that is alive */
  remove(id: number): void {
    if (!this.#known(id).down)
      throw new DemiError('ERR_DEMI_ARGUMENT', `backend ${id} is alive: drain it first`);
    this.#backends.delete(id);
    this.#tables.removeBackend(id);
  }

  backends(nowMs: number): BackendStatus[] {
    return [...this.#backends]
      .map(([id, backend]) => ({
        id,
        state: stateOf(backend),
        address: backend.heartbeat.address,
        weight: backend.heartbeat.weight,
        connections: this.#tables.readBackend(id).connections,
        reported: backend.heartbeat.connections,
        load: backend.load,
        delayUs: backend.heartbeat.delayUs,
        silentMs: nowMs - backend.lastMs,
        returns: backend.returns,
      }))
      .sort((a, b) => a.id - b.id);
  }

  /** The last migrations, oldest first. */
  get events(): readonly MigrationEvent[] {
    return this.#events;
  }

  /** Connections, as they were at the last tick. */
  get flows(): readonly MeasuredFlow[] {
    return this.#flows;
  }

  /** Backends that should give connections away and cannot; and what a dry run would have moved. */
  get plan(): Plan {
    return { moves: this.#planned, stuck: this.#stuck };
  }

  #known(id: number): Backend {
    const backend = this.#backends.get(id);
    if (backend === undefined) throw new DemiError('ERR_DEMI_ARGUMENT', `there is no backend ${id}`);
    return backend;
  }

  /** Takes out who has not been heard of. */
  #bury(nowMs: number): void {
    const { deadAfterMs = DEAD_AFTER_MS } = this.#options;
    for (const [id, backend] of this.#backends) {
      if (backend.down || nowMs - backend.lastMs <= deadAfterMs) continue;
      backend.down = true;
      this.counters.deaths++;
      this.#setState(id, 'down');
    }
  }

  #setState(id: number, state: BackendState): void {
    if (this.#tables.backendState(id) !== state) this.#tables.setBackendState(id, state);
  }

  #plan(nowMs: number): Plan {
    const loads = new Map<number, number>();
    for (const { flow, load } of this.#flows) loads.set(flow.owner, (loads.get(flow.owner) ?? 0) + load);
    for (const [id, backend] of this.#backends) backend.load = loads.get(id) ?? 0;
    const backends = [...this.#backends].map(([id, backend]) => ({
      id,
      accepting: stateOf(backend) === 'active',
      draining: isLeaving(backend),
      weight: backend.heartbeat.weight,
      load: backend.load,
      delayUs: backend.heartbeat.delayUs,
    }));
    // Only the living can give a connection away, and only what is not on its way already.
    const connections = this.#flows
      .filter(
        ({ flow, slot }) => flow.target === undefined && !this.#ordered.has(slot) && this.#isUp(flow.owner),
      )
      .map(({ slot, flow, load }) => ({ id: slot, backend: flow.owner, load }));
    return this.policy.plan({ backends, connections }, nowMs * US_PER_MS);
  }

  #isUp(id: number): boolean {
    return this.#backends.get(id)?.down === false;
  }

  #order({ flow, slot }: MeasuredFlow, move: Move, nowMs: number): void {
    this.counters.ordered++;
    const event = this.#remember({
      orderedMs: nowMs,
      doneMs: undefined,
      outcome: 'underWay',
      reason: move.reason,
      client: clientOf(flow),
      from: move.from,
      to: move.to,
    });
    this.#ordered.set(slot, { event, flow, slot });
    const { address } = this.#known(move.from).heartbeat;
    this.#options.order(flow, { id: move.from, address }, move.to);
  }

  /** What has become of the orders: the switch's entries say so. */
  #watch(nowMs: number): void {
    const bySlot = new Map(this.#flows.map(each => [each.slot, each.flow]));
    for (const [slot, { event, flow }] of this.#ordered) {
      const now = bySlot.get(slot);
      if (now === undefined || clientOf(now) !== event.client) event.outcome = 'gone';
      else if (now.target === undefined && now.owner !== flow.owner) event.outcome = 'moved';
      else if (nowMs - event.orderedMs > ORDER_TIMEOUT_MS) event.outcome = 'stayed';
      else continue;
      event.doneMs = nowMs;
      this.#ordered.delete(slot);
      if (event.outcome === 'moved') this.counters.moved++;
      if (event.outcome === 'stayed') {
        this.counters.stayed++;
        this.policy.refused(slot, nowMs * US_PER_MS);
      }
      if (event.outcome === 'gone') this.policy.closed(slot);
    }
  }

  #remember(event: MigrationEvent): MigrationEvent {
    this.#events.push(event);
    if (this.#events.length > REMEMBERED_EVENTS) this.#events.shift();
    return event;
  }
}

/** For the switch: one that accepts nothing new keeps its connections, whether they are to leave or not. */
function stateOf(backend: Backend): BackendState {
  if (backend.down) return 'down';
  return isLeaving(backend) || !backend.heartbeat.accepting ? 'draining' : 'active';
}

function isLeaving(backend: Backend): boolean {
  return !backend.down && (backend.drained || backend.heartbeat.draining);
}

function hasMoved(before: Heartbeat, now: Heartbeat): boolean {
  return (
    before.address !== now.address ||
    before.weight !== now.weight ||
    before.macAddress.some((byte, i) => byte !== now.macAddress[i])
  );
}

/** `address:port` of a flow's client. */
export function clientOf(flow: Flow): string {
  return `${formatIpv4(flow.clientAddress | 0)}:${flow.clientPort}`;
}
