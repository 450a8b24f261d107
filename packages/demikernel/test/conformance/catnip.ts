// The conformance suite on Catnip: two devices of DPDK's in this process, our stack on both.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { configure, Network } from '@demikernel/lab';
import { changeLink, createBridge, deleteLink, getLink } from '@demikernel/native/kernel';
import { type Demikernel, open } from '../../src/index.ts';
import { FAR_DEVICE, NEAR_DEVICE, VethPair } from '../devices/af-veth.ts';
import { testedDriverRefusal } from '../devices/dpdk-drivers.ts';
import { conformance, type Pair } from './suite.ts';

/** Beside the addresses that the kernel has at the far end. */
const SERVER_ADDRESS = '10.78.0.2';
const CLIENT_ADDRESS = '10.78.0.3';

/** Runs the suite over one of the drivers that take an interface, or skips it by name. */
export function catnipOnVeth(driver: 'af-packet' | 'af-xdp'): void {
  const name = driver === 'af-xdp' ? 'net_af_xdp' : 'net_af_packet';
  const veth = testedDriverRefusal(name) ?? VethPair.create();
  const unavailable = typeof veth === 'string' ? veth : undefined;
  after(() => {
    if (typeof veth !== 'string') veth.remove();
  });
  conformance(
    `catnip-${driver}`,
    () => {
      const { near, far } = veth as VethPair;
      const server = { device: `${name}0,iface=${NEAR_DEVICE}`, namespace: near };
      return openPair(server, { device: `${name}1,iface=${FAR_DEVICE}`, namespace: far });
    },
    { unavailable },
  );
}

/** As {@link catnipOnVeth}, over two taps that the kernel bridges. */
export function catnipOnTaps(): void {
  const built = testedDriverRefusal('net_tap') ?? Network.build(network => network.host('taps'));
  const unavailable = typeof built === 'string' ? built : undefined;
  after(() => {
    if (typeof built !== 'string') built.network.remove();
  });
  conformance(
    'catnip-tap',
    async () => {
      const { made: namespace } = built as Exclude<typeof built, string>;
      const end = (number: number): CatnipEnd => ({
        device: `net_tap${number},iface=demi${number}`,
        namespace,
      });
      const pair = await openPair(end(0), end(1));
      configure(namespace, netlink => {
        createBridge(netlink, { name: 'bridge' });
        const masterIndex = getLink(netlink, 'bridge').index;
        for (const name of ['demi0', 'demi1']) changeLink(netlink, name, { up: true, masterIndex });
        changeLink(netlink, 'bridge', { up: true });
      });
      const close = (): void => {
        pair.close();
        configure(namespace, netlink => deleteLink(netlink, 'bridge'));
      };
      return { ...pair, close };
    },
    { unavailable },
  );
}

/** As {@link catnipOnVeth}, over shared memory: both ends of a memif. */
export function catnipOnMemif(): void {
  const unavailable = testedDriverRefusal('net_memif');
  const folder = mkdtempSync(join(tmpdir(), 'demi-memif-'));
  after(() => rmSync(folder, { recursive: true }));
  const end = (number: number, role: string): CatnipEnd => ({
    device: `net_memif${number},role=${role},socket=${join(folder, 'socket')},socket-abstract=no`,
  });
  conformance('catnip-memif', () => openPair(end(0, 'server'), end(1, 'client')), { unavailable });
}

/** One end of a pair. */
export interface CatnipEnd {
  device: string;
  namespace?: string;
}

export async function openPair(serverEnd: CatnipEnd, clientEnd: CatnipEnd): Promise<Pair> {
  const common = { libos: 'catnip', wait: 'interrupt' } as const;
  const server: Demikernel = await open({ ...common, ...serverEnd, address: `${SERVER_ADDRESS}/24` });
  const client: Demikernel = await open({ ...common, ...clientEnd, address: `${CLIENT_ADDRESS}/24` });
  return {
    server,
    client,
    serverAddress: SERVER_ADDRESS,
    clientAddress: CLIENT_ADDRESS,
    // Receive buffers are given back in bursts.
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
