// What the driver needs of the world: registers, memory that the device can reach, a last resort. The real one is in
// vfio-door.ts; tests put a model of a controller behind it.

import type { Region } from '@demikernel/memory';

/** Memory that the device sees, contiguous to it and to us. */
export interface DmaMemory {
  readonly lengthBytes: number;
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
  readonly view: DataView;
  /** Address in this process; 0 for memory of the JavaScript heap. */
  readonly address: number;
  /** Where the device sees it, in pages of 4096 bytes: an int32, where an address would be a double. */
  readonly firstPage: number;
}

export interface NvmeDoor {
  /** What the device is called in errors: `0000:00:07.0`. */
  readonly name: string;
  /** BAR 0, in words. */
  readonly registers: Uint32Array;
  /** Zeroed memory of at least so many bytes, whole pages. It is the device's until `close`. */
  makeMemory(lengthBytes: number): DmaMemory;
  /** Shows a region to the device until `close`. Returns its first page there; -1 when the device cannot reach it. */
  reach(region: Region): number;
  /** Resets the whole function, where that can be. Returns whether it was done. */
  resetFunction(): boolean;
  /** The device reaches no memory after this. */
  silence(): void;
  /** Gives the device back. */
  close(): void;
}
