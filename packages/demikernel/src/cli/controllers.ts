// NVMe controllers for `demikernel devices`: which there are, who has them, and whether Cattree could take them.

import { VfioContainer } from '@demikernel/native/vfio';
import { type ControllerPlace, listControllers } from '../nvme/claim.ts';
import { type Column, textTable } from './text-table.ts';

export interface Controller extends ControllerPlace {
  /** `yes`, or why not. */
  usable: string;
}

/** Looks; opens nothing. */
export function controllers(): Controller[] {
  return listControllers().map(place => ({ ...place, usable: verdict(place) }));
}

function verdict({ iommuGroup, uses }: ControllerPlace): string {
  if (iommuGroup === undefined) return 'no: behind no IOMMU';
  if (uses.length > 0) return `no: ${uses.join('; ')}`;
  return 'yes';
}

/** @throws DemiError that says what vfio lacks here */
export function tryVfio(): void {
  new VfioContainer().close();
}

/** A table, or nothing when there are none. */
export function controllerTable(found: readonly Controller[]): string {
  if (found.length === 0) return '';
  const columns: Column[] = ['NVMe controller', 'driver', 'block devices', 'for cattree'].map(heading => ({
    heading,
  }));
  const rows = found.map(one => [
    one.address,
    one.driver ?? 'none',
    one.blockDevices.join(' ') || '-',
    one.usable,
  ]);
  return `\n${textTable(columns, rows)}\n`;
}
