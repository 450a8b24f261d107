// The log service: on simulated hosts with a disk in memory, and as processes on Catnap and on Catpowder with files. Runs
// alone.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { connect, Network } from '@demikernel/lab';
import { coroutines, type Demikernel, open } from 'demikernel';
import { MemoryDisk, MemoryStorage, openSimulated, SeededRandom, SimulatedWorld } from 'demikernel/simulator';
import { startLogClient } from '../src/log/client.ts';
import { LogServer } from '../src/log/server.ts';
import { output, withService } from './service.ts';

describe('log, simulated', () => {
  /** A server with a disk, and so many clients, in a world that loses frames; the records read back. */
  function life(disk: MemoryDisk, clients: number, sizeBytes: number, count: number): number {
    const link = { delayUs: 20, jitterUs: 10, lossRate: 0.02, reorderRate: 0.02 };
    const world = new SimulatedWorld({ seed: 11, link });
    const near = openSimulated(world, '10.0.0.1/24', { storage: new MemoryStorage(disk) });
    const far = openSimulated(world, '10.0.0.2/24');
    const server = new LogServer(near, { address: '10.0.0.1:5', log: 'log' });
    const [host] = world.hosts;
    const before = host!.afterPoll;
    host!.afterPoll = () => (before?.() ?? 0) + server.serveReady();
    const co = coroutines(far);
    const options = { address: '10.0.0.1:5', sizeBytes, count, window: 16 };
    const reports = Array.from({ length: clients }, () => startLogClient(co, options));
    const limitUs = world.nowUs + 600e6;
    assert.ok(world.run(() => co.liveCount === 0 || world.nowUs > limitUs));
    for (const os of [near, far]) {
      os.shutDown();
      const { pool, runtime } = os.libraryOs;
      assert.equal(pool.freeSlots, pool.slotCount, 'slots are missing');
      assert.equal(runtime.queues.liveCount, 0, 'queues are left');
    }
    return reports.reduce((sum, report) => sum + report.readBack, 0);
  }

  const diskOf = (): MemoryDisk =>
    new MemoryDisk({ random: new SeededRandom(5), segmentBytes: 2 << 20, latencyPolls: 20 });

  test('records are durable before they are acknowledged, and read back', () => {
    assert.equal(life(diskOf(), 1, 512, 500), 500);
  });

  test('several clients on one log; the log outlives the server', () => {
    const disk = diskOf();
    assert.equal(life(disk, 4, 700, 100), 400);
    assert.equal(life(disk, 3, 9000, 40), 120);
  });
});

/** Why Catcollar's files cannot be had here. */
async function missingStorage(): Promise<string | undefined> {
  const directory = mkdtempSync(join(tmpdir(), 'demikernel-log-'));
  try {
    const os: Demikernel = await open({ libos: 'catnap', storage: { libos: 'catcollar', directory } });
    os.shutDown();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  } finally {
    rmSync(directory, { recursive: true });
  }
}

async function withDirectory(t: TestContext, run: (directory: string) => Promise<void>): Promise<void> {
  const missing = await missingStorage();
  if (missing !== undefined) {
    t.skip(missing);
    return;
  }
  const directory = mkdtempSync(join(tmpdir(), 'demikernel-log-'));
  try {
    await run(directory);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

describe('log, processes', () => {
  test('Catnap and files; records are there for the next server', async t => {
    await withDirectory(t, async directory => {
      const flags = ['--storage', 'catcollar', '--directory', directory];
      for (const size of ['512', '20000']) {
        await withService('log', ['server', '127.0.0.1:0', ...flags], async (_service, port) => {
          const args = ['client', `127.0.0.1:${port}`, '--count', '500', '--size', size];
          assert.match(await output('log', args), /^500 records durable, \d+ a second; 500 read back$/);
        });
      }
    });
  });

  test('Catpowder and files', async t => {
    const built = Network.build(network => {
      const [near, far] = [network.host('near'), network.host('far')];
      connect({ namespace: near, device: 'near0' }, { namespace: far, device: 'far0' });
      return { near, far };
    });
    if (typeof built === 'string') {
      t.skip(built);
      return;
    }
    await withDirectory(t, async directory => {
      const { near, far } = built.made;
      try {
        const on = (namespace: string, device: string, address: string): string[] => [
          '--libos',
          'catpowder',
          '--namespace',
          namespace,
          '--interface',
          device,
          '--address',
          `${address}/24`,
        ];
        const server = ['server', '10.79.0.1:7000', ...on(near, 'near0', '10.79.0.1')];
        const files = ['--storage', 'catcollar', '--directory', directory];
        await withService('log', [...server, ...files], async () => {
          const client = ['client', '10.79.0.1:7000', ...on(far, 'far0', '10.79.0.2'), '--count', '500'];
          assert.match(await output('log', client), /^500 records durable, \d+ a second; 500 read back$/m);
        });
      } finally {
        built.network.remove();
      }
    });
  });
});
