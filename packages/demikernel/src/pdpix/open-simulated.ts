// A simulated host behind the same interface as every other library OS.

import type { SimulatedHostOptions } from '../liboses/simulator/simulated-host.ts';
import type { SimulatedWorld } from '../liboses/simulator/simulated-world.ts';
import { LibraryOsWithStorage } from '../liboses/storage/with-storage.ts';
import type { LogSettings } from '../log/settings.ts';
import type { Storage } from '../runtime/segment-store.ts';
import { Demikernel } from './demikernel.ts';

/**
 * Adds a host to a simulated world and opens it. Its blocking waits move the whole world; its coroutines run whenever the
 * world does.
 *
 * With `storage`, for example a `MemoryStorage`, the host has logs, too.
 *
 * @param prefix the host's address and prefix length, for example `10.0.0.1/24`
 */
export function openSimulated(
  world: SimulatedWorld,
  prefix: string,
  options: SimulatedHostOptions & { storage?: Storage; logs?: Partial<LogSettings> } = {},
): Demikernel {
  const { storage, logs, ...hostOptions } = options;
  const host = world.host(prefix, hostOptions);
  const stored = storage === undefined ? undefined : new LibraryOsWithStorage(host.libos, storage, logs);
  host.companion = stored?.logs;
  const os = new Demikernel(stored ?? host.libos, {
    mode: 'interrupt',
    makeWaiter: () => world.waiter(host),
  });
  host.afterPoll = () => os.loop.continuations?.runReady() ?? 0;
  return os;
}
