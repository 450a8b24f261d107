// The door to a real controller: its registers mapped, memory pinned and shown to it through the IOMMU, by vfio.

import type { Region } from '@demikernel/memory';
import type { MemoryMap } from '@demikernel/native/kernel';
import { mapAnonymous } from '@demikernel/native/kernel';
import { PCI_COMMAND, PCI_COMMAND_MASTER, VfioContainer, type VfioDevice } from '@demikernel/native/vfio';
import type { DmaMemory, NvmeDoor } from './door.ts';
import { NVME_PAGE_BYTES, NVME_PAGE_SHIFT } from './registers.ts';

/** Memory is shown to the device from 4 GiB on: below lie addresses that mean interrupts, not memory. */
const FIRST_PAGE = 1 << (32 - NVME_PAGE_SHIFT);

class MappedMemory implements DmaMemory {
  readonly lengthBytes: number;
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
  readonly view: DataView;
  readonly address: number;
  readonly firstPage: number;
  readonly map: MemoryMap;

  constructor(map: MemoryMap, firstPage: number) {
    this.lengthBytes = map.lengthBytes;
    this.bytes = map.bytes();
    this.words = map.signedWords(0, map.lengthBytes >> 2);
    this.view = map.view();
    this.address = map.addressNumber;
    this.firstPage = firstPage;
    this.map = map;
  }
}

export class VfioDoor implements NvmeDoor {
  readonly name: string;
  readonly registers: Uint32Array;
  private readonly container: VfioContainer;
  private readonly device: VfioDevice;
  private readonly bar: MemoryMap;
  private readonly memories: MappedMemory[];
  private nextPage: number;
  private closed: boolean;

  /**
   * @param address `0000:00:07.0`, a device that vfio-pci has
   * @throws DemiError as `VfioContainer`: `ERR_DEMI_BUSY`, `ERR_DEMI_UNSUPPORTED`, `ERR_DEMI_PERMISSION`
   */
  constructor(address: string, group: number) {
    this.name = address;
    this.container = new VfioContainer();
    this.memories = [];
    this.nextPage = FIRST_PAGE;
    this.closed = false;
    try {
      this.device = this.container.openDevice(address, group);
      this.device.enable();
      this.bar = this.device.mapRegion(0);
    } catch (error) {
      this.container.close();
      throw error;
    }
    this.registers = this.bar.words(0, this.bar.lengthBytes >> 2);
  }

  makeMemory(lengthBytes: number): DmaMemory {
    const map = mapAnonymous({ lengthBytes, populate: true });
    const firstPage = this.nextPage;
    try {
      this.container.mapMemory(map, firstPage * NVME_PAGE_BYTES);
    } catch (error) {
      map.unmap();
      throw error;
    }
    this.nextPage += map.lengthBytes >> NVME_PAGE_SHIFT;
    const memory = new MappedMemory(map, firstPage);
    this.memories.push(memory);
    return memory;
  }

  reach(region: Region): number {
    const { address, lengthBytes } = region;
    const firstPage = this.nextPage;
    if (address === 0n || Number(address) % NVME_PAGE_BYTES !== 0 || lengthBytes % NVME_PAGE_BYTES !== 0)
      return -1;
    this.container.mapMemory(region, firstPage * NVME_PAGE_BYTES);
    this.nextPage += lengthBytes >> NVME_PAGE_SHIFT;
    return firstPage;
  }

  resetFunction(): boolean {
    if (!this.device.resettable) return false;
    this.device.reset();
    this.device.enable();
    return true;
  }

  silence(): void {
    try {
      const command = this.device.readConfig(PCI_COMMAND);
      this.device.writeConfig(PCI_COMMAND, command & ~PCI_COMMAND_MASTER);
    } catch {
      // A device that has no configuration space any more reaches nothing.
    }
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.silence();
    // The device is let go when nothing maps it any more; then its memory can be ours alone.
    this.bar.release();
    this.container.close();
    for (const { map } of this.memories) map.release();
  }
}
