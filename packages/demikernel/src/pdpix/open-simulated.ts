// A simulated host behind the same interface as every other library OS.

import type { SimulatedHostOptions } from '../liboses/simulator/simulated-host.ts';
import type { SimulatedWorld } from '../liboses/simulator/simulated-world.ts';
import { Demikernel } from './demikernel.ts';

/**
 * Adds a host to a simulated world and opens it. Its blocking waits move the whole world; its coroutines run whenever the
 * world does.
 *
 * @param prefix the host's address and prefix length, for example `10.0.0.1/24`
 */
export function openSimulated(
  world: SimulatedWorld,
  prefix: string,
  options: SimulatedHostOptions = {},
): Demikernel {
  const host = world.host(prefix, options);
  const os = new Demikernel(host.libos, { mode: 'interrupt', makeWaiter: () => world.waiter(host) });
  host.afterPoll = () => os.loop.continuations?.runReady() ?? 0;
  return os;
}
