// The plan that empties backends: for a deploy, or for good.

import type { Fleet, Plan, Rest } from './fleet.ts';
import { Planner } from './planner.ts';

/**
 * Moves the connections of draining backends, the largest first, each to where it does the least harm. Idle ones too: a
 * drained backend has none.
 */
export function drain(fleet: Fleet, rest: Rest, maxMoves: number): Plan {
  const planner = new Planner(fleet, rest, 'drain', maxMoves);
  // An idle connection weighs something too, or all of them would go to one backend.
  const idleLoad = (planner.total || 1) / (1000 * Math.max(fleet.connections.length, 1));
  for (const from of planner.backends) {
    if (!from.backend.draining || planner.isFull) continue;
    const mine = fleet.connections.some(each => each.backend === from.backend.id);
    let moved = 0;
    for (const connection of planner.movable(from)) {
      const to = planner.leastLoaded(from, connection.load);
      if (planner.isFull || to === undefined) break;
      planner.move(connection, from, to, Math.max(connection.load, idleLoad));
      moved++;
    }
    if (mine && moved === 0) planner.stuck(from, from.load);
  }
  return planner.done();
}
