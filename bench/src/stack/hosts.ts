// Hosts of the stack benchmark: a stack on a device, with PDPIX on top, under a clock that is moved by hand.

import { heapRegion, SlotPool } from '@demikernel/memory';
import { Demikernel } from 'demikernel';
import {
  type ManualClock,
  type NeighbourSource,
  NetworkStack,
  type PacketDevice,
  Runtime,
  SeededRandom,
  SimulatedLibraryOs,
} from 'demikernel/stack';

const SLOT_BYTES = 2048;
/** Enough for every flow; a table of the default size for each of the many hosts only makes collections slow. */
const OPERATIONS = 4096;
const QUEUES = 4096;

/** Every address has the same MAC address: the peers are made up. */
const ANY_NEIGHBOUR: NeighbourSource = {
  resolve: (address, sink) => sink.neighbourKnown(address, Uint8Array.of(2, 0, 0, 0, 0, 2)),
};

export function makePool(slots: number): SlotPool {
  return new SlotPool(heapRegion(slots * SLOT_BYTES), {
    slotSizeBytes: SLOT_BYTES,
    reserveSlots: slots >> 2,
  });
}

export interface HostOptions {
  device: PacketDevice;
  clock: ManualClock;
  address: number;
  /** Peers are made up: whoever is asked for is there. */
  anyNeighbour: boolean;
}

export function makeHost(options: HostOptions): Demikernel {
  const { device, clock, address, anyNeighbour } = options;
  const runtime = new Runtime({
    clock,
    random: new SeededRandom(address),
    operations: OPERATIONS,
    queues: QUEUES,
  });
  const stack = new NetworkStack({
    device,
    runtime,
    address,
    prefixLength: 8,
    neighbours: anyNeighbour ? ANY_NEIGHBOUR : undefined,
    // The peers of the receive path all connect at once.
    tcp: { synBacklog: 4096 },
  });
  return new Demikernel(new SimulatedLibraryOs(stack), {
    mode: 'spin',
    makeWaiter: () => ({ checkSignal: () => 0, sleep: () => {}, close: () => {} }),
  });
}
