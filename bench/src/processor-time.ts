// Processor time of other processes, finer than the clock ticks of /proc/PID/stat where the kernel keeps it.

import { readdirSync, readFileSync } from 'node:fs';

// USER_HZ, as in proc(5).
const US_PER_TICK = 10_000;

/** Microseconds that all threads of a process have run so far; 0 for a process that is gone, and for pid 0. */
export function processCpuUs(pid: number): number {
  if (pid === 0) return 0;
  try {
    const fine = scheduledUs(pid);
    if (fine > 0) return fine;
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // utime and stime, fields 14 and 15; the command in brackets may hold spaces.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) * US_PER_TICK;
  } catch {
    return 0;
  }
}

/** Documentation/scheduler/sched-stats.rst: the first number of schedstat is time on a processor, in nanoseconds. */
function scheduledUs(pid: number): number {
  let total = 0;
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    total += Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'latin1').split(' ', 1)[0]);
  }
  return total / 1000;
}
