// What a server and its client must agree on, as it travels to their processes: the workload by its parameters, the library
// OS, the protocol.

import type { ObjectProtocol } from '@demikernel/apps/kv-objects';
import { type Demikernel, open } from 'demikernel';
import { cdnLike } from '../../workloads/cdn-like.ts';
import { googleLike } from '../../workloads/google-like.ts';
import { DEFAULT_SIGMA, twitterLike } from '../../workloads/twitter-like.ts';
import type { Workload } from '../../workloads/workload.ts';
import { ycsbC } from '../../workloads/ycsb.ts';

export const WORKLOADS = ['google-like', 'twitter-like', 'cdn-like', 'ycsb-c'] as const;

export interface WorkloadSetting {
  name: (typeof WORKLOADS)[number];
  keys: number;
  seed: number;
  /** Of twitter-like. */
  sigma: number;
  /** Of ycsb-c: bytes in all, and fields. */
  bytes: number;
  fields: number;
}

export const DEFAULT_SEED = 4;
export { DEFAULT_SIGMA };

export function makeWorkload({ bytes, fields, keys, name, seed, sigma }: WorkloadSetting): Workload {
  switch (name) {
    case 'google-like':
      return googleLike(keys, seed);
    case 'twitter-like':
      return twitterLike(keys, seed, sigma);
    case 'cdn-like':
      return cdnLike(keys, seed);
    case 'ycsb-c':
      return ycsbC(keys, seed, bytes, fields);
  }
}

/** What tells the variants of a workload apart; empty where there is one. */
export function variantOf({ bytes, fields, name, sigma }: WorkloadSetting): string {
  if (name === 'twitter-like') return `sigma ${sigma}`;
  return name === 'ycsb-c' ? `${bytes} B in ${fields}` : '';
}

/** A protocol as a row names it: `push` says how the reply gets into the packet, for the ablations. */
export interface ProtocolSetting {
  /** What the row is called. */
  system: string;
  protocol: ObjectProtocol;
  /** Of Cornflakes: `undefined` as the device says. */
  copyThreshold?: 'copy' | 'gather' | number;
  /** Serialize into bytes of its own first, then push these. */
  separately?: boolean;
}

/** Where one end stands. */
export interface EndSetting {
  libos: 'catpowder' | 'catmem';
  /** Of Catpowder. */
  interface: string;
  /** Address with prefix, of Catpowder; empty for Catmem. */
  address: string;
  /** Where the service listens. */
  service: string;
  memoryBytes: number;
  /** Of Catpowder: whatever is referred to gets a descriptor of its own, down to the device. */
  gathers: boolean;
}

export interface LoadSetting extends EndSetting {
  workload: WorkloadSetting;
  protocol: ProtocolSetting;
  connections: number;
  /** Share of the service's memory that values may take. */
  valueShare: number;
}

const CATPOWDER_SLOT_BYTES = 2048;

/** Opens one end. It spins: what is compared is work, not waking up. */
export function openEnd({
  address,
  gathers,
  interface: name,
  libos,
  memoryBytes,
}: EndSetting): Promise<Demikernel> {
  if (libos === 'catmem') return open({ libos, wait: 'spin', memoryBytes });
  const slots = Math.ceil(memoryBytes / CATPOWDER_SLOT_BYTES);
  const common = { libos, wait: 'spin', interface: name, address, slots, selfCheck: false } as const;
  return open(gathers ? { ...common, descriptorThresholdBytes: 0 } : common);
}

/** The threshold as a codec wants it. */
export function thresholdOf({ copyThreshold }: ProtocolSetting): number | undefined {
  if (copyThreshold === undefined || typeof copyThreshold === 'number') return copyThreshold;
  return copyThreshold === 'copy' ? Number.POSITIVE_INFINITY : 0;
}
