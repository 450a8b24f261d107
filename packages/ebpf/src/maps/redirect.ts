// Maps whose values are places a packet or a program can go on to: AF_XDP sockets, devices, other programs.

import { MAP_TYPE_DEVMAP, MAP_TYPE_DEVMAP_HASH, MAP_TYPE_PROG_ARRAY, MAP_TYPE_XSKMAP } from '../constants.ts';
import { BpfMap, type MapShape } from './map.ts';

/**
 * AF_XDP sockets by receive queue: `update(queue, socketDescriptor)`. An entry goes when its socket closes.
 *
 * Source: Documentation/bpf/map_xskmap.rst.
 */
export class XskMap extends BpfMap {
  constructor(options: MapShape) {
    super({ ...options, type: MAP_TYPE_XSKMAP, keyBytes: 4, valueBytes: 4 });
  }
}

/** Devices by index: `update(index, ifindex)`. Source: Documentation/bpf/map_devmap.rst. */
export class DevMap extends BpfMap {
  constructor(options: MapShape) {
    super({ ...options, type: MAP_TYPE_DEVMAP, keyBytes: 4, valueBytes: 4 });
  }
}

/** Devices by any 32-bit key. Source: Documentation/bpf/map_devmap.rst. */
export class DevMapHash extends BpfMap {
  constructor(options: MapShape) {
    super({ ...options, type: MAP_TYPE_DEVMAP_HASH, keyBytes: 4, valueBytes: 4 });
  }
}

/** Programs for `HELPER_TAIL_CALL`: `update(index, programDescriptor)`. */
export class ProgramArray extends BpfMap {
  constructor(options: MapShape) {
    super({ ...options, type: MAP_TYPE_PROG_ARRAY, keyBytes: 4, valueBytes: 4 });
  }
}
