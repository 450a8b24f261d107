// The plans that even a fleet out: by load (proactive, and after scale-out) and by delay (reactive).
//
// By load, a backend gives away its largest connections that fit: that are no larger than its excess, and leave their target
// less loaded than their origin was. So no move makes a new hot spot, and no two backends play ball with a connection. The
// hottest connection therefore stays where it is, and its neighbours leave; unless a backend of more weight can take it.

import type { Fleet, Plan, Reason, Rest } from './fleet.ts';
import { Planner, type Projected, pressure } from './planner.ts';

/** How far from fair a backend may be, and how much moves at one time. */
export interface BalanceOptions {
  /** A backend above its share times this gives connections away, until it is at its share. */
  readonly factor: number;
  /** Moves of one plan, over all backends. */
  readonly maxMoves: number;
  /** Excess below this part of the mean share is noise. */
  readonly noise: number;
}

/** Brings every backend that is above its share times the factor down to it. */
export function balance(fleet: Fleet, rest: Rest, options: BalanceOptions, reason: Reason): Plan {
  const planner = new Planner(fleet, rest, reason, options.maxMoves);
  const noise = (options.noise * planner.total) / Math.max(fleet.backends.length, 1);
  const over = planner.backends.filter(
    each =>
      !each.backend.draining && each.load > each.share * options.factor && each.load - each.share > noise,
  );
  for (const from of worstFirst(over)) {
    const excess = from.load - from.share;
    let left = excess;
    for (const connection of planner.movable(from)) {
      const { load } = connection;
      if (planner.isFull || left <= 0 || load === 0) break;
      const to = planner.leastLoaded(from, load);
      if (to === undefined) break;
      const fits = load <= left || to.backend.weight > from.backend.weight;
      if (!fits || pressure(to, load) >= pressure(from)) continue;
      planner.move(connection, from, to);
      left -= load;
    }
    if (left === excess && !planner.isFull) planner.stuck(from, excess);
  }
  return planner.done();
}

/** When waiting is too long, and how much moves at one time. */
export interface RelieveOptions {
  readonly delayUs: number;
  /** Part of a backend's load that one plan takes away. */
  readonly fraction: number;
  readonly maxMoves: number;
}

/**
 * Relieves the backends on which requests wait longer than `delayUs`: each gives away a part of its load to those where they
 * wait less than half as long. Its load is what it managed, not what it was sent, and says nothing about its share.
 */
export function relieve(fleet: Fleet, rest: Rest, options: RelieveOptions): Plan {
  const planner = new Planner(fleet, rest, 'delay', options.maxMoves);
  const delay = ({ backend }: Projected): number => backend.delayUs ?? 0;
  const over = planner.backends.filter(each => !each.backend.draining && delay(each) > options.delayUs);
  for (const from of over.sort((a, b) => delay(b) - delay(a))) {
    const excess = from.load * options.fraction;
    let left = excess;
    for (const connection of planner.movable(from)) {
      const { load } = connection;
      if (planner.isFull || left <= 0 || load === 0) break;
      if (load > left) continue;
      const to = planner.leastLoaded(from, load, target => delay(target) < options.delayUs / 2);
      if (to === undefined) break;
      planner.move(connection, from, to);
      left -= load;
    }
    if (left === excess && !planner.isFull) planner.stuck(from, excess);
  }
  return planner.done();
}

/** So that what the worst gives away is not given twice. */
function worstFirst(over: Projected[]): Projected[] {
  return over.sort((a, b) => pressure(b) - pressure(a));
}
