// One plan in the making: loads as they will be with the moves that are in it already, and what may be touched.

import type { BackendLoad, ConnectionLoad, Fleet, Move, Plan, Reason, Rest, Stuck } from './fleet.ts';

/** A backend, its load with the plan so far, and its part of the whole load by weight: 0 if it is to be empty. */
export interface Projected {
  readonly backend: BackendLoad;
  readonly share: number;
  load: number;
}

/** Load by weight, with so much more. */
export function pressure(projected: Projected, more = 0): number {
  return (projected.load + more) / projected.backend.weight;
}

function isTarget(backend: BackendLoad): boolean {
  return backend.accepting && !backend.draining;
}

/** Collects the moves of one plan. */
export class Planner {
  readonly backends: readonly Projected[];
  /** Load of the whole fleet. */
  readonly total: number;
  readonly #fleet: Fleet;
  readonly #rest: Rest;
  readonly #reason: Reason;
  readonly #maxMoves: number;
  readonly #moves: Move[];
  readonly #stuck: Stuck[];

  constructor(fleet: Fleet, rest: Rest, reason: Reason, maxMoves: number) {
    this.#fleet = fleet;
    this.#rest = rest;
    this.#reason = reason;
    this.#maxMoves = maxMoves;
    this.#moves = [];
    this.#stuck = [];
    const targets = fleet.backends.filter(isTarget);
    const weight = targets.reduce((sum, each) => sum + each.weight, 0);
    const total = fleet.backends.reduce((sum, each) => sum + each.load, 0);
    this.total = total;
    // Of the load of all, over those that accept: what a draining backend has will be theirs.
    this.backends = fleet.backends.map(backend => ({
      backend,
      load: backend.load,
      share: isTarget(backend) ? (total * backend.weight) / weight : 0,
    }));
  }

  get isFull(): boolean {
    return this.#moves.length >= this.#maxMoves;
  }

  /** Connections of a backend that may be asked, the largest first. */
  movable(from: Projected): ConnectionLoad[] {
    const { id } = from.backend;
    if (this.#rest.backend(id)) return [];
    return this.#fleet.connections
      .filter(each => each.backend === id && !this.#rest.connection(each.id))
      .sort((a, b) => b.load - a.load);
  }

  /** The target that would be the least loaded for its weight with `load` more; `undefined` when none is to be had. */
  leastLoaded(
    from: Projected,
    load: number,
    suits: (target: Projected) => boolean = () => true,
  ): Projected | undefined {
    let best: Projected | undefined;
    for (const each of this.backends) {
      const { backend } = each;
      if (each === from || !isTarget(backend) || this.#rest.backend(backend.id) || !suits(each)) continue;
      if (best === undefined || pressure(each, load) < pressure(best, load)) best = each;
    }
    return best;
  }

  /** @param weighs what the move adds to the projected loads; its load by default */
  move(connection: ConnectionLoad, from: Projected, to: Projected, weighs: number = connection.load): void {
    const { id, load } = connection;
    this.#moves.push({
      connection: id,
      from: from.backend.id,
      to: to.backend.id,
      load,
      reason: this.#reason,
    });
    from.load -= weighs;
    to.load += weighs;
  }

  /** A backend with so much too much gives nothing away: says why. */
  stuck(from: Projected, excess: number): void {
    this.#stuck.push({ backend: from.backend.id, why: this.#why(from), excess });
  }

  done(): Plan {
    return { moves: this.#moves, stuck: this.#stuck };
  }

  #why(from: Projected): Stuck['why'] {
    if (!this.backends.some(each => each !== from && isTarget(each.backend))) return 'nowhere';
    const rests = this.movable(from).length === 0 || this.leastLoaded(from, 0) === undefined;
    return rests ? 'resting' : 'hottest';
  }
}
