// PCI devices as sysfs shows them: which there are, which driver has them, and giving them to another. Who may take a
// device, and when, is the caller's business.

import { existsSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { DemiError } from '@demikernel/memory';
import { systemError } from '../kernel/errno.ts';

/** Class code of NVM Express controllers: mass storage, non-volatile memory, NVMe. */
export const PCI_CLASS_NVME = 0x010802;

const DEVICES = '/sys/bus/pci/devices';

/** Addresses (`0000:00:07.0`) of the devices of a class, in order. */
export function listPciDevices(classCode: number, root: string = DEVICES): string[] {
  if (!existsSync(root)) return [];
  return readdirSync(root)
    .filter(address => Number(readFileSync(join(root, address, 'class'), 'latin1').trim()) === classCode)
    .sort();
}

/** Whether there is such a device. Addresses that are none are refused here, before they become a path. */
export function pciDeviceExists(address: string): boolean {
  return /^[\da-f]{4,}:[\da-f]{2}:[\da-f]{2}\.[0-7]$/.test(address) && existsSync(join(DEVICES, address));
}

function linkName(path: string): string | undefined {
  try {
    return basename(readlinkSync(path));
  } catch {
    return undefined;
  }
}

/** The driver that has the device: `nvme`, `vfio-pci`. */
export function pciDriver(address: string): string | undefined {
  return linkName(join(DEVICES, address, 'driver'));
}

/** Number of the device's IOMMU group; `undefined` without an IOMMU. */
export function iommuGroup(address: string): number | undefined {
  const name = linkName(join(DEVICES, address, 'iommu_group'));
  return name === undefined ? undefined : Number(name);
}

/**
 * Takes the device from its driver and gives it to another, by `driver_override`; to whichever driver knows it when no
 * name is given. The old driver lets go first, whatever depends on it.
 *
 * @throws DemiError `ERR_DEMI_PERMISSION`; `ERR_DEMI_UNSUPPORTED` when the new driver does not take it
 */
export function bindPciDriver(address: string, driver?: string): void {
  const folder = join(DEVICES, address);
  const present = pciDriver(address);
  if (driver !== undefined && present === driver) return;
  write(join(folder, 'driver_override'), `${driver ?? ''}\n`, address);
  if (present !== undefined) write(join(folder, 'driver/unbind'), address, address);
  write('/sys/bus/pci/drivers_probe', address, address);
  const now = pciDriver(address);
  if (driver === undefined || now === driver) return;
  throw new DemiError(
    'ERR_DEMI_UNSUPPORTED',
    `${address} is driven by ${now ?? 'nothing'}, not by ${driver}: is the module there (modprobe ${driver})?`,
  );
}

function write(path: string, text: string, address: string): void {
  try {
    writeFileSync(path, text);
  } catch (error) {
    const { errno } = error as NodeJS.ErrnoException;
    throw systemError('write', {
      errno: errno ?? 0,
      detail: `giving ${address} to another driver (${path})`,
      capabilities: ['CAP_SYS_ADMIN', 'CAP_DAC_OVERRIDE'],
    });
  }
}
