// A server of the object protocol and a host for its clients, simulated.

import { type Coroutines, coroutines, type Demikernel, type SocketType } from 'demikernel';
import { openSimulated, SimulatedWorld } from 'demikernel/simulator';
import { loadCodec } from '../../../src/kv/objects/codecs.ts';
import { ObjectServer } from '../../../src/kv/objects/object-server.ts';
import type { ObjectProtocol } from '../../../src/kv/objects/protocol.ts';
import { leaveNothing } from '../leave.ts';

const LOSSY = { delayUs: 20, jitterUs: 10, lossRate: 0.02, duplicateRate: 0.01, reorderRate: 0.02 };
export const ADDRESS = '10.0.0.1:7000';

export interface Town {
  world: SimulatedWorld;
  near: Demikernel;
  far: Demikernel;
  server: ObjectServer;
  /** On the far host. */
  co: Coroutines;
}

export async function settle(
  protocol: ObjectProtocol,
  seed: number,
  options: { link?: object; slots?: number; socketType?: SocketType; gather?: number } = {},
): Promise<Town> {
  const world = new SimulatedWorld({ seed, link: options.link ?? LOSSY });
  const { slots = 4096 } = options;
  const near = openSimulated(world, '10.0.0.1/24', { slots, debugMemory: true });
  const far = openSimulated(world, '10.0.0.2/24', { slots: 4096, debugMemory: true });
  const codec = await loadCodec(protocol, { copyThresholdBytes: options.gather });
  const server = new ObjectServer(near, { address: ADDRESS, codec, socketType: options.socketType });
  const first = world.hosts[0]!;
  const before = first.afterPoll;
  first.afterPoll = () => (before?.() ?? 0) + server.serveReady();
  return { world, near, far, server, co: coroutines(far) };
}

export function leave({ far, near }: Town): void {
  leaveNothing(far, near);
}
