// The regions that a device was shown, and what it calls each: one region can stand in the tables of several devices, so that
// what one has received another sends or stores from where it lies. How a device is shown memory is its driver's business.

import type { Region } from './region.ts';

export class RegionTable {
  private readonly regions: Region[];
  private readonly keys: number[];

  constructor() {
    this.regions = [];
    this.keys = [];
  }

  get count(): number {
    return this.regions.length;
  }

  /** @param key of the device's own, an int32 that is not negative: a page number, an index */
  add(region: Region, key: number): void {
    this.regions.push(region);
    this.keys.push(key);
  }

  /** What the device calls a region; -1 for one that it was not shown. They are few: a walk, for the packet path. */
  keyOf(region: Region): number {
    for (let i = 0; i < this.regions.length; i++) if (this.regions[i] === region) return this.keys[i]!;
    return -1;
  }
}
