// The machine a benchmark ran on, and how often it stands still by itself: no tail can be better than that.

import { cpus, release } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { Clock, getAffinity, machineCpuTime, platformRefusal, setAffinity } from '@demikernel/native/kernel';

/** Limits of the stall counts, in microseconds. */
export const STALL_LIMITS_US = [8, 16, 32, 64, 128, 256, 512, 1024, 4096] as const;

/** A machine busier than this before a run does not measure well. */
const BUSY_PERCENT = 10;

export interface Machine {
  cpu: string;
  cores: number;
  kernel: string;
  node: string;
  /**
   * How busy all processors together were before anything of ours ran: what must be taken off processor times, and a
   * warning when it is not near 0.
   */
  busyBeforePercent?: number;
  /**
   * Stalls of a pinned loop that does nothing but read the clock: how many a second last at least 8, 16, … µs, and the
   * longest one. Missing where there is no clock to read them with.
   */
  stallsPerSecond?: Record<string, number>;
  longestStallUs?: number;
}

/**
 * Describes the machine: looks on for `watchMs` milliseconds, then spins for as long on processor `pin` to count its
 * stalls.
 */
export async function describeMachine(watchMs: number, pin = 0): Promise<Machine> {
  const machine: Machine = {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    kernel: `${process.platform} ${release()}`,
    node: process.versions.node,
  };
  if (platformRefusal() !== undefined) return machine;
  machine.busyBeforePercent = await watchBusy(watchMs, machine.cores);
  countStalls(machine, watchMs, pin);
  return machine;
}

async function watchBusy(watchMs: number, cores: number): Promise<number> {
  const before = machineCpuTime().busyUs;
  const start = performance.now();
  await sleep(watchMs);
  const elapsedUs = (performance.now() - start) * 1000;
  return Math.round(((machineCpuTime().busyUs - before) / elapsedUs / cores) * 100);
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
  const busy = machine.busyBeforePercent ?? 0;
  const warning = busy > BUSY_PERCENT ? ': others were at work, so trust ratios at most, and no tails' : '';
  const stalls = Object.entries(machine.stallsPerSecond).map(([limit, count]) => `>=${limit} ${count}`);
  return `${head}\nbusy before the run: ${busy} % of all cores${warning}\nthe machine's own stalls per second: ${stalls.join('  ')}; longest ${machine.longestStallUs} us`;
}
