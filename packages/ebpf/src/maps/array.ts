// Arrays: keys 0 to maxEntries - 1, all of them always there. And arrays that are memory of this process too.

import { type MemoryMap, mapDescriptor } from '@demikernel/native/kernel';
import { MAP_MMAPABLE, MAP_TYPE_ARRAY } from '../constants.ts';
import { BpfMap, type MapShape } from './map.ts';

/** Size of an array's values. */
export interface ArrayMapOptions extends MapShape {
  valueBytes: number;
}

/** An array; entries start as zeros and cannot be deleted. Source: Documentation/bpf/map_array.rst. */
export class ArrayMap extends BpfMap {
  constructor(options: ArrayMapOptions) {
    super({ ...options, type: MAP_TYPE_ARRAY, keyBytes: 4 });
  }
}

/**
 * An array whose values are this process's memory (BPF_F_MMAPABLE): programs and JavaScript see each other's stores
 * with no system call. With `maxEntries` 1 a program reaches any byte of it by `mapValue`, without a lookup.
 *
 * Values stand `strideBytes` apart: `valueBytes` rounded up to 8. Words shared with running programs are read and
 * written whole: through typed arrays, with Atomics where order matters.
 */
export class MappedArray extends BpfMap {
  readonly strideBytes: number;
  readonly #memory: MemoryMap;

  constructor(options: ArrayMapOptions) {
    super({ ...options, type: MAP_TYPE_ARRAY, keyBytes: 4, flags: MAP_MMAPABLE });
    this.strideBytes = (options.valueBytes + 7) & ~7;
    try {
      this.#memory = mapDescriptor({
        fd: this.descriptor,
        lengthBytes: this.strideBytes * options.maxEntries,
      });
    } catch (error) {
      super.close();
      throw error;
    }
  }

  /** All values. After `close` it reads zeros. */
  get buffer(): ArrayBuffer {
    return this.#memory.buffer;
  }

  /** Native address of the first value. */
  get address(): number {
    return this.#memory.addressNumber;
  }

  override close(): void {
    if (this.descriptor < 0) return;
    this.#memory.release();
    super.close();
  }
}
