// The conformance suite on Catpowder: a veth pair between two namespaces, our stack at both ends.

import { after } from 'node:test';
import { type Demikernel, open } from '../../src/index.ts';
import { FAR_DEVICE, NEAR_DEVICE, VethPair } from '../devices/af-veth.ts';
import { conformance, type Pair } from './suite.ts';

/** Beside the addresses that the kernel has at the far end. */
const SERVER_ADDRESS = '10.78.0.2';
const CLIENT_ADDRESS = '10.78.0.3';

/** Runs the suite over one kind of device, or skips it by name where namespaces cannot be made. */
export function catpowderConformance(device: 'af-xdp' | 'af-packet'): void {
  const veth = VethPair.create();
  const unavailable = typeof veth === 'string' ? veth : undefined;
  after(() => {
    if (typeof veth !== 'string') veth.remove();
  });
  conformance(`catpowder-${device}`, () => openPair(veth as VethPair, device), { unavailable });
}

async function openPair(veth: VethPair, device: 'af-xdp' | 'af-packet'): Promise<Pair> {
  const common = {
    libos: 'catpowder',
    device,
    wait: 'interrupt',
    selfCheck: false,
    onNotice: () => {},
  } as const;
  const server: Demikernel = await open({
    ...common,
    interface: NEAR_DEVICE,
    namespace: veth.near,
    address: `${SERVER_ADDRESS}/24`,
  });
  const client: Demikernel = await open({
    ...common,
    interface: FAR_DEVICE,
    namespace: veth.far,
    address: `${CLIENT_ADDRESS}/24`,
  });
  return {
    server,
    client,
    serverAddress: SERVER_ADDRESS,
    clientAddress: CLIENT_ADDRESS,
    // The fill and transmit rings are served in bursts.
    deviceSlackSlots: 128,
    drive: () => {
      server.poll();
      client.poll();
    },
    close: () => {
      server.shutDown();
      client.shutDown();
    },
  };
}
