// Storage conformance on a disk in memory beside a simulated host.

import {
  MemoryDisk,
  MemoryStorage,
  openSimulated,
  SeededRandom,
  SimulatedWorld,
} from '../../src/simulator.ts';
import { type StoragePlace, storageConformance } from './storage-suite.ts';

function place(latencyPolls: number): StoragePlace {
  const disk = new MemoryDisk({ random: new SeededRandom(4), segmentBytes: 2 << 20, latencyPolls });
  return {
    open: async () =>
      openSimulated(new SimulatedWorld(), '10.0.0.1/24', {
        storage: new MemoryStorage(disk),
        debugMemory: true,
        operations: 8192,
      }),
    close: () => {},
  };
}

storageConformance('simulator and memory', place(1));
storageConformance('simulator and slow memory', place(30));
