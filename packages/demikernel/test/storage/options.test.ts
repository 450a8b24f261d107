// Opening a library OS with storage, without it, and with options that make no sense; what it leaves behind. Runs alone.

import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { openDescriptors } from '@demikernel/native/kernel';
import { EBADMSG, EINVAL, open, openOptions, type Result } from '../../src/index.ts';

describe('storage', () => {
  test('a library OS without it refuses by name', async () => {
    const os = await open({ libos: 'catnap' });
    assert.throws(() => os.open('log'), { code: 'ERR_DEMI_UNSUPPORTED', message: /catnap stores nothing/ });
    assert.equal(os.libraryOs.runtime.operations.liveCount, 0);
    os.shutDown();
  });

  test('options that make no sense are refused, and nothing stays open', async () => {
    const before = openDescriptors().size;
    const bad = [
      { libos: 'cattree' },
      { libos: 'catcollar', directory: tmpdir(), segmentBytes: 1000 },
      { libos: 'memory', largestRecordBytes: 0 },
      { libos: 'catcollar', directory: '/dev/null/logs' },
      { libos: 'cattree', device: 'nvme0' },
    ];
    for (const storage of bad) {
      await assert.rejects(open({ libos: 'catnap', storage: storage as { libos: 'memory' } }));
    }
    // Each open leaves its metrics to readers until the process ends.
    assert.ok(openDescriptors().size <= before + bad.length);
  });

  test('flags', () => {
    assert.deepEqual(openOptions({ storage: 'memory' }).storage, { libos: 'memory' });
    assert.deepEqual(openOptions({ storage: 'catcollar', directory: '/x' }).storage, {
      libos: 'catcollar',
      directory: '/x',
    });
    const nvme = { storage: 'cattree', nvme: '0000:00:07.0', 'nvme-namespace': '2' };
    assert.deepEqual(openOptions(nvme).storage, {
      libos: 'cattree',
      device: '0000:00:07.0',
      namespaceId: 2,
    });
    const bad = [
      { storage: 'catcollar' },
      { directory: '/x' },
      { storage: 'catnap' },
      { storage: 'cattree' },
      { nvme: '0000:00:07.0' },
      { storage: 'memory', 'nvme-namespace': '1' },
      { ...nvme, directory: '/x' },
    ];
    for (const flags of bad) {
      assert.throws(() => openOptions(flags), { code: 'ERR_DEMI_OPTION' });
    }
  });

  test('files: opened and closed many times, nothing is left open; strangers in the directory do no harm', async t => {
    const directory = mkdtempSync(join(tmpdir(), 'demikernel-options-'));
    const options = {
      libos: 'catnap',
      storage: { libos: 'catcollar', directory, segmentBytes: 64 << 10 },
    } as const;
    try {
      const os = await open(options).catch((error: Error) => t.skip(error.message));
      if (os === undefined) return;
      let descriptors = 0;
      for (let round = 0; round < 30; round++) {
        const opened: Result = os.wait(os.open('log', { mode: 'either' }), 10_000_000)!;
        assert.equal(opened.errno, 0);
        const qd = opened.acceptedQd;
        assert.equal(os.wait(os.push(qd, new Uint8Array(9000)), 10_000_000)!.errno, 0);
        assert.equal(os.wait(os.truncate(qd, Number.POSITIVE_INFINITY), 10_000_000)!.errno, 0);
        os.close(qd);
        if (round === 5) descriptors = openDescriptors().size;
      }
      // A segment more or less, and those kept to be used again.
      assert.ok(openDescriptors().size <= descriptors + 4, 'descriptors are left');
      os.shutDown();
      writeFileSync(join(directory, 'log', 'notes.txt'), 'not a segment');
      writeFileSync(join(directory, 'log', '00000099.segment.new'), 'half made');
      const again = await open(options);
      assert.equal(again.wait(again.open('log'), 10_000_000)!.errno, 0);
      assert.ok(!readdirSync(join(directory, 'log')).includes('00000099.segment.new'));
      again.shutDown();
      writeFileSync(join(directory, 'log', '00000000.segment'), 'cut short');
      const damaged = await open(options);
      assert.ok([EBADMSG, EINVAL].includes(damaged.wait(damaged.open('log'), 10_000_000)!.errno));
      damaged.shutDown();
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
