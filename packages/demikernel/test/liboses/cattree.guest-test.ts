// Cattree on a controller: what it refuses to take, the storage suite, a writer that is killed, and what the kernel's own
// driver reads afterwards.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { bindPciDriver } from '@demikernel/native/vfio';
import { type Demikernel, open, type StorageOptions } from '../../src/index.ts';
import { COPY_BYTES, decodeDirectory, segmentOffset } from '../../src/liboses/cattree/directory.ts';
import { heapBuffer } from '../../src/liboses/storage/memory-storage.ts';
import { SeededRandom } from '../../src/simulator.ts';
import { promisedStorage, storageConformance } from '../conformance/storage-suite.ts';
import { kernelDevice, testController } from '../nvme/real-controller.ts';
import { checkLog, runAndKill } from '../storage/killed-writer.ts';

const BUSYBOX = '/run/demikernel-guest/bin/busybox';
const DEVICE = '/dev/nvme0n1';

function storage(
  options: Partial<StorageOptions> & { overwrite?: boolean; namespaceId?: number } = {},
): StorageOptions {
  return { libos: 'cattree', device: testController(), segmentBytes: 2 << 20, ...options } as StorageOptions;
}

const openTree = (options: Parameters<typeof storage>[0] = {}): Promise<Demikernel> =>
  open({ libos: 'catnap', storage: storage(options) });

function run(...command: string[]): void {
  const { status, stderr } = spawnSync(command[0]!, command.slice(1), { encoding: 'utf8' });
  assert.equal(status, 0, `${command.join(' ')}: ${stderr}`);
}

function wipe(): void {
  const fd = openSync(DEVICE, 'r+');
  for (let at = 0; at < 4 << 20; at += 1 << 20) writeSync(fd, new Uint8Array(1 << 20), 0, 1 << 20, at);
  closeSync(fd);
}

/** A library OS that was opened has to be shut down before the next. */
async function refused(message: RegExp): Promise<void> {
  await assert.rejects(async () => (await openTree()).shutDown(), { code: 'ERR_DEMI_IN_USE', message });
  // It was left as it was.
  await kernelDevice(DEVICE);
}

describe('a device that is somebody else’s', () => {
  test('is not taken while it is mounted, or holds a file system', async () => {
    await kernelDevice(DEVICE);
    run(BUSYBOX, 'mke2fs', DEVICE, '65536');
    await refused(/holds an ext2, ext3 or ext4 file system.*overwrite/);
    const folder = mkdtempSync(join(tmpdir(), 'mounted-'));
    run(BUSYBOX, 'modprobe', 'ext4');
    run('mount', '-t', 'ext2', DEVICE, folder);
    await refused(/nvme0n1 is mounted on .*mounted-/);
    run('umount', folder);
  });

  test('nor as swap space, nor with a partition table', async () => {
    wipe();
    run(BUSYBOX, 'mkswap', DEVICE);
    await refused(/holds swap space/);
    run(BUSYBOX, 'swapon', DEVICE);
    await refused(/nvme0n1 is swap space/);
    run(BUSYBOX, 'swapoff', DEVICE);
    wipe();
  });

  test('is taken when that is asked for', async () => {
    run(BUSYBOX, 'mke2fs', DEVICE, '65536');
    (await openTree({ overwrite: true })).shutDown();
    (await openTree()).shutDown();
  });
});

const again = { open: () => openTree(), close: () => {} };
storageConformance('catnap and an NVMe controller', again);
promisedStorage('catnap and an NVMe controller', again);

test('a log on the namespace with blocks of 4096 bytes, on a controller that nobody else gets', async () => {
  const os = await openTree({ namespaceId: 2, overwrite: true });
  const { acceptedQd } = os.wait(os.create('log'))!;
  const bytes = new Uint8Array(10_000).fill(7);
  assert.equal(os.wait(os.push(acceptedQd, bytes))!.errno, 0);
  await assert.rejects(openTree({ overwrite: true }), { code: 'ERR_DEMI_BUSY' });
  const popped = os.wait(os.pop(acceptedQd))!;
  assert.deepEqual(popped.array!.toBytes(), bytes);
  popped.array!.free();
  os.shutDown();
});

test('a writer that is killed loses nothing it was told is durable', { timeout: 120_000 }, async t => {
  const random = new SeededRandom(11);
  let next = 1;
  (await openTree({ overwrite: true })).shutDown();
  for (let kill = 0; kill < 2; kill++) {
    const acknowledged = await runAndKill(storage(), next, random.below(500));
    const { first, last } = await checkLog(storage());
    assert.ok(last >= acknowledged, `record ${acknowledged} was acknowledged, the log ends with ${last}`);
    assert.ok(first <= Math.max(1, acknowledged));
    next = last + 1;
  }
  t.diagnostic(`2 kills, ${next - 1} records`);
  bindPciDriver(testController());
  await kernelDevice(DEVICE);
});

test('the kernel’s own driver reads what was appended', async () => {
  const random = new SeededRandom(12);
  const os = await openTree({ overwrite: true });
  const qd = os.wait(os.create('records'))!.acceptedQd;
  const records: Uint8Array[] = [];
  for (let i = 0; i < 60; i++) {
    const record = new Uint8Array(16 + random.below(100_000));
    random.fill(record);
    records.push(record);
    assert.equal(os.wait(os.push(qd, record))!.errno, 0);
  }
  os.shutDown();

  const fd = openSync(await kernelDevice(DEVICE), 'r');
  const read = (offset: number, lengthBytes: number): Buffer => {
    const bytes = Buffer.alloc(lengthBytes);
    for (let at = 0; at < lengthBytes; ) at += readSync(fd, bytes, at, lengthBytes - at, offset + at);
    return bytes;
  };
  const copies = [0, 1].map(copy => {
    const buffer = heapBuffer(COPY_BYTES);
    buffer.bytes.set(read(copy * COPY_BYTES, COPY_BYTES));
    return decodeDirectory(buffer);
  });
  const directory = copies.reduce((a, b) => (b !== undefined && b.sequence > (a?.sequence ?? 0) ? b : a))!;
  const segments = directory
    .segmentsOf(directory.logs.get('records')!)
    .map(segment => read(segmentOffset(directory.layout, segment), directory.layout.segmentBytes));
  closeSync(fd);
  for (const [i, record] of records.entries()) {
    const places = segments.map(segment => segment.indexOf(record)).filter(at => at >= 0);
    assert.equal(places.length, 1, `record ${i} of ${record.length} bytes`);
  }
});
