// Storage conformance on Catcollar's files beside Catnap, in every way of waiting and without direct access. Runs alone.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Demikernel, open, type WaitMode } from '../../src/index.ts';
import { promisedStorage, type StoragePlace, storageConformance } from './storage-suite.ts';

function place(wait: WaitMode, parent: string, direct = true): StoragePlace {
  const directory = mkdtempSync(join(parent, 'demikernel-logs-'));
  return {
    open: () =>
      open({
        libos: 'catnap',
        wait,
        storage: { libos: 'catcollar', directory, direct, segmentBytes: 2 << 20 },
      }),
    close: () => rmSync(directory, { recursive: true }),
  };
}

/** Why rings cannot be had here. */
async function unavailable(): Promise<string | undefined> {
  const trial = place('interrupt', tmpdir());
  try {
    const os: Demikernel = await trial.open();
    os.shutDown();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  } finally {
    trial.close();
  }
}

const missing = await unavailable();
storageConformance('catnap and files', place('adaptive', tmpdir()), missing);
storageConformance('catnap and files, always asleep', place('interrupt', tmpdir()), missing);
storageConformance('catnap and files, through the page cache', place('adaptive', tmpdir(), false), missing);
storageConformance('catnap and files, on tmpfs', place('adaptive', '/dev/shm'), missing);
promisedStorage('catnap and files', place('adaptive', tmpdir()), missing);
