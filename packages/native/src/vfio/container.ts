// A container: an I/O address space that devices of one or more groups share, and what of our memory they see in it.

import { closeSync, openSync } from 'node:fs';
import { DemiError } from '@demikernel/memory';
import { systemError } from '../kernel/errno.ts';
import { libc } from '../kernel/library.ts';
import {
  VFIO_API_VERSION,
  VFIO_CHECK_EXTENSION,
  VFIO_DMA_MAP_FLAG_READ,
  VFIO_DMA_MAP_FLAG_WRITE,
  VFIO_GET_API_VERSION,
  VFIO_GROUP_FLAGS_VIABLE,
  VFIO_GROUP_GET_STATUS,
  VFIO_GROUP_SET_CONTAINER,
  VFIO_IOMMU_MAP_DMA,
  VFIO_IOMMU_UNMAP_DMA,
  VFIO_SET_IOMMU,
  VFIO_TYPE1V2_IOMMU,
} from './constants.ts';
import { VfioDevice } from './device.ts';

/** Whole pages of this process: a `MemoryMap`, a `Region`. */
export interface MappableMemory {
  readonly address: bigint;
  readonly lengthBytes: number;
}

/** One I/O address space, Documentation/driver-api/vfio.rst. It goes with the process, and so do its mappings. */
export class VfioContainer {
  private fd: number;
  private readonly groups: Map<number, number>;
  private readonly devices: VfioDevice[];

  /** @throws DemiError `ERR_DEMI_UNSUPPORTED` where the kernel has no vfio, `ERR_DEMI_PERMISSION` */
  constructor() {
    this.fd = openNode('/dev/vfio/vfio', 'vfio is not there: modprobe vfio-pci, on a machine with an IOMMU');
    this.groups = new Map();
    this.devices = [];
    const version = libc().ioctlNumber(this.fd, VFIO_GET_API_VERSION, 0);
    const typed = libc().ioctlNumber(this.fd, VFIO_CHECK_EXTENSION, VFIO_TYPE1V2_IOMMU);
    if (version === VFIO_API_VERSION && typed === 1) return;
    this.close();
    const advice = 'modprobe vfio_iommu_type1';
    throw new DemiError(
      'ERR_DEMI_UNSUPPORTED',
      `vfio of version ${version}, type 1 IOMMU: ${typed}; want 0 and 1 (${advice})`,
    );
  }

  /**
   * Opens a device that vfio-pci drives.
   *
   * @param address `0000:00:07.0`
   * @param group number of its IOMMU group, see `iommuGroup`
   * @throws DemiError `ERR_DEMI_BUSY` when another process has the group, `ERR_DEMI_UNSUPPORTED` when the group is not
   *   whole, `ERR_DEMI_SYSCALL`, `ERR_DEMI_PERMISSION`
   */
  openDevice(address: string, group: number): VfioDevice {
    let groupFd = this.groups.get(group);
    if (groupFd === undefined) {
      groupFd = this.openGroup(group);
      this.groups.set(group, groupFd);
    }
    const device = new VfioDevice(groupFd, address);
    this.devices.push(device);
    return device;
  }

  private openGroup(group: number): number {
    const groupFd = openNode(`/dev/vfio/${group}`, `the IOMMU group ${group} is not bound to vfio-pci`);
    try {
      const status = new Uint32Array([8, 0]);
      if (libc().ioctl(groupFd, VFIO_GROUP_GET_STATUS, status) < 0)
        throw systemError('VFIO_GROUP_GET_STATUS');
      if ((status[1]! & VFIO_GROUP_FLAGS_VIABLE) === 0) {
        const path = `/sys/kernel/iommu_groups/${group}/devices`;
        throw new DemiError(
          'ERR_DEMI_UNSUPPORTED',
          `IOMMU group ${group} is not whole: every device in ${path} must be bound to vfio-pci or to nothing`,
        );
      }
      if (libc().ioctl(groupFd, VFIO_GROUP_SET_CONTAINER, new Int32Array([this.fd])) < 0)
        throw systemError('VFIO_GROUP_SET_CONTAINER');
      // The container takes its kind with its first group.
      if (this.groups.size === 0 && libc().ioctlNumber(this.fd, VFIO_SET_IOMMU, VFIO_TYPE1V2_IOMMU) < 0)
        throw systemError('VFIO_SET_IOMMU');
      return groupFd;
    } catch (error) {
      closeSync(groupFd);
      throw error;
    }
  }

  /**
   * Lets the devices reach a map, whole, at an I/O address: reading and writing. Its pages are pinned.
   *
   * @param ioAddress a multiple of the page size, within what the IOMMU can address
   * @throws DemiError `ERR_DEMI_SYSCALL`: ENOMEM beyond RLIMIT_MEMLOCK, EEXIST where something is mapped, EINVAL
   */
  mapMemory(map: MappableMemory, ioAddress: number): void {
    const argument = new DataView(new ArrayBuffer(32));
    argument.setUint32(0, 32, true);
    argument.setUint32(4, VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE, true);
    argument.setBigUint64(8, map.address, true);
    argument.setBigUint64(16, BigInt(ioAddress), true);
    argument.setBigUint64(24, BigInt(map.lengthBytes), true);
    if (libc().ioctl(this.fd, VFIO_IOMMU_MAP_DMA, argument) < 0) {
      const detail = `giving a device ${map.lengthBytes} bytes (locked memory: ulimit -l)`;
      throw systemError('VFIO_IOMMU_MAP_DMA', { detail, capabilities: ['CAP_IPC_LOCK'] });
    }
  }

  /** Takes it back; the device must not be using it. @throws DemiError `ERR_DEMI_SYSCALL` */
  unmapMemory(map: MappableMemory, ioAddress: number): void {
    const argument = new DataView(new ArrayBuffer(24));
    argument.setUint32(0, 24, true);
    argument.setBigUint64(8, BigInt(ioAddress), true);
    argument.setBigUint64(16, BigInt(map.lengthBytes), true);
    if (libc().ioctl(this.fd, VFIO_IOMMU_UNMAP_DMA, argument) < 0) throw systemError('VFIO_IOMMU_UNMAP_DMA');
  }

  /** Closes its devices and gives the groups back. Idempotent. */
  close(): void {
    if (this.fd < 0) return;
    for (const device of this.devices) device.close();
    for (const groupFd of this.groups.values()) closeSync(groupFd);
    this.groups.clear();
    closeSync(this.fd);
    this.fd = -1;
  }
}

function openNode(path: string, absent: string): number {
  try {
    return openSync(path, 'r+');
  } catch (error) {
    const { code, errno = 0 } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENODEV')
      throw new DemiError('ERR_DEMI_UNSUPPORTED', `${path}: ${absent}`);
    if (code === 'EBUSY')
      throw new DemiError('ERR_DEMI_BUSY', `${path}: another process drives this device`, { errno: -errno });
    throw systemError('open', { errno, detail: `opening ${path}`, capabilities: ['CAP_DAC_OVERRIDE'] });
  }
}
