// The hosts of a simulated fleet: backends with the virtual address and an agent, clients; their neighbours known, as behind a switch.

import type { Demikernel } from 'demikernel';
import { openSimulated } from 'demikernel/simulator';
import type { SimulatedHost, SimulatedHostOptions, SimulatedWorld } from 'demikernel/stack';
import { type AgentOptions, MigrationAgent } from '../../src/host/agent.ts';
import { keyOf, SwitchOnWire } from './switch-on-wire.ts';

export const VIRTUAL_ADDRESS = 0x0a000064;
export const VIRTUAL = '10.0.0.100:80';
const SWITCH_ADDRESS = 0x0a0000fe;
const HEADER_KEY = keyOf(1, 16);
export const FLEET_KEY: Uint8Array = keyOf(2, 32);

export interface SimulatedBackend {
  id: number;
  os: Demikernel;
  host: SimulatedHost;
  agent: MigrationAgent;
  listener: number;
}

export function openSwitch(world: SimulatedWorld): SwitchOnWire {
  return new SwitchOnWire(world, {
    virtualAddress: VIRTUAL_ADDRESS,
    virtualPort: 80,
    address: SWITCH_ADDRESS,
    headerKey: HEADER_KEY,
  });
}

export function openBackend(
  world: SimulatedWorld,
  balancer: SwitchOnWire,
  id: number,
  agentOptions: Partial<AgentOptions> = {},
  hostOptions: SimulatedHostOptions = {},
): SimulatedBackend {
  const virtualAddresses = [VIRTUAL_ADDRESS];
  const os = openSimulated(world, `10.0.0.${10 + id}/24`, { ...hostOptions, virtualAddresses });
  const host = world.hosts.at(-1)!;
  host.stack.arp.addPermanent(SWITCH_ADDRESS, balancer.backendMac);
  const listener = os.socket('stream');
  os.bind(listener, VIRTUAL);
  os.listen(listener);
  const agent = new MigrationAgent({
    os,
    self: id,
    address: host.address,
    switchAddress: SWITCH_ADDRESS,
    addressOf: backend => 0x0a00000a + backend,
    headerKey: HEADER_KEY,
    fleetKey: FLEET_KEY,
    ...agentOptions,
  });
  return { id, os, host, agent, listener };
}

/** Tells the switch of its backends. */
export function configure(balancer: SwitchOnWire, backends: readonly SimulatedBackend[]): void {
  balancer.configure(
    backends.map(({ id, host }) => ({ id, macAddress: host.device.macAddress, address: host.address })),
  );
}

export function openClient(
  world: SimulatedWorld,
  balancer: SwitchOnWire,
  hostOptions: SimulatedHostOptions = {},
): { os: Demikernel; host: SimulatedHost } {
  const os = openSimulated(world, '10.0.0.1/24', hostOptions);
  const host = world.hosts.at(-1)!;
  host.stack.arp.addPermanent(VIRTUAL_ADDRESS, balancer.clientMac);
  return { os, host };
}
