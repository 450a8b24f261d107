// The conformance suite on Catpowder: a veth pair between two namespaces, our stack at both ends.

import { after } from 'node:test';
import { FAR_DEVICE, NEAR_DEVICE, VethPair } from '../devices/af-veth.ts';
import { conformance, type Pair } from './suite.ts';
import { openTwoStacks } from './two-stacks.ts';

/** Runs the suite over one kind of device, or skips it by name where namespaces cannot be made. */
export function catpowderConformance(device: 'af-xdp' | 'af-packet'): void {
  const veth = VethPair.create();
  const unavailable = typeof veth === 'string' ? veth : undefined;
  after(() => {
    if (typeof veth !== 'string') veth.remove();
  });
  conformance(`catpowder-${device}`, () => openPair(veth as VethPair, device), { unavailable });
}

function openPair(veth: VethPair, device: 'af-xdp' | 'af-packet'): Promise<Pair> {
  const common = { libos: 'catpowder', device, selfCheck: false, onNotice: () => {} } as const;
  return openTwoStacks(
    address => ({ ...common, interface: NEAR_DEVICE, namespace: veth.near, address }),
    address => ({ ...common, interface: FAR_DEVICE, namespace: veth.far, address }),
  );
}
