// The driver on a controller behind an IOMMU: what it writes is read back by the kernel's own driver, and the other way.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, fsyncSync, openSync, readSync, writeSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { bindPciDriver } from '@demikernel/native/vfio';
import { claimController, listControllers } from '../../src/nvme/claim.ts';
import {
  FORCE_UNIT_ACCESS,
  NVM_DATASET_MANAGEMENT,
  NVM_FLUSH,
  NVM_READ,
  NVM_WRITE,
  NVM_WRITE_ZEROES,
} from '../../src/nvme/commands.ts';
import type { ErrorLogEntry } from '../../src/nvme/identify.ts';
import { EINVAL } from '../../src/runtime/errno.ts';
import { SeededRandom } from '../../src/runtime/random.ts';
import { kernelDevice, RealController, testController } from './real-controller.ts';

/** What the kernel reads of a namespace. */
async function kernelRead(path: string, offset: number, lengthBytes: number): Promise<Buffer> {
  const fd = openSync(await kernelDevice(path), 'r');
  try {
    const bytes = Buffer.alloc(lengthBytes);
    for (let at = 0; at < lengthBytes; ) at += readSync(fd, bytes, at, lengthBytes - at, offset + at);
    return bytes;
  } finally {
    closeSync(fd);
  }
}

test('what it writes the kernel reads, and what the kernel has written it reads', async () => {
  const random = new SeededRandom(6);
  const fromKernel = Buffer.alloc(1 << 20);
  random.fill(fromKernel);
  const fd = openSync(await kernelDevice('/dev/nvme0n2'), 'r+');
  writeSync(fd, fromKernel, 0, fromKernel.length, 64 << 20);
  fsyncSync(fd);
  closeSync(fd);

  const real = new RealController();
  const { controller } = real;
  assert.match(controller.identity.model, /QEMU/);
  assert.deepEqual(
    controller.namespaces.map(({ id, blockBytes, lengthBytes }) => [id, blockBytes, lengthBytes]),
    [
      [1, 512, 512 << 20],
      [2, 4096, 256 << 20],
    ],
  );
  const memory = real.door.makeMemory(1 << 20);
  // Namespace 2: what the kernel wrote, in transfers of every shape.
  for (let block = 0; block < 256; ) {
    const blocks = Math.min(1 + random.below(64), 256 - block);
    const offset = random.below(1000) * 4;
    const lengthBytes = blocks * 4096;
    const request = real.request();
    request.transfer(NVM_READ, 2, (64 << 20) / 4096 + block, blocks, memory, offset, lengthBytes, 0);
    assert.equal(real.finish(request), 0);
    const expected = fromKernel.subarray(block * 4096, block * 4096 + lengthBytes);
    assert.ok(expected.equals(memory.bytes.subarray(offset, offset + lengthBytes)), `block ${block}`);
    block += blocks;
  }
  // Namespace 1: many writes at once, flushed; zeroes and blocks given up among them.
  const written = Buffer.alloc(4 << 20);
  random.fill(written);
  for (let start = 0; start < written.length; start += memory.lengthBytes) {
    memory.bytes.set(written.subarray(start, start + memory.lengthBytes));
    const before = real.ended;
    let sent = 0;
    for (let at = 0; at < memory.lengthBytes; sent++) {
      const lengthBytes = Math.min(512 * (1 + random.below(40)), memory.lengthBytes - at);
      const flags = random.below(2) * FORCE_UNIT_ACCESS;
      controller.submit(
        real
          .request()
          .transfer(NVM_WRITE, 1, (start + at) / 512, lengthBytes / 512, memory, at, lengthBytes, flags),
      );
      at += lengthBytes;
    }
    real.until('all are written', () => real.ended === before + sent);
  }
  assert.equal(real.finish(real.request().command(NVM_WRITE_ZEROES, 1, 100, 10)), 0);
  written.fill(0, 100 * 512, 110 * 512);
  assert.equal(real.finish(real.request().command(NVM_DATASET_MANAGEMENT, 1, 100_000, 1000)), 0);
  assert.equal(real.finish(real.request().command(NVM_FLUSH, 1)), 0);
  assert.equal(controller.counters[3], 0);
  await real.giveBack();
  assert.ok(written.equals(await kernelRead('/dev/nvme0n1', 0, written.length)));
  assert.ok(fromKernel.equals(await kernelRead('/dev/nvme0n2', 64 << 20, fromKernel.length)));
});

