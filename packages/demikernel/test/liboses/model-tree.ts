// Cattree on a model of a controller: for tests without the device.

import type { DeviceStorage } from '../../src/liboses/cattree/device-storage.ts';
import { type CattreeOptions, mountTree } from '../../src/liboses/cattree/open-cattree.ts';
import { NVME_READY, NVME_STARTING, NvmeController } from '../../src/nvme/controller.ts';
import type { Clock } from '../../src/runtime/clock.ts';
import type { Random } from '../../src/runtime/random.ts';
import { ModelController } from '../nvme/model-controller.ts';
import type { ModelDisk } from '../nvme/model-disk.ts';

export interface ModelTree {
  storage: DeviceStorage;
  model: ModelController;
  /** How often the device has been given back. */
  released: () => number;
}

export interface ModelTreeOptions
  extends Pick<CattreeOptions, 'segmentBytes' | 'overwrite' | 'commandTimeoutMs'> {
  clock: Clock;
  random: Random;
  latencySteps?: number;
  memoryBytes?: number;
  transferShift?: number;
}

/** A new controller with this disk in it, started, and what is on the disk opened; each poll moves the device, too. */
export function openModelTree(disk: ModelDisk, options: ModelTreeOptions): ModelTree {
  const { clock, commandTimeoutMs, latencySteps, memoryBytes, random, transferShift } = options;
  const model = new ModelController({ random, disks: [disk], latencySteps, memoryBytes, transferShift });
  const controller = new NvmeController(model, { clock, commandTimeoutMs });
  const poll = controller.poll.bind(controller);
  controller.poll = () => {
    model.step();
    return poll();
  };
  while (controller.state === NVME_STARTING) controller.poll();
  if (controller.state !== NVME_READY) throw controller.failure!;
  let released = 0;
  const device = {
    controller,
    clock,
    random,
    release: () => void released++,
    whileWaiting: () => model.step(),
  };
  const storage: DeviceStorage = mountTree(device, { ...options, namespaceId: disk.id });
  return { storage, model, released: () => released };
}
