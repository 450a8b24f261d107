// A process that drives the guest's controller until it is killed.

import { NVM_WRITE } from '../../src/nvme/commands.ts';
import { RealController } from './real-controller.ts';

const real = new RealController();
const memory = real.door.makeMemory(32 * 4096);
const requests = Array.from({ length: 32 }, (_, i) =>
  real.request().transfer(NVM_WRITE, 1, i * 8, 8, memory, i * 4096, 4096, 0),
);
process.stdout.write('working\n');
for (;;) {
  for (const request of requests) if (!request.busy) real.controller.submit(request);
  real.controller.flush();
  real.controller.poll();
}
