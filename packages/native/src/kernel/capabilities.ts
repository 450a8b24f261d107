// Which capabilities(7) this thread holds, to say beforehand what will be refused. Trying remains the only proof.

import { readFileSync } from 'node:fs';

// include/uapi/linux/capability.h: the numbers of those that the doors here can want.
const NUMBERS: Readonly<Record<string, number>> = {
  CAP_NET_BIND_SERVICE: 10,
  CAP_NET_ADMIN: 12,
  CAP_NET_RAW: 13,
  CAP_IPC_LOCK: 14,
  CAP_SYS_PTRACE: 19,
  CAP_SYS_ADMIN: 21,
  CAP_SYS_NICE: 23,
  CAP_SYS_RESOURCE: 24,
  CAP_PERFMON: 38,
  CAP_BPF: 39,
  CAP_CHECKPOINT_RESTORE: 40,
};

/**
 * Whether a capability is in the calling thread's effective set; `false` for a name not known here.
 * `statusText` is for tests: the content of `/proc/thread-self/status`.
 */
export function hasCapability(
  name: string,
  statusText: string = readFileSync('/proc/thread-self/status', 'latin1'),
): boolean {
  const number = NUMBERS[name];
  const set = /^CapEff:\s*([0-9a-f]{1,16})$/m.exec(statusText)?.[1];
  if (number === undefined || set === undefined) return false;
  return ((BigInt(`0x${set}`) >> BigInt(number)) & 1n) === 1n;
}

/** Those of `names` that are missing. */
export function missingCapabilities(names: readonly string[]): string[] {
  const status = readFileSync('/proc/thread-self/status', 'latin1');
  return names.filter(name => !hasCapability(name, status));
}
