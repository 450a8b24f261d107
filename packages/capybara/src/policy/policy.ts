// The policy of a fleet over time: what to move now, and what to leave alone for a while. Pure: no I/O, the time is given.

import { type BalanceOptions, balance, type RelieveOptions, relieve } from './balance.ts';
import { drain } from './drain.ts';
import type { Fleet, Move, Plan, Rest, Stuck } from './fleet.ts';

/** Settings of a policy. Every part can be switched off; draining and orders are always obeyed. */
export interface PolicyOptions {
  /** By load; `false` switches it off. The reference's factor is 1.2. */
  proactive?: Partial<BalanceOptions> | false;
  /** By waiting time, where backends report it; off unless given. */
  reactive?: Partial<RelieveOptions> | false;
  /**
   * How long a backend that gave or got connections is left alone by load and delay, in µs. No shorter than the time over
   * which loads are measured, or the policy acts on what it has changed already. 10 ms, the reference's, by default.
   */
  coolDownUs?: number;
  /** How long a connection that has moved or refused is left alone, in µs; 1 s by default. Draining waits 10 ms at most. */
  restUs?: number;
  /** How long {@link Policy.rebalance} lasts at most, in µs; 2 s by default. */
  rebalanceUs?: number;
}

const DEFAULT_BALANCE: BalanceOptions = { factor: 1.2, maxMoves: 16, noise: 0.02 };
const REBALANCE: BalanceOptions = { factor: 1.05, maxMoves: 64, noise: 0.01 };
const DEFAULT_RELIEVE: RelieveOptions = { delayUs: 1000, fraction: 0.2, maxMoves: 16 };
const DRAIN_MOVES = 256;
/** A draining backend has been told to be empty: who refused is asked again soon. */
const DRAIN_REST_US = 10_000;

/**
 * Decides. The caller asks every few milliseconds with a fresh view of the fleet, carries out what the plan says, and tells
 * what came of it:
 *
 * ```ts
 * const plan = policy.plan(fleet, nowUs);
 * if (!dryRun) for (const move of plan.moves) {
 *   policy.started(move, nowUs);
 *   migrate(move);
 * }
 * ```
 *
 * Source: the proactive rule and its cool-down follow Capybara (SIGCOMM'26); see balance.ts for what is different.
 */
export class Policy {
  readonly #proactive: BalanceOptions | undefined;
  readonly #reactive: RelieveOptions | undefined;
  readonly #coolDownUs: number;
  readonly #restUs: number;
  readonly #rebalanceForUs: number;
  /** Until when each backend is left alone. */
  readonly #coolUntilUs: Map<number, number>;
  /** When each connection last moved or refused. */
  readonly #restingSinceUs: Map<number, number>;
  readonly #orders: Move[];
  #rebalanceUntilUs: number;

  constructor(options: PolicyOptions = {}) {
    const { proactive = {}, reactive = false } = options;
    this.#proactive = proactive === false ? undefined : { ...DEFAULT_BALANCE, ...proactive };
    this.#reactive = reactive === false ? undefined : { ...DEFAULT_RELIEVE, ...reactive };
    this.#coolDownUs = options.coolDownUs ?? 10_000;
    this.#restUs = options.restUs ?? 1_000_000;
    this.#rebalanceForUs = options.rebalanceUs ?? 2_000_000;
    this.#coolUntilUs = new Map();
    this.#restingSinceUs = new Map();
    this.#orders = [];
    this.#rebalanceUntilUs = Number.NEGATIVE_INFINITY;
  }

  /** What should move now. Changes nothing: a plan that is not carried out may be asked for again. */
  plan(fleet: Fleet, nowUs: number): Plan {
    this.#forget(nowUs);
    const moves: Move[] = [...this.#orders];
    const stuck: Stuck[] = [];
    const add = (plan: Plan): void => {
      const planned = new Set(moves.map(each => each.connection));
      moves.push(...plan.moves.filter(each => !planned.has(each.connection)));
      stuck.push(...plan.stuck);
    };
    const rests = (us: number) => (connection: number) => {
      const since = this.#restingSinceUs.get(connection);
      return since !== undefined && nowUs - since < us;
    };
    // A backend that is to be empty cannot be given too much time, nor can those that take its connections.
    const drainRest = { connection: rests(Math.min(DRAIN_REST_US, this.#restUs)), backend: () => false };
    add(drain(fleet, drainRest, DRAIN_MOVES));
    const rest: Rest = { connection: rests(this.#restUs), backend: id => this.#isCooling(id, nowUs) };
    if (nowUs < this.#rebalanceUntilUs) {
      const plan = balance(fleet, rest, REBALANCE, 'rebalance');
      // Near enough, and nothing is on its way: it is done.
      if (plan.moves.length === 0 && this.#coolUntilUs.size === 0)
        this.#rebalanceUntilUs = Number.NEGATIVE_INFINITY;
      add(plan);
    } else if (this.#proactive !== undefined) add(balance(fleet, rest, this.#proactive, 'overload'));
    if (this.#reactive !== undefined && moves.length === 0) add(relieve(fleet, rest, this.#reactive));
    return { moves, stuck };
  }

  /** Evens the fleet out, after a backend has joined it: for a while, smaller differences count. */
  rebalance(nowUs: number): void {
    this.#rebalanceUntilUs = nowUs + this.#rebalanceForUs;
  }

  /** Puts a move into the next plan, whatever the loads are. */
  order(move: Omit<Move, 'reason'>): void {
    this.#orders.push({ ...move, reason: 'order' });
  }

  /** A move of a plan is being carried out. */
  started(move: Move, nowUs: number): void {
    const ordered = this.#orders.findIndex(each => each.connection === move.connection);
    if (ordered >= 0) this.#orders.splice(ordered, 1);
    this.#restingSinceUs.set(move.connection, nowUs);
    for (const backend of [move.from, move.to]) this.#coolUntilUs.set(backend, nowUs + this.#coolDownUs);
  }

  /** A connection refused, or its migration was rolled back: it rests. */
  refused(connection: number, nowUs: number): void {
    this.#restingSinceUs.set(connection, nowUs);
  }

  /** A connection is gone. */
  closed(connection: number): void {
    this.#restingSinceUs.delete(connection);
    const ordered = this.#orders.findIndex(each => each.connection === connection);
    if (ordered >= 0) this.#orders.splice(ordered, 1);
  }

  /** Connections that rest, for bounds and metrics. */
  get restingCount(): number {
    return this.#restingSinceUs.size;
  }

  #isCooling(backend: number, nowUs: number): boolean {
    return nowUs < (this.#coolUntilUs.get(backend) ?? Number.NEGATIVE_INFINITY);
  }

  /** Drops what has rested enough, so that neither map grows with the connections that have ever been. */
  #forget(nowUs: number): void {
    for (const [connection, since] of this.#restingSinceUs) {
      if (nowUs - since >= this.#restUs) this.#restingSinceUs.delete(connection);
    }
    for (const [backend, until] of this.#coolUntilUs) if (nowUs >= until) this.#coolUntilUs.delete(backend);
  }
}