test('errors are results, and the error log has them', async () => {
  const real = new RealController();
  const memory = real.door.makeMemory(4096);
  const blocks = real.controller.namespaces[0]!.blocks;
  const beyond = real.request().transfer(NVM_READ, 1, blocks - 4, 8, memory, 0, 4096, 0);
  assert.equal(real.finish(beyond), EINVAL);
  assert.equal(beyond.status, 0x4080);
  assert.equal(real.finish(real.request().transfer(NVM_READ, 7, 0, 8, memory, 0, 4096, 0)), EINVAL);
  assert.equal(real.finish(real.request().transfer(NVM_READ, 1, 0, 8, memory, 0, 4096, 0)), 0);
  let log: readonly ErrorLogEntry[] | undefined;
  real.controller.readErrorLog(16, entries => (log = entries));
  real.until('the log has come', () => log !== undefined);
  assert.ok(Array.isArray(log));
  await real.giveBack();
});

test('random reads: 32 at once are at least 3 times as many as one at a time', async () => {
  const real = new RealController();
  const random = new SeededRandom(8);
  const memory = real.door.makeMemory(32 * 4096);
  const read = (depth: number, count: number): number => {
    const requests = Array.from({ length: depth }, () => real.request());
    let sent = 0;
    real.clock.update();
    const startUs = real.clock.micros[0]!;
    const until = real.ended + count;
    while (real.ended < until) {
      for (let i = 0; i < depth && sent < count; i++) {
        if (requests[i]!.busy) continue;
        sent++;
        const lba = random.below(100_000) * 8;
        real.controller.submit(requests[i]!.transfer(NVM_READ, 1, lba, 8, memory, i * 4096, 4096, 0));
      }
      real.controller.flush();
      real.controller.poll();
    }
    real.clock.update();
    return count / (real.clock.micros[0]! - startUs);
  };
  read(32, 2000);
  const ratios: number[] = [];
  const rates: number[][] = [];
  for (let round = 0; round < 5; round++) {
    const [one, many] = [read(1, 400), read(32, 3000)];
    ratios.push(many / one);
    rates.push([one, many]);
  }
  ratios.sort((a, b) => a - b);
  const [one, many] = rates[2]!.map(rate => Math.round(rate * 1e6));
  const list = ratios.map(ratio => ratio.toFixed(1)).join(' ');
  process.stdout.write(`random reads: one at a time ${one}/s, 32 at once ${many}/s; ratios ${list}\n`);
  assert.ok(ratios[2]! >= 3, `ratios ${list}`);
  await real.giveBack();
});

test('a process that is killed while it writes leaves a controller that starts again', async () => {
  const child = spawn(process.execPath, [fileURLToPath(new URL('./victim.js', import.meta.url))], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  await new Promise(resolve => setTimeout(resolve, 200));
  assert.throws(() => new RealController(), { code: 'ERR_DEMI_BUSY' });
  child.kill('SIGKILL');
  await once(child, 'exit');
  assert.equal(listControllers()[0]!.driver, 'vfio-pci');
  const real = new RealController();
  const memory = real.door.makeMemory(4096);
  assert.equal(real.finish(real.request().transfer(NVM_READ, 1, 0, 8, memory, 0, 4096, 0)), 0);
  real.stop();
  // It was vfio-pci's when it was taken, and is again: the kernel's driver gets it by hand.
  assert.equal(listControllers()[0]!.driver, 'vfio-pci');
  bindPciDriver(testController());
  await kernelDevice('/dev/nvme0n1');
});

test('what is no controller is refused by name', () => {
  for (const address of ['0000:ff:00.0', '../../etc', '0000:00:00.0', '']) {
    assert.throws(
      () => claimController(address, { namespaceId: 1 }),
      (error: Error & { code: string }) => {
        assert.equal(error.code, 'ERR_DEMI_ADDRESS');
        return error.message.includes(testController());
      },
    );
  }
});
