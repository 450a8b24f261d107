// Linux as the peer through a middle that loses, reorders, duplicates, delays and corrupts frames. Runs alone.
//
// DEMIKERNEL_TEST_LOSSY_SEEDS and DEMIKERNEL_TEST_LOSSY_MIB set how many seeds, and how much each way.

import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { configure, connect, Network } from '@demikernel/lab';
import { addAddress, getLink, runInNamespace, setOffload } from '@demikernel/native/kernel';
import type { WireCounters } from '../../src/devices/wire.ts';
import type { LinkOptions } from '../../src/devices/wire-link.ts';
import { FAR_ADDRESS, FAR_DEVICE, NEAR_ADDRESS, NEAR_DEVICE } from '../devices/af-veth.ts';
import { kernelCounter } from '../devices/kernel-udp.ts';
import { transfer } from './bulk-transfer.ts';
import { startNode } from './child-program.ts';

const SEEDS = Number(process.env['DEMIKERNEL_TEST_LOSSY_SEEDS'] ?? 3);
const BYTES = Number(process.env['DEMIKERNEL_TEST_LOSSY_MIB'] ?? 2) << 20;

interface Hosts {
  near: string;
  middle: string;
  far: string;
}

function buildPath(network: Network): Hosts {
  const hosts = { near: network.host('n'), middle: network.host('m'), far: network.host('f') };
  connect({ namespace: hosts.near, device: NEAR_DEVICE }, { namespace: hosts.middle, device: 'left' });
  connect({ namespace: hosts.far, device: FAR_DEVICE }, { namespace: hosts.middle, device: 'right' });
  configure(hosts.far, netlink => addAddress(netlink, getLink(netlink, FAR_DEVICE).index, FAR_ADDRESS, 24));
  // What is corrupted on the way must have been summed before.
  runInNamespace(hosts.far, () => {
    setOffload(FAR_DEVICE, 'tcpSegmentation', false);
    setOffload(FAR_DEVICE, 'txChecksum', false);
  });
  return hosts;
}

const EVERYTHING: LinkOptions = {
  lossRate: 0.005,
  duplicateRate: 0.005,
  reorderRate: 0.01,
  corruptRate: 0.005,
  delayUs: 50,
  jitterUs: 100,
};

/** What a bad radio does: most windows lose something. */
const BAD: LinkOptions = {
  lossRate: 0.04,
  duplicateRate: 0.02,
  reorderRate: 0.05,
  corruptRate: 0.01,
  delayUs: 200,
  jitterUs: 400,
};

async function throughFaults(
  t: TestContext,
  seed: number,
  bytes: number,
  faults: LinkOptions,
): Promise<void> {
  const built = Network.build(buildPath);
  if (typeof built === 'string') {
    t.skip(built);
    return;
  }
  const { near, middle, far } = built.made;
  const bridge = startNode(middle, 'lossy-middle', 'left', 'right', String(seed), JSON.stringify(faults));
  const listen = seed % 2 !== 0;
  try {
    assert.equal(await bridge.line(), 'up');
    const report = await transfer(
      t,
      {
        near,
        far,
        open: {
          libos: 'catpowder',
          interface: NEAR_DEVICE,
          address: `${NEAR_ADDRESS}/24`,
          transmitChecksum: 'none',
        },
      },
      {
        role: listen ? 'listen' : 'connect',
        address: listen ? `${NEAR_ADDRESS}:7000` : `${FAR_ADDRESS}:8000`,
        connections: 1,
        sendBytes: bytes,
        receiveBytes: bytes,
        sendSeed: seed,
        receiveSeed: seed + 1000,
        pieceBytes: 20_011,
      },
    );
    const kernelSaw = runInNamespace(far, () => kernelCounter('Tcp', 'InCsumErrors'));
    const { code, output, errors } = await bridge.stop('SIGTERM');
    assert.equal(code, 0, errors);
    const wire = JSON.parse(output.split('\n')[1]!) as WireCounters;
    t.diagnostic(`wire ${JSON.stringify(wire)}, kernel saw ${kernelSaw} wrong checksums`);
    assert.ok(wire.lost > 0 && wire.duplicated > 0 && wire.reordered > 0 && wire.corrupted > 0);
    const { tcp } = report.counters!;
    assert.ok(tcp!['retransmitted']! > 0, 'nothing was sent again');
    assert.ok(tcp!['outOfOrder']! > 0, 'nothing came out of order');
    assert.ok(tcp!['dropChecksum']! > 0, 'no checksum was wrong');
    assert.ok(kernelSaw > 0, 'the kernel saw no wrong checksum');
  } finally {
    await bridge.stop();
    built.network.remove();
  }
}

describe('Linux through a lossy middle', { timeout: 170_000 }, () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    it(`moves ${BYTES >> 20} MiB each way, byte for byte, seed ${seed}`, t =>
      throughFaults(t, seed, BYTES, EVERYTHING));
  }
  it('moves bytes through a path that is hardly one', t => throughFaults(t, 77, 1 << 20, BAD));
});
