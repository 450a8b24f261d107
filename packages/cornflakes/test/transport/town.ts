// Two hosts that can reach each other, on the library OSes that messages are tried on. What is said between them is the tests'.

import assert from 'node:assert/strict';
import { type Demikernel, open, type Result } from 'demikernel';
import { type LinkOptions, openSimulated, SimulatedWorld } from 'demikernel/simulator';

/** Far beyond what any test takes, also on a machine that does ten other things. */
const PATIENCE_MS = 240_000;
/** The longest that one turn moves a simulated clock when nothing is to be done, in microseconds. */
const LONGEST_STEP_US = 5000;

export interface Town {
  readonly server: Demikernel;
  readonly client: Demikernel;
  readonly serverAddress: string;
  /** `undefined` where time is real. */
  readonly world: SimulatedWorld | undefined;
  /** One turn of everything. */
  turn(): void;
  /** Closes both, and sees to it that no memory is held. */
  close(): void;
}

/** Turns until a condition holds. */
export function until(town: Town, done: () => boolean): void {
  const deadlineMs = Date.now() + PATIENCE_MS;
  while (!done()) {
    assert.ok(Date.now() < deadlineMs, 'still waiting');
    town.turn();
  }
}

/** Waits for an operation while both hosts work. */
export function resultOf(town: Town, os: Demikernel, token: number): Result {
  until(town, () => os.isComplete(token));
  const result = os.wait(token)!;
  return result;
}

/** A connection: its descriptors on the server and on the client. */
export function connect(town: Town, type: 'stream' | 'message'): { serverQd: number; clientQd: number } {
  const { server, client } = town;
  const listening = server.socket(type);
  server.bind(listening, `${town.serverAddress}:0`);
  server.listen(listening);
  const address = server.getsockname(listening);
  const clientQd = client.socket(type);
  const accepting = server.accept(listening);
  const connecting = client.connect(clientQd, address);
  assert.equal(resultOf(town, client, connecting).errno, 0);
  const serverQd = resultOf(town, server, accepting).acceptedQd;
  server.close(listening);
  return { serverQd, clientQd };
}

export function simulatedTown(link: LinkOptions, seed = 11): Town {
  const world = new SimulatedWorld({ seed, link });
  const server = openSimulated(world, '10.0.0.1/24', { slots: 2048, debugMemory: true });
  const client = openSimulated(world, '10.0.0.2/24', { slots: 2048, debugMemory: true });
  return {
    server,
    client,
    serverAddress: '10.0.0.1',
    world,
    turn: () => {
      if (world.step() > 0) world.clock.advance(1);
      else world.advance(LONGEST_STEP_US);
    },
    close: () => {
      // Long enough for the last acknowledgements, and for whoever waits for the peer's end.
      world.runFor(300e6);
      world.close();
      for (const host of world.hosts) assert.equal(host.usedSlots, 0, 'slots are still held');
    },
  };
}

export async function catmemTown(): Promise<Town> {
  const server = await open({ libos: 'catmem', wait: 'interrupt' });
  const client = await open({ libos: 'catmem', wait: 'interrupt' });
  return realTown(server, client);
}

/** The kernel's sockets, over the loopback interface. */
export async function catnapTown(): Promise<Town> {
  const os = await open({ libos: 'catnap', wait: 'interrupt' });
  return realTown(os, os);
}

function realTown(server: Demikernel, client: Demikernel): Town {
  const both = server === client ? [server] : [server, client];
  return {
    server,
    client,
    serverAddress: '127.0.0.1',
    world: undefined,
    turn: () => {
      for (const os of both) os.poll();
    },
    close: () => {
      for (const os of both) os.shutDown();
      for (const { libraryOs } of both) {
        assert.equal(libraryOs.pool.freeSlots, libraryOs.pool.slotCount, 'slots are still held');
      }
    },
  };
}
