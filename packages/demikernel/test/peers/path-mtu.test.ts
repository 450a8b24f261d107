// Path MTU: a kernel router with a narrower link behind it, interfaces with a large MTU. Runs alone.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import { configure, connect, Network } from '@demikernel/lab';
import { addAddress, addRoute, getLink, runInNamespace } from '@demikernel/native/kernel';
import type { OpenOptions } from '../../src/pdpix/open.ts';
import { FAR_ADDRESS, FAR_DEVICE, NEAR_ADDRESS, NEAR_DEVICE, VethPair } from '../devices/af-veth.ts';
import type { BulkPlan } from './bulk-plan.ts';
import { transfer } from './bulk-transfer.ts';

const MIB = 1 << 20;
const NARROW_MTU = 1280;
const CLIENT_ADDRESS = '10.80.0.2';

const PLAN: BulkPlan = {
  role: 'listen',
  address: `${NEAR_ADDRESS}:7000`,
  connections: 2,
  sendBytes: 8 * MIB,
  receiveBytes: 2 * MIB,
  sendSeed: 3,
  receiveSeed: 4,
  pieceBytes: 65536,
};

interface Hosts {
  near: string;
  far: string;
}

/** near ──1500── router ──1280── far, whose own interface does not know of it: only ICMP tells. */
function buildRouted(network: Network): Hosts {
  const near = network.host('n');
  const router = network.host('r');
  const far = network.host('f');
  connect({ namespace: near, device: NEAR_DEVICE }, { namespace: router, device: 'left' });
  connect(
    { namespace: router, device: 'right', mtuBytes: NARROW_MTU },
    { namespace: far, device: FAR_DEVICE, mtuBytes: 1500 },
  );
  configure(router, netlink => {
    addAddress(netlink, getLink(netlink, 'left').index, FAR_ADDRESS, 24);
    addAddress(netlink, getLink(netlink, 'right').index, '10.80.0.1', 24);
  });
  // Below /proc/sys/net a thread sees its own namespace.
  runInNamespace(router, () => writeFileSync('/proc/sys/net/ipv4/ip_forward', '1'));
  configure(far, netlink => {
    addAddress(netlink, getLink(netlink, FAR_DEVICE).index, CLIENT_ADDRESS, 24);
    addRoute(netlink, { destination: '0.0.0.0', prefixLength: 0, gateway: '10.80.0.1' });
  });
  return { near, far };
}

describe('path MTU discovery', { timeout: 60_000 }, () => {
  for (const role of ['listen', 'connect'] as const) {
    it(`lowers the segments of a connection behind a narrow link, role: ${role}`, async t => {
      const built = Network.build(buildRouted);
      if (typeof built === 'string') {
        t.skip(built);
        return;
      }
      try {
        const report = await transfer(
          t,
          {
            ...built.made,
            open: {
              libos: 'catpowder',
              interface: NEAR_DEVICE,
              address: `${NEAR_ADDRESS}/24`,
              gateway: FAR_ADDRESS,
            },
          },
          { ...PLAN, role, address: role === 'listen' ? PLAN.address : `${CLIENT_ADDRESS}:8000` },
        );
        assert.ok(report.counters!['tcp']!['pathMtuLowered']! > 0, 'nobody was told of the narrow link');
      } finally {
        built.network.remove();
      }
    });
  }
});

describe('large frames', { timeout: 60_000 }, () => {
  const overVeth = async (t: TestContext, mtuBytes: number, further: object): Promise<void> => {
    const pair = VethPair.create({ mtuBytes });
    if (typeof pair === 'string') {
      t.skip(pair);
      return;
    }
    const open = {
      libos: 'catpowder',
      interface: NEAR_DEVICE,
      address: `${NEAR_ADDRESS}/24`,
      ...further,
    } as OpenOptions;
    try {
      const report = await transfer(t, { near: pair.near, far: pair.far, open }, PLAN);
      const segments = report.counters!['tcp']!['sent']!;
      t.diagnostic(`${Math.round((report.sent / segments) | 0)} bytes per segment sent`);
    } finally {
      pair.remove();
    }
  };

  it('MTU 3000 in slots of 4 KiB', t => overVeth(t, 3000, { slotSizeBytes: 4096 }));
  it('MTU 3000 in slots of 2 KiB: smaller segments both ways', t => overVeth(t, 3000, {}));
  it('MTU 9000 in slots of 4 KiB: smaller segments both ways', t =>
    overVeth(t, 9000, { slotSizeBytes: 4096 }));
});
