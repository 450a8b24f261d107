// Memory that the driver and the model of a controller share, at made-up device addresses. Reaching outside of it is the
// driver's fault, and is counted.

import type { Region } from '@demikernel/memory';
import type { DmaMemory } from '../../src/nvme/door.ts';

/** Above 32 bits, so that both halves of addresses matter. */
const FIRST_PAGE = 0x0012_3000;
/** Regions of others begin here. */
const FIRST_SHARED_PAGE = 0x0045_6000;
const PAGE_BYTES = 4096;

export class ModelMemory {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Accesses to addresses that nothing is at. */
  strays: number;
  private readonly buffer: ArrayBuffer;
  private usedPages: number;
  private readonly shared: { region: Region; firstPage: number }[];
  private nextShared: number;

  constructor(lengthBytes: number = 16 << 20) {
    this.buffer = new ArrayBuffer(lengthBytes);
    this.bytes = new Uint8Array(this.buffer);
    this.view = new DataView(this.buffer);
    this.strays = 0;
    this.usedPages = 0;
    this.shared = [];
    this.nextShared = FIRST_SHARED_PAGE;
  }

  /** Lets the device reach a region of somebody else's. */
  share(region: Region): number {
    const firstPage = this.nextShared;
    this.nextShared += Math.ceil(region.lengthBytes / PAGE_BYTES) + 1;
    this.shared.push({ region, firstPage });
    return firstPage;
  }

  /** The bytes at a device address, in whatever memory; `undefined`, counted, when nothing is there. */
  stretch(low: number, high: number, lengthBytes: number): Uint8Array | undefined {
    const address = (high >>> 0) * 0x1_0000_0000 + (low >>> 0);
    for (const { firstPage, region } of this.shared) {
      const at = address - firstPage * PAGE_BYTES;
      if (at >= 0 && at + lengthBytes <= region.lengthBytes)
        return region.bytes.subarray(at, at + lengthBytes);
    }
    const at = this.offsetOf(low, high, lengthBytes);
    return at < 0 ? undefined : this.bytes.subarray(at, at + lengthBytes);
  }

  make(lengthBytes: number): DmaMemory {
    const pages = Math.ceil(lengthBytes / PAGE_BYTES);
    const at = this.usedPages * PAGE_BYTES;
    // A page between any two, which nothing may touch.
    this.usedPages += pages + 1;
    const whole = pages * PAGE_BYTES;
    return {
      lengthBytes: whole,
      bytes: new Uint8Array(this.buffer, at, whole),
      words: new Int32Array(this.buffer, at, whole >> 2),
      view: new DataView(this.buffer, at, whole),
      address: 0,
      firstPage: FIRST_PAGE + at / PAGE_BYTES,
    };
  }

  /** Offset of a device address; -1, counted, when nothing is there. */
  offsetOf(low: number, high: number, lengthBytes: number): number {
    const address = (high >>> 0) * 0x1_0000_0000 + (low >>> 0);
    const at = address - FIRST_PAGE * PAGE_BYTES;
    if (at >= 0 && at + lengthBytes <= this.usedPages * PAGE_BYTES) return at;
    this.strays++;
    return -1;
  }
}
