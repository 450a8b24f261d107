// The conformance suite on the simulator: two hosts on a wire that loses nothing, and the streams again on one that does.

import type { Demikernel } from '../../src/index.ts';
import { type LinkOptions, openSimulated, SimulatedWorld } from '../../src/simulator.ts';
import { conformance, type Pair } from './suite.ts';

/** The longest that one drive moves the clock when nothing is to be done. */
const LONGEST_STEP_US = 5000;

function simulatedPair(link: LinkOptions): Pair {
  const world = new SimulatedWorld({ seed: 2026, link });
  const open = (prefix: string): Demikernel =>
    openSimulated(world, prefix, { slots: 4096, operations: 65_536, debugMemory: true });
  const server = open('10.0.0.1/24');
  const client = open('10.0.0.2/24');
  const [serverHost] = world.hosts;
  return {
    server,
    client,
    serverAddress: '10.0.0.1',
    clientAddress: '10.0.0.2',
    drive: () => {
      if (world.step() > 0) world.clock.advance(1);
      else world.advance(LONGEST_STEP_US);
    },
    // A host that is not stepped any more hears nothing and says nothing.
    cut: apart => {
      if (apart) world.hosts.shift();
      else world.hosts.unshift(serverHost!);
    },
    close: () => {
      server.shutDown();
      client.shutDown();
    },
  };
}

conformance('simulator', async () => simulatedPair({ delayUs: 5 }));

conformance(
  'simulator',
  async () =>
    simulatedPair({ delayUs: 20, jitterUs: 10, lossRate: 0.02, duplicateRate: 0.02, reorderRate: 0.02 }),
  {
    title: 'simulator, lossy wire',
    chapters: [
      'connections',
      'streams',
      'cancel and close',
      'back-pressure',
      'memory',
      'coroutines and promises',
    ],
  },
);
