// Storage conformance on Cattree over a model of an NVMe controller, beside a simulated host. On a controller that is one,
// the same suite runs in the guest: cattree.guest-test.ts.

import { openSimulated, SeededRandom, SimulatedWorld } from '../../src/simulator.ts';
import { openModelTree } from '../liboses/model-tree.ts';
import { ModelDisk } from '../nvme/model-disk.ts';
import { type StoragePlace, storageConformance } from './storage-suite.ts';

function place(latencySteps: number, blockBytes: number): StoragePlace {
  const disk = new ModelDisk({ id: 1, blocks: (80 << 20) / blockBytes, blockBytes });
  return {
    open: async () => {
      const world = new SimulatedWorld();
      const random = new SeededRandom(5);
      const { storage } = openModelTree(disk, {
        clock: world.clock,
        random,
        latencySteps,
        segmentBytes: 2 << 20,
      });
      return openSimulated(world, '10.0.0.1/24', { storage, debugMemory: true, operations: 8192 });
    },
    close: () => {},
  };
}

storageConformance('simulator and a model of a controller', place(1, 512));
storageConformance('simulator and a slow model with blocks of 4096', place(20, 4096));
