// Which of DPDK's drivers are here for tests.

import { peerRefusal } from '@demikernel/lab';
import { driverRefusal } from '@demikernel/native/dpdk';

/** Packages of each driver that tests open, as `lab` knows them. */
const PEERS_OF = {
  net_af_packet: 'net_af_packet of DPDK',
  net_af_xdp: 'net_af_xdp of DPDK',
  net_tap: 'net_tap of DPDK',
  net_memif: 'net_memif of DPDK',
  net_virtio: 'net_virtio of DPDK',
} as const;
const PEERS_OF_ALL = ['bus_pci of DPDK', 'bus_vdev of DPDK', 'mempool_ring of DPDK'] as const;

export type TestedDriver = keyof typeof PEERS_OF;

/** Why tests of a driver cannot run, or `undefined`. @throws in a full run, which has what they need */
export function testedDriverRefusal(driver: TestedDriver): string | undefined {
  for (const peer of [PEERS_OF[driver], ...PEERS_OF_ALL]) {
    const refusal = peerRefusal(peer);
    if (refusal !== undefined) return refusal;
  }
  return driverRefusal(driver);
}
