// Catnip on a network card of the guest's through vfio: the kernel at the other end of the cable, a process that is killed, and a card
// that is still the kernel's.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { addAddress, changeLink, getLink, NetlinkSocket } from '@demikernel/native/kernel';
import { pciDriver } from '@demikernel/native/vfio';
import { open } from '../../src/index.ts';
import { testedDriverRefusal } from '../devices/dpdk-drivers.ts';
import { VirtioCards } from '../devices/virtio-cards.ts';
import { output, stop, tcpEchoClient, udpClient } from './kernel-peer.ts';

const PROGRAM = fileURLToPath(new URL('../../../bin/demikernel.js', import.meta.url));
const KERNEL_INTERFACE = 'eth3';
const KERNEL_ADDRESS = '10.84.0.1';
const ADDRESS = '10.84.0.2';
const PORT = 7000;

const cards = new VirtioCards();
const device = cards.addressOf('eth2');

/** An echo in a process of its own, once it listens. */
async function echoService(...flags: string[]): Promise<ChildProcess> {
  const catnip = ['--libos', 'catnip', '--device', device, '--address', `${ADDRESS}/24`, '--wait', 'spin'];
  const args = [PROGRAM, 'echo', 'server', '--bind', `${ADDRESS}:${PORT}`, ...catnip, ...flags];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  while (!said.includes('Ctrl-C ends it')) {
    const [chunk] = (await Promise.race([once(child.stderr!, 'data'), once(child, 'exit')])) as [unknown];
    if (!(chunk instanceof Buffer)) throw new Error(`the service has ended: ${said}`);
    said += chunk;
  }
  return child;
}

/** A kernel client's script, run. */
const kernel = (source: string): Promise<string> =>
  output(
    spawn(process.execPath, ['--input-type=module', '-e', source], { stdio: ['ignore', 'pipe', 'inherit'] }),
  );

before(() => {
  assert.equal(testedDriverRefusal('net_virtio'), undefined);
  const netlink = new NetlinkSocket();
  changeLink(netlink, KERNEL_INTERFACE, { up: true });
  addAddress(netlink, getLink(netlink, KERNEL_INTERFACE).index, KERNEL_ADDRESS, 24);
  netlink.close();
});
after(() => cards.giveBack());

test('a card that the kernel drives is not taken; the refusal says how it would be', async () => {
  await assert.rejects(open({ libos: 'catnip', device, address: `${ADDRESS}/24` }), (error: Error) => {
    assert.match(error.message, new RegExp(`${device}.*virtio-pci.*vfio-pci`));
    return true;
  });
  assert.equal(pciDriver(device), 'virtio-pci');
});

test('echoes to kernel TCP; starts again after kill -9, and echoes to kernel UDP', {
  timeout: 180_000,
}, async () => {
  cards.take('eth2');
  const streams = await echoService();
  assert.equal(await kernel(tcpEchoClient(ADDRESS, PORT, 300_000, 4)), 'same\n');
  await stop(streams);
  const datagrams = await echoService('--protocol', 'udp');
  assert.equal(await kernel(udpClient(ADDRESS, PORT, 'hello')), 'hello\n');
  const ended = once(datagrams, 'exit');
  datagrams.kill('SIGINT');
  assert.deepEqual(await ended, [0, null]);
});
