// Maps with one value per CPU, which programs change without contention and readers add up.

import { readFileSync } from 'node:fs';
import { MAP_TYPE_PERCPU_ARRAY, MAP_TYPE_PERCPU_HASH } from '../constants.ts';
import { DemiError, ERR_ARGUMENT } from '../error.ts';
import type { ArrayMapOptions } from './array.ts';
import type { HashMapOptions } from './hash.ts';
import { BpfMap, type MapKey, type MapOptions } from './map.ts';

/**
 * How many CPUs a per-CPU value has room for: possible ones, not online ones.
 *
 * Source: Documentation/admin-guide/cputopology.rst, /sys/devices/system/cpu/possible ("0-3,8").
 */
export function possibleCpus(
  text: string = readFileSync('/sys/devices/system/cpu/possible', 'utf8'),
): number {
  let count = 0;
  for (const range of text.trim().split(',')) {
    const [first = '', last = first] = range.split('-');
    count = Math.max(count, Number(last) + 1);
  }
  if (!Number.isInteger(count) || count < 1) throw new DemiError(ERR_ARGUMENT, `no list of CPUs: "${text}"`);
  return count;
}

/**
 * A map with one value per CPU. A lookup gives all of them one after another, `strideBytes` apart; an update sets all.
 */
export class PerCpuMap extends BpfMap {
  /** `valueBytes` rounded up to 8. */
  readonly strideBytes: number;
  readonly cpus: number;
  readonly #values: Uint8Array;
  readonly #view: DataView;

  constructor(options: MapOptions) {
    const strideBytes = (options.valueBytes + 7) & ~7;
    const cpus = possibleCpus();
    super({ ...options, lookupBytes: strideBytes * cpus });
    this.strideBytes = strideBytes;
    this.cpus = cpus;
    this.#values = new Uint8Array(strideBytes * cpus);
    this.#view = new DataView(this.#values.buffer);
  }

  /**
   * Adds up, over all CPUs, the u64 at `offsetBytes` of the value under `key`; 0 when there is none. Exact to 2^53.
   */
  sum(key: MapKey, offsetBytes = 0): number {
    if (offsetBytes < 0 || offsetBytes + 8 > this.strideBytes) {
      throw new DemiError(ERR_ARGUMENT, `map "${this.name}": no u64 at ${offsetBytes} of its values`);
    }
    if (!this.lookup(key, this.#values)) return 0;
    let sum = 0;
    for (let at = offsetBytes; at < this.#values.length; at += this.strideBytes) {
      sum += this.#view.getUint32(at, true) + this.#view.getUint32(at + 4, true) * 0x1_0000_0000;
    }
    return sum;
  }

  /** Sets the value under `key` to zeros on every CPU. */
  clear(key: MapKey): void {
    this.#values.fill(0);
    this.update(key, this.#values);
  }
}

/** A per-CPU array. Source: Documentation/bpf/map_array.rst. */
export class PerCpuArray extends PerCpuMap {
  constructor(options: ArrayMapOptions) {
    super({ ...options, type: MAP_TYPE_PERCPU_ARRAY, keyBytes: 4 });
  }
}

/** A per-CPU hash map. Source: Documentation/bpf/map_hash.rst. */
export class PerCpuHashMap extends PerCpuMap {
  constructor(options: Omit<HashMapOptions, 'noPreallocation'>) {
    super({ ...options, type: MAP_TYPE_PERCPU_HASH });
  }
}
