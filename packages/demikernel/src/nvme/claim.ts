// Taking a controller from the kernel and giving it back: only when nobody uses what is on it. What is on it is told by
// signatures.ts.

import { closeSync, constants, openSync, readdirSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { DemiError } from '@demikernel/memory';
import {
  bindPciDriver,
  iommuGroup,
  listPciDevices,
  PCI_CLASS_NVME,
  pciDeviceExists,
  pciDriver,
} from '@demikernel/native/vfio';
import { findSignature, type ReadBytes } from './signatures.ts';

const USER_DRIVER = 'vfio-pci';

/** A controller as the kernel shows it. */
export interface ControllerPlace {
  /** `0000:00:07.0`. */
  address: string;
  driver: string | undefined;
  iommuGroup: number | undefined;
  /** The kernel's block devices on it: `nvme0n1`. */
  blockDevices: string[];
  /** Who uses them, in words; empty when nobody does. */
  uses: string[];
}

/** Every NVMe controller of this machine. */
export function listControllers(): ControllerPlace[] {
  return listPciDevices(PCI_CLASS_NVME).map(describe);
}

function describe(address: string): ControllerPlace {
  const blockDevices = blockDevicesOf(address);
  return {
    address,
    driver: pciDriver(address),
    iommuGroup: iommuGroup(address),
    blockDevices,
    uses: blockDevices.flatMap(usesOf),
  };
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function blockDevicesOf(address: string): string[] {
  const folder = join('/sys/bus/pci/devices', address, 'nvme');
  const found = new Set<string>();
  for (const controller of namesIn(folder)) {
    for (const name of namesIn(join(folder, controller))) {
      // nvme0c0n1 is one path of several to nvme0n1.
      if (/^nvme\d+(c\d+)?n\d+$/.test(name)) found.add(name.replace(/c\d+/, ''));
    }
  }
  return [...found].sort();
}

/** Mounts, swap, other devices on top; and, whoever it is, an exclusive holder. */
function usesOf(device: string): string[] {
  const folder = `/sys/class/block/${device}`;
  const names = [device, ...namesIn(folder).filter(name => name.startsWith(`${device}p`))];
  const uses: string[] = [];
  for (const name of names) {
    const number = text(`/sys/class/block/${name}/dev`).trim();
    for (const line of text('/proc/self/mountinfo').split('\n')) {
      const fields = line.split(' ');
      const source = fields[fields.indexOf('-') + 2];
      if (fields[2] === number || source === `/dev/${name}`) uses.push(`${name} is mounted on ${fields[4]}`);
    }
    if (text('/proc/swaps').includes(`/dev/${name} `)) uses.push(`${name} is swap space`);
    for (const holder of namesIn(`/sys/class/block/${name}/holders`)) uses.push(`${holder} lies on ${name}`);
  }
  // Another container's mounts are not seen above, but its claim is felt.
  if (uses.length === 0 && !isUnclaimed(device)) uses.push(`${device} is in use`);
  return uses;
}

function text(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** open(2) with O_EXCL: refused while a file system, swap or another device has claimed the disk or a part of it. */
function isUnclaimed(device: string): boolean {
  try {
    closeSync(openSync(`/dev/${device}`, constants.O_RDONLY | constants.O_EXCL));
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'EBUSY';
  }
}

/** A controller that is ours until `release`. */
export interface Claim {
  address: string;
  iommuGroup: number;
  /** Gives the controller back to the driver it was taken from. */
  release(): void;
}

export interface ClaimOptions {
  /** Take a controller whose devices are in use or hold something. */
  overwrite?: boolean;
  /** The namespace that will be written; what others hold is no reason to refuse. */
  namespaceId: number;
  /** Whether what the namespace holds is the caller's own; asked before anything else is recognised in it. */
  isOurs?: (read: ReadBytes) => boolean;
}

/**
 * Binds a controller to vfio-pci.
 *
 * @param address `0000:00:07.0`
 * @throws DemiError `ERR_DEMI_ADDRESS` when there is no such controller; `ERR_DEMI_IN_USE` when something on it is used, or
 *   the kernel knows what the namespace holds, and `overwrite` is not set; `ERR_DEMI_UNSUPPORTED` without an IOMMU or vfio-pci
 */
export function claimController(address: string, options: ClaimOptions): Claim {
  const place = pciDeviceExists(address) ? describe(address) : undefined;
  if (place === undefined || !listPciDevices(PCI_CLASS_NVME).includes(address)) {
    const there = listPciDevices(PCI_CLASS_NVME).join(', ') || 'none';
    throw new DemiError('ERR_DEMI_ADDRESS', `'${address}' is no NVMe controller; there are: ${there}`);
  }
  const { driver, iommuGroup: group } = place;
  if (group === undefined)
    throw new DemiError(
      'ERR_DEMI_UNSUPPORTED',
      `${address} stands behind no IOMMU (intel_iommu=on, amd_iommu=on)`,
    );
  if (options.overwrite !== true) refuseWhatIsUsed(place, options);
  bindPciDriver(address, USER_DRIVER);
  return {
    address,
    iommuGroup: group,
    release: () => {
      if (driver !== undefined && driver !== USER_DRIVER) bindPciDriver(address);
    },
  };
}

function refuseWhatIsUsed(place: ControllerPlace, { isOurs, namespaceId }: ClaimOptions): void {
  const advice = 'take it away, or open with overwrite: true';
  if (place.uses.length > 0)
    throw new DemiError('ERR_DEMI_IN_USE', `${place.address}: ${place.uses.join('; ')}: ${advice}`);
  for (const device of place.blockDevices) {
    if (Number(text(`/sys/class/block/${device}/nsid`) || /\d+$/.exec(device)![0]) !== namespaceId) continue;
    const what = signatureOf(device, isOurs ?? (() => false));
    if (what !== undefined) throw new DemiError('ERR_DEMI_IN_USE', `${device} holds ${what}: ${advice}`);
  }
}

/** What the kernel's device holds; looked at before the kernel lets go of it. */
function signatureOf(device: string, isOurs: (read: ReadBytes) => boolean): string | undefined {
  const fd = openSync(`/dev/${device}`, 'r');
  try {
    const lengthBytes = Number(text(`/sys/class/block/${device}/size`)) * 512;
    const read: ReadBytes = (offset, length) => {
      const bytes = new Uint8Array(length);
      readSync(fd, bytes, 0, length, offset);
      return bytes;
    };
    return isOurs(read) ? undefined : findSignature(read, lengthBytes);
  } finally {
    closeSync(fd);
  }
}
