// Where connections move without a privilege: backends and a client on the wires of a simulated world, the switch's model between
// them. The addresses are those of the real place.

import type { Demikernel } from 'demikernel';
import { openSimulated } from 'demikernel/simulator';
import type { SimulatedHost, SimulatedWorld } from 'demikernel/stack';
import {
  addressNumber,
  backendAddress,
  CLIENT_ADDRESS,
  HEADER_KEY,
  PORT,
  SWITCH_ADDRESS,
  VIRTUAL_ADDRESS,
} from './moving-addresses.ts';
import { SimulatedSwitch } from './simulated-switch.ts';

/** A stack in the world, and the host that is turned with it. */
export interface SimulatedStack {
  os: Demikernel;
  host: SimulatedHost;
}

export class SimulatedPlace {
  readonly world: SimulatedWorld;
  readonly balancer: SimulatedSwitch;

  /** @param world turned and closed by the caller */
  constructor(world: SimulatedWorld) {
    this.world = world;
    this.balancer = new SimulatedSwitch(world, {
      virtualAddress: addressNumber(VIRTUAL_ADDRESS),
      virtualPort: PORT,
      address: addressNumber(SWITCH_ADDRESS),
      headerKey: HEADER_KEY,
    });
  }

  /** A backend, known to the switch. */
  openBackend(id: number): SimulatedStack {
    const os = openSimulated(this.world, `${backendAddress(id)}/24`, {
      virtualAddresses: [addressNumber(VIRTUAL_ADDRESS)],
    });
    const host = this.world.hosts.at(-1)!;
    host.stack.arp.addPermanent(addressNumber(SWITCH_ADDRESS), this.balancer.backendMac);
    this.balancer.addBackend(id, host.device.macAddress, host.address);
    return { os, host };
  }

  openClient(): SimulatedStack {
    const os = openSimulated(this.world, `${CLIENT_ADDRESS}/24`);
    const host = this.world.hosts.at(-1)!;
    host.stack.arp.addPermanent(addressNumber(VIRTUAL_ADDRESS), this.balancer.clientMac);
    return { os, host };
  }
}
