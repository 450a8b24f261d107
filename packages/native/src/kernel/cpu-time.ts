// Processor time spent, for benchmarks: by this process or thread, and by the whole machine, softirq included.

import { readFileSync } from 'node:fs';
import { systemError } from './errno.ts';
import { addressOf, libc } from './library.ts';

// include/uapi/linux/resource.h
const RUSAGE_SELF = 0;
const RUSAGE_THREAD = 1;
const RUSAGE_BYTES = 144;

/** User and system time in microseconds, getrusage(2). */
export interface CpuTime {
  userUs: number;
  systemUs: number;
}

/** Processor time of this process, all its threads. @throws DemiError `ERR_DEMI_SYSCALL` */
export function processCpuTime(): CpuTime {
  return usage(RUSAGE_SELF);
}

/** Processor time of the calling thread. @throws DemiError `ERR_DEMI_SYSCALL` */
export function threadCpuTime(): CpuTime {
  return usage(RUSAGE_THREAD);
}

function usage(who: number): CpuTime {
  const buffer = new DataView(new ArrayBuffer(RUSAGE_BYTES));
  if (libc().getrusage(who, addressOf(buffer)) === -1) throw systemError('getrusage');
  // struct rusage opens with two struct timeval { long tv_sec; long tv_usec; }
  return {
    userUs: buffer.getUint32(0, true) * 1e6 + buffer.getUint32(8, true),
    systemUs: buffer.getUint32(16, true) * 1e6 + buffer.getUint32(24, true),
  };
}

/** Where the time of all processors, or one, went since boot, in microseconds (proc_stat(5)). */
export interface MachineCpuTime {
  userUs: number;
  systemUs: number;
  /** Hard interrupts. */
  irqUs: number;
  /** Soft interrupts: the network receive path, XDP programs with it. */
  softirqUs: number;
  /** Taken by the hypervisor for others. */
  stealUs: number;
  idleUs: number;
  /** Everything except idle and steal. */
  busyUs: number;
}

// USER_HZ is part of the user-space interface and 100 on x86.
const US_PER_TICK = 10_000;

/**
 * Machine-wide processor time; `cpu` picks one processor. Grain 10 ms: take differences over long runs.
 * `statText` is for tests: the content of `/proc/stat`.
 */
export function machineCpuTime(
  cpu?: number,
  statText: string = readFileSync('/proc/stat', 'latin1'),
): MachineCpuTime {
  const label = cpu === undefined ? 'cpu' : `cpu${cpu}`;
  const line = statText.split('\n').find(each => each.startsWith(`${label} `)) ?? '';
  const ticks = line.trim().split(/\s+/).slice(1).map(Number);
  const at = (index: number): number => (ticks[index] ?? 0) * US_PER_TICK;
  // user nice system idle iowait irq softirq steal guest guest_nice; guest time is already inside user time.
  const userUs = at(0) + at(1);
  const systemUs = at(2);
  const irqUs = at(5);
  const softirqUs = at(6);
  const busyUs = userUs + systemUs + irqUs + softirqUs;
  return { userUs, systemUs, irqUs, softirqUs, stealUs: at(7), idleUs: at(3) + at(4), busyUs };
}
