// The blocking wait: turns the loop until something holds.

import type { PollLoop } from '../runtime/poll-loop.ts';

/** Something a wait is for. */
export interface Condition {
  readonly satisfied: boolean;
}

/** Turns the loop until `condition` holds (true), or the time is over or the process is asked to stop (false). */
export function pollUntil(loop: PollLoop, condition: Condition, timeoutUs: number): boolean {
  if (condition.satisfied) return true;
  const { clock } = loop.libraryOs.runtime;
  let work = loop.turn();
  if (condition.satisfied) {
    // A service under load finds something on every first turn: it must hear signals all the same.
    loop.keepHearing();
    return true;
  }
  // The clock may be some turns old, and with them all that the application has done since.
  if (timeoutUs > 0 && timeoutUs !== Number.POSITIVE_INFINITY) clock.update();
  const deadline = clock.micros[0]! + timeoutUs;
  while (!loop.stopping) {
    const leftUs = deadline - clock.micros[0]!;
    if (leftUs <= 0) return false;
    if (work === 0) loop.idle(leftUs);
    else loop.keepHearing();
    work = loop.turn();
    if (condition.satisfied) return true;
  }
  return false;
}
