// A region: one registered stretch of memory, seen as one ArrayBuffer. What lies in it (slots, slices) is slot-pool.ts.

import { DemiError } from './error.ts';

/** Regions stay below 2 GiB so that every offset into one is a small integer to V8. */
export const MAX_REGION_BYTES: number = 0x7fff_f000;

export interface RegionOptions {
  /** The memory. At most {@link MAX_REGION_BYTES} long. */
  buffer: ArrayBuffer;
  /** Its address in this process, for devices and system calls; `0n` for memory of the JavaScript heap. */
  address?: bigint;
  /** Called once by {@link Region.release}; after it the buffer must stay readable (zeros), because views outlive it. */
  release?: () => void;
}

/**
 * One stretch of memory that devices know: a UMEM, hugepages, shared memory, or plain heap memory in a simulation.
 *
 * Everything on the packet path reaches it through the one `bytes` and the one `view` with plain offsets: a
 * `subarray` costs as much as a whole header parse.
 */
export class Region {
  readonly buffer: ArrayBuffer;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** As many whole words as there are, for what is faster by words. */
  readonly words: Int32Array;
  readonly address: bigint;
  readonly lengthBytes: number;
  private readonly onRelease: (() => void) | undefined;
  private released: boolean;

  constructor(options: RegionOptions) {
    const { buffer } = options;
    if (buffer.byteLength === 0 || buffer.byteLength > MAX_REGION_BYTES) {
      throw new DemiError(
        'ERR_DEMI_REGION_SIZE',
        `a region holds 1 to ${MAX_REGION_BYTES} bytes, not ${buffer.byteLength}`,
      );
    }
    this.buffer = buffer;
    this.bytes = new Uint8Array(buffer);
    this.view = new DataView(buffer);
    this.words = new Int32Array(buffer, 0, buffer.byteLength >> 2);
    this.address = options.address ?? 0n;
    this.lengthBytes = buffer.byteLength;
    this.onRelease = options.release;
    this.released = false;
  }

  /** Gives the memory back. Safe to call twice; views made before read zeros afterwards. */
  release(): void {
    if (this.released) return;
    this.released = true;
    this.onRelease?.();
  }
}

/** A region of heap memory, for simulations and tests. */
export function heapRegion(lengthBytes: number): Region {
  return new Region({ buffer: new ArrayBuffer(lengthBytes) });
}

/** Below this many bytes a loop is cheaper than the two views that `set` wants, and allocates nothing. */
const VIEW_COPY_BYTES = 1024;

/** Copies bytes from one region to another, or within one. */
export function copyBetween(
  to: Region,
  toOffset: number,
  from: Region,
  fromOffset: number,
  lengthBytes: number,
): void {
  if (to === from) {
    to.bytes.copyWithin(toOffset, fromOffset, fromOffset + lengthBytes);
    return;
  }
  if (lengthBytes >= VIEW_COPY_BYTES) {
    to.bytes.set(from.bytes.subarray(fromOffset, fromOffset + lengthBytes), toOffset);
    return;
  }
  const target = to.view;
  const source = from.view;
  let at = 0;
  for (; at + 4 <= lengthBytes; at += 4) {
    target.setInt32(toOffset + at, source.getInt32(fromOffset + at, true), true);
  }
  for (; at < lengthBytes; at++) target.setUint8(toOffset + at, source.getUint8(fromOffset + at));
}
