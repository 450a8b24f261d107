// Finds running services and reads their metrics, without their help: a memfd is a file to everybody who may look.

import { closeSync, fstatSync, openSync, readdirSync, readlinkSync, readSync } from 'node:fs';
import { METRICS_NAME } from '../pdpix/open.ts';
import { type MetricsSnapshot, readMetrics } from '../runtime/metrics.ts';

/** A library OS that is open in some process. */
export interface RunningLibraryOs {
  pid: number;
  /** Path of the memfd under /proc. */
  path: string;
}

/** Every library OS whose process we may look into, by process id. */
export function findRunning(): RunningLibraryOs[] {
  const found: RunningLibraryOs[] = [];
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    for (const fd of descriptorsOf(entry)) {
      const path = `/proc/${entry}/fd/${fd}`;
      if (linkOf(path).startsWith(`/memfd:${METRICS_NAME}`)) found.push({ pid: Number(entry), path });
    }
  }
  return found.sort((a, b) => a.pid - b.pid);
}

function descriptorsOf(pid: string): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`);
  } catch {
    return []; // not ours to look into, or gone
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

/** A snapshot of one library OS, or `undefined` when its process is gone. */
export function snapshotOf(running: RunningLibraryOs): MetricsSnapshot | undefined {
  let fd: number;
  try {
    fd = openSync(running.path, 'r');
  } catch {
    return undefined;
  }
  try {
    const bytes = new Uint8Array(fstatSync(fd).size);
    readSync(fd, bytes, 0, bytes.length, 0);
    return readMetrics(bytes.buffer);
  } finally {
    closeSync(fd);
  }
}

/** What to say when there is nothing to show. */
export const NOTHING_RUNNING: string =
  'No running service found. Services of other users are visible to root only; ' +
  'simulations and libraries opened without shared metrics are not visible at all.';
