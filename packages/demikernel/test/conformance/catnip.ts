// The conformance suite on Catnip: two devices of DPDK's in this process, our stack on both.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { configure, Network } from '@demikernel/lab';
import { changeLink, createBridge, deleteLink, getLink } from '@demikernel/native/kernel';
import { FAR_DEVICE, NEAR_DEVICE, VethPair } from '../devices/af-veth.ts';
import { testedDriverRefusal } from '../devices/dpdk-drivers.ts';
import { VIRTIO_INTERFACES, VirtioCards } from '../devices/virtio-cards.ts';
import { conformance, type Pair } from './suite.ts';
import { openTwoStacks, type StackEnd } from './two-stacks.ts';

/** net_virtio lets go of what it has sent only when it sends again: frames for a ring of 256 entries, headers and payload. */
const VIRTIO_SLACK_SLOTS = 128 + 2 * 256;

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

/** As {@link catnipOnVeth}, over the two network cards of the guest that nobody else uses. */
export function catnipOnVirtio(): void {
  const cards = new VirtioCards();
  const unavailable = testedDriverRefusal('net_virtio');
  before(() => cards.take(...VIRTIO_INTERFACES));
  after(() => cards.giveBack());
  const [server, client] = VIRTIO_INTERFACES.map(name => ({ device: cards.addressOf(name) }));
  conformance('catnip-virtio', () => openPair(server!, client!, VIRTIO_SLACK_SLOTS), { unavailable });
}

/** One end of a pair. */
interface CatnipEnd {
  device: string;
  namespace?: string;
}

function openPair(serverEnd: CatnipEnd, clientEnd: CatnipEnd, slackSlots?: number): Promise<Pair> {
  const end =
    (options: CatnipEnd): StackEnd =>
    address => ({ libos: 'catnip', ...options, address });
  return openTwoStacks(end(serverEnd), end(clientEnd), slackSlots);
}
