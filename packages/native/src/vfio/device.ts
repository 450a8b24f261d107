// A device under vfio: its registers as memory, its configuration space, its reset.

import { closeSync, readSync, writeSync } from 'node:fs';
import { DemiError } from '@demikernel/memory';
import { check, systemError } from '../kernel/errno.ts';
import { libc } from '../kernel/library.ts';
import { type MemoryMap, mapDescriptor } from '../kernel/memory-map.ts';
import {
  PCI_COMMAND,
  PCI_COMMAND_INTX_DISABLE,
  PCI_COMMAND_MASTER,
  PCI_COMMAND_MEMORY,
  VFIO_DEVICE_FLAGS_RESET,
  VFIO_DEVICE_GET_INFO,
  VFIO_DEVICE_GET_REGION_INFO,
  VFIO_DEVICE_RESET,
  VFIO_GROUP_GET_DEVICE_FD,
  VFIO_PCI_CONFIG_REGION_INDEX,
  VFIO_REGION_INFO_FLAG_MMAP,
} from './constants.ts';

/** A stretch of a device: a BAR, or its configuration space. */
export interface VfioRegion {
  /** 0 for a region that the device has not. */
  lengthBytes: number;
  /** Where it lies in the device's descriptor. */
  offset: number;
  mappable: boolean;
}

/** Made by `VfioContainer.openDevice`; closing the descriptor resets the device. */
export class VfioDevice {
  readonly address: string;
  private fd: number;

  /** @internal */
  constructor(groupFd: number, address: string) {
    const name = Buffer.from(`${address}\0`, 'latin1');
    const fd = libc().ioctl(groupFd, VFIO_GROUP_GET_DEVICE_FD, name);
    if (fd < 0) throw systemError('VFIO_GROUP_GET_DEVICE_FD', { detail: `opening ${address}` });
    this.address = address;
    this.fd = fd;
  }

  /** @throws DemiError `ERR_DEMI_SYSCALL` */
  region(index: number): VfioRegion {
    const info = new DataView(new ArrayBuffer(32));
    info.setUint32(0, 32, true);
    info.setUint32(8, index, true);
    if (libc().ioctl(this.fd, VFIO_DEVICE_GET_REGION_INFO, info) < 0)
      throw systemError('VFIO_DEVICE_GET_REGION_INFO', { detail: `region ${index} of ${this.address}` });
    return {
      lengthBytes: Number(info.getBigUint64(16, true)),
      offset: Number(info.getBigUint64(24, true)),
      mappable: (info.getUint32(4, true) & VFIO_REGION_INFO_FLAG_MMAP) !== 0,
    };
  }

  /**
   * Maps a BAR. Registers are read and written as whole words, by Uint32Array or BigUint64Array: other views and methods
   * of Buffer may go byte by byte, which a device does not understand.
   *
   * @throws DemiError `ERR_DEMI_UNSUPPORTED` for a region that cannot be mapped, `ERR_DEMI_SYSCALL`
   */
  mapRegion(index: number): MemoryMap {
    const { lengthBytes, offset, mappable } = this.region(index);
    if (lengthBytes === 0 || !mappable)
      throw new DemiError('ERR_DEMI_UNSUPPORTED', `region ${index} of ${this.address} cannot be mapped`);
    return mapDescriptor({ fd: this.fd, lengthBytes, offsetBytes: offset });
  }

  /** A 16-bit word of configuration space. */
  readConfig(offset: number): number {
    const { offset: start } = this.region(VFIO_PCI_CONFIG_REGION_INDEX);
    const word = new Uint16Array(1);
    readSync(this.fd, word, 0, 2, start + offset);
    return word[0]!;
  }

  writeConfig(offset: number, value: number): void {
    const { offset: start } = this.region(VFIO_PCI_CONFIG_REGION_INDEX);
    writeSync(this.fd, new Uint16Array([value]), 0, 2, start + offset);
  }

  /** Lets the device answer to its registers and read and write memory, without interrupts. */
  enable(): void {
    const command = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE;
    this.writeConfig(PCI_COMMAND, this.readConfig(PCI_COMMAND) | command);
  }

  /** Whether {@link reset} can be. */
  get resettable(): boolean {
    const info = new Uint32Array([16, 0, 0, 0]);
    check(libc().ioctl(this.fd, VFIO_DEVICE_GET_INFO, info), 'VFIO_DEVICE_GET_INFO');
    return (info[1]! & VFIO_DEVICE_FLAGS_RESET) !== 0;
  }

  /** Resets the function; it must be enabled again afterwards. @throws DemiError `ERR_DEMI_SYSCALL` */
  reset(): void {
    if (libc().ioctlNumber(this.fd, VFIO_DEVICE_RESET, 0) < 0)
      throw systemError('VFIO_DEVICE_RESET', { detail: `resetting ${this.address}` });
  }

  /** @internal The container closes it. */
  close(): void {
    if (this.fd >= 0) closeSync(this.fd);
    this.fd = -1;
  }
}
