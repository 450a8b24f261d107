// The guest's second pair of network cards, joined by a cable and used by nobody else: taken from the kernel for tests, and given back.

import assert from 'node:assert/strict';
import { realpathSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { bindPciDriver } from '@demikernel/native/vfio';

/** The two ends of the cable. */
export const VIRTIO_INTERFACES = ['eth2', 'eth3'] as const;

export type VirtioInterface = (typeof VIRTIO_INTERFACES)[number];

/** The cards by their PCI addresses, which they keep whoever drives them. */
export class VirtioCards {
  private readonly addresses: ReadonlyMap<string, string>;

  constructor() {
    assert.equal(process.env['DEMIKERNEL_GUEST'], '1', 'only in the guest are these cards for tests');
    // /sys/class/net/eth2/device is the virtio device, which is inside the PCI one.
    const addressOf = (name: string): string =>
      basename(dirname(realpathSync(`/sys/class/net/${name}/device`)));
    this.addresses = new Map(VIRTIO_INTERFACES.map(name => [name, addressOf(name)]));
  }

  addressOf(name: VirtioInterface): string {
    return this.addresses.get(name)!;
  }

  /** Has vfio-pci drive them. */
  take(...names: VirtioInterface[]): void {
    for (const name of names) bindPciDriver(this.addressOf(name), 'vfio-pci');
  }

  /** Has the kernel drive them again; their names may have changed places. */
  giveBack(): void {
    for (const address of this.addresses.values()) bindPciDriver(address);
  }
}
