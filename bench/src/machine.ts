// The machine a benchmark ran on, and how often it stands still by itself: no tail can be better than that.

import { cpus, release } from 'node:os';
import { Clock, getAffinity, platformRefusal, setAffinity } from '@demikernel/native/kernel';

/** Limits of the stall counts, in microseconds. */
export const STALL_LIMITS_US = [8, 16, 32, 64, 128, 256, 512, 1024, 4096] as const;

export interface Machine {
  cpu: string;
  cores: number;
  kernel: string;
  node: string;
  /**
   * Stalls of a pinned loop that does nothing but read the clock: how many a second last at least 8, 16, … µs, and the
   * longest one. Missing where there is no clock to read them with.
   */
  stallsPerSecond?: Record<string, number>;
  longestStallUs?: number;
}

/** Describes the machine; spins for `stallMs` milliseconds on processor `pin` to count its stalls. */
export function describeMachine(stallMs: number, pin = 0): Machine {
  const machine: Machine = {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    kernel: `${process.platform} ${release()}`,
    node: process.versions.node,
  };
  if (platformRefusal() === undefined && stallMs > 0) countStalls(machine, stallMs, pin);
  return machine;
}

function countStalls(machine: Machine, stallMs: number, pin: number): void {
  const home = getAffinity();
  setAffinity([pin]);
  const clock = new Clock();
  const counts = new Int32Array(STALL_LIMITS_US.length);
  // Elements: last moment, end, longest gap. A typed array keeps doubles from being boxed.
  const moments = new Float64Array(3);
  clock.read();
  moments[0] = clock.us[0]!;
  moments[1] = moments[0]! + stallMs * 1000;
  while (moments[0]! < moments[1]!) {
    clock.read();
    const now = clock.us[0]!;
    const gap = now - moments[0]!;
    moments[0] = now;
    if (gap < STALL_LIMITS_US[0]) continue;
    if (gap > moments[2]!) moments[2] = gap;
    for (let i = 0; i < counts.length && gap >= STALL_LIMITS_US[i]!; i++) counts[i] = counts[i]! + 1;
  }
  clock.close();
  setAffinity(home);
  const perSecond = 1000 / stallMs;
  machine.stallsPerSecond = {};
  for (let i = 0; i < counts.length; i++) {
    machine.stallsPerSecond[`${STALL_LIMITS_US[i]}us`] = Math.round(counts[i]! * perSecond);
  }
  machine.longestStallUs = Math.round(moments[2]!);
}

/** The machine in two lines of text. */
export function formatMachine(machine: Machine): string {
  const head = `${machine.cpu}, ${machine.cores} cores, ${machine.kernel}, node ${machine.node}`;
  if (machine.stallsPerSecond === undefined) return head;
  const stalls = Object.entries(machine.stallsPerSecond).map(([limit, count]) => `>=${limit} ${count}`);
  return `${head}\nthe machine's own stalls per second: ${stalls.join('  ')}; longest ${machine.longestStallUs} us`;
}
