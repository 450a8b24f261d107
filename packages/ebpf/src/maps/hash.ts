// Hash maps: any key, any value, one value for all CPUs.

import { MAP_NO_PREALLOC, MAP_TYPE_HASH, MAP_TYPE_LRU_HASH } from '../constants.ts';
import { BpfMap, type MapShape } from './map.ts';

/** Sizes of a hash map's entries. */
export interface HashMapOptions extends MapShape {
  keyBytes: number;
  valueBytes: number;
  /** Take memory per entry rather than all at once. Updates from a program are then slower. */
  noPreallocation?: boolean;
}

/** A hash map: an update of a full one fails with E2BIG. Source: Documentation/bpf/map_hash.rst. */
export class HashMap extends BpfMap {
  constructor(options: HashMapOptions) {
    super({
      ...options,
      type: MAP_TYPE_HASH,
      flags: options.noPreallocation === true ? MAP_NO_PREALLOC : 0,
    });
  }
}

/**
 * A hash map that forgets. It evicts before it is full and knows nothing of what is still in use: for caches, never for
 * who owns a connection. Source: Documentation/bpf/map_hash.rst.
 */
export class LruHashMap extends BpfMap {
  constructor(options: Omit<HashMapOptions, 'noPreallocation'>) {
    super({ ...options, type: MAP_TYPE_LRU_HASH });
  }
}
