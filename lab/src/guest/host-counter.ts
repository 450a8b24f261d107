// How fast the processor's time stamp counter runs. An emulated processor's counter is the host's, and a guest that is starved
// while it measures how fast that runs may take every second for six: so it is told, and what it was told is checked.

import { readFileSync } from 'node:fs';

/** Where nothing is known, to begin with. */
const GUESS_KHZ = 2_000_000;
/** A guest's clock may be off by this much, which is more than late messages make it seem. */
const TOLERANCE = 0.25;

/** Thousands of ticks per second: what the kernel says the processor's speed is, which in most machines is the same. */
export function assumedCounterKHz(text: string = readFileSync('/proc/cpuinfo', 'latin1')): number {
  const megahertz = Number(/^cpu MHz\s*:\s*([\d.]+)/m.exec(text)?.[1]);
  return megahertz > 100 ? Math.round(megahertz * 1000) : GUESS_KHZ;
}

/** A moment on both clocks. */
export interface Moment {
  hostMs: number;
  guestMs: number;
}

/**
 * The speed that the counter has, when a guest that was told `toldKHz` has lived from one moment to the other; `toldKHz`
 * itself when its clock was right.
 */
export function correctedCounterKHz(toldKHz: number, from: Moment, to: Moment): number {
  const ratio = (to.guestMs - from.guestMs) / (to.hostMs - from.hostMs);
  return Math.abs(ratio - 1) <= TOLERANCE ? toldKHz : Math.round(toldKHz * ratio);
}
