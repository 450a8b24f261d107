// vfio and PCI as far as they go on a machine without an IOMMU; with one they are tested in the guest.

import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  iommuGroup,
  listPciDevices,
  PCI_CLASS_NVME,
  pciDeviceExists,
  pciDriver,
  VfioContainer,
} from '../src/vfio/index.ts';

test('devices are found by their class', () => {
  const root = mkdtempSync(join(tmpdir(), 'demikernel-pci-'));
  try {
    for (const [address, text] of [
      ['0000:00:07.0', '0x010802\n'],
      ['0000:00:02.0', '0x020000\n'],
      ['0000:00:05.0', '0x010802\n'],
    ]) {
      mkdirSync(join(root, address!));
      writeFileSync(join(root, address!, 'class'), text!);
    }
    assert.deepEqual(listPciDevices(PCI_CLASS_NVME, root), ['0000:00:05.0', '0000:00:07.0']);
    assert.deepEqual(listPciDevices(0x030000, root), []);
    assert.deepEqual(listPciDevices(PCI_CLASS_NVME, join(root, 'absent')), []);
  } finally {
    rmSync(root, { recursive: true });
  }
});

test('what is no address becomes no path', () => {
  for (const address of [
    '',
    '..',
    '../../../../etc',
    '0000:00:07.0/..',
    '0000:00:07.8',
    'zz:00:00.0',
    '0000:00:07',
  ]) {
    assert.equal(pciDeviceExists(address), false, address);
  }
  assert.equal(pciDriver('0000:ff:1f.7'), undefined);
  assert.equal(iommuGroup('0000:ff:1f.7'), undefined);
});

test('without vfio opening says what is missing', t => {
  if (existsSync('/dev/vfio/vfio')) {
    t.skip('vfio is here');
    return;
  }
  assert.throws(() => new VfioContainer(), { code: 'ERR_DEMI_UNSUPPORTED', message: /modprobe vfio-pci/ });
});
