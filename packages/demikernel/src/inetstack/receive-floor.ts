// How far received payload may eat into the pool's reserve. The reserve itself is slot-pool.ts.

import type { SlotPool } from '@demikernel/memory';

/**
 * Free slots under which received payload is dropped and not handed to anybody: three quarters of the reserve.
 *
 * A frame arrives in any slot there is, and would take the reserve with it into the hands of an application that keeps
 * what it gets. What is left is for frames that the stack itself deals with: acknowledgements, questions, probes.
 */
export function receiveFloor(pool: SlotPool): number {
  return pool.reserveSlots - (pool.reserveSlots >> 2);
}
