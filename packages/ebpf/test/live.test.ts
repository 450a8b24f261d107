// The ready-made programs on real devices: two namespaces joined by a veth pair, kernel sockets on one side.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { configure, connect, Network } from '@demikernel/lab';
import * as kernel from '@demikernel/native/kernel';
import { XDP_PASS } from '../src/constants.ts';
import { XdpLink } from '../src/link.ts';
import type { Program } from '../src/program.ts';
import { passAll } from '../src/programs/pass-all.ts';
import { RedirectToSocket } from '../src/programs/redirect-to-socket.ts';
import { reflectUdp } from '../src/programs/reflect-udp.ts';
import { bpfRefusal } from './privilege.ts';

const CLIENT_ADDRESS = 0x0a4d_0001;
const SERVER_ADDRESS = 0x0a4d_0002;
const REFLECTED_PORT = 7007;
const REDIRECTED_PORT = 7008;
const KERNEL_PORT = 7009;
const WAIT_US = 2_000_000;

const closing: (() => void)[] = [];
let clientNamespace = '';
let serverNamespace = '';
const skip = bpfRefusal() ?? setUp();

after(() => {
  for (const close of closing.reverse()) close();
});

/** Makes namespaces and devices, or says why not. */
function setUp(): string | undefined {
  const built = Network.build(network => {
    clientNamespace = network.host('client');
    serverNamespace = network.host('server');
    connect({ namespace: clientNamespace, device: 'demi0' }, { namespace: serverNamespace, device: 'demi1' });
  });
  if (typeof built === 'string') return built;
  closing.push(() => built.network.remove());
  return undefined;
}

function raise(namespace: string, device: string, address: string): void {
  configure(namespace, netlink => {
    // Native XDP sees checksums as the sender left them: whole ones, with the offload off.
    kernel.setOffload(device, 'txChecksum', false);
    kernel.addAddress(netlink, kernel.linkIndex(device), address, 24);
  });
}

function attach(namespace: string, device: string, program: Program): XdpLink {
  return kernel.runInNamespace(namespace, () => {
    const link = new XdpLink({ program, ifindex: kernel.linkIndex(device), mode: 'native' });
    closing.push(() => link.close());
    return link;
  });
}

/** A kernel UDP socket in a namespace, bound, and connected when `to` is given. */
function udpSocket(namespace: string, address: number, port: number, to?: number): number {
  const fd = kernel.runInNamespace(namespace, () => kernel.openSocket(kernel.AF_INET, kernel.SOCK_DGRAM));
  assert.ok(fd >= 0);
  closing.push(() => kernel.closeDescriptor(fd));
  const name = new kernel.SocketAddress();
  name.setIpv4(address, port);
  assert.equal(kernel.bindSocket(fd, name), 0);
  if (to !== undefined) {
    name.setIpv4(SERVER_ADDRESS, to);
    assert.equal(kernel.connectSocket(fd, name), 0);
  }
  return fd;
}

function send(fd: number, text: string): void {
  const bytes = Buffer.from(text);
  assert.equal(kernel.libc().writeBuffer(fd, bytes, bytes.length), bytes.length);
}

/** The next datagram as text, or `undefined` when none comes in time. */
function receive(fd: number, timeoutUs: number): string | undefined {
  const set = new kernel.PollSet(1);
  try {
    set.add(fd, kernel.POLLIN);
    if (set.wait(timeoutUs) !== 1) return undefined;
    const buffer = Buffer.alloc(2048);
    const got = kernel.libc().readBuffer(fd, buffer, buffer.length);
    return buffer.toString('latin1', 0, Math.max(got, 0));
  } finally {
    set.close();
  }
}

before(() => {
  if (skip !== undefined) return;
  raise(clientNamespace, 'demi0', '10.77.0.1');
  raise(serverNamespace, 'demi1', '10.77.0.2');
});

test('the reflector answers kernel clients from the driver', { skip }, () => {
  // A veth end needs a program for its peer's XDP_TX to arrive.
  const pass = passAll();
  const passing = attach(clientNamespace, 'demi0', pass);
  pass.close();
  const program = reflectUdp(REFLECTED_PORT);
  const link = attach(serverNamespace, 'demi1', program);
  program.close();
  const client = udpSocket(clientNamespace, CLIENT_ADDRESS, 0, REFLECTED_PORT);
  for (let n = 0; n < 200; n++) {
    send(client, `datagram ${n}`);
    assert.equal(receive(client, WAIT_US), `datagram ${n}`);
  }
  link.close();
  passing.close();
});

test('chosen ports go to the AF_XDP socket, the others stay with the kernel', { skip }, () => {
  const redirect = new RedirectToSocket({ mode: 'ports', address: SERVER_ADDRESS });
  closing.push(() => redirect.close());
  redirect.ports.add('udp', REDIRECTED_PORT);
  const chunks = 64;
  const region = kernel.mapRegion({ lengthBytes: chunks * 2048 });
  const socket = configure(
    serverNamespace,
    () => new kernel.AfXdpSocket({ interfaceIndex: kernel.linkIndex('demi1'), region, mode: 'copy' }),
  );
  closing.push(() => socket.close());
  for (let chunk = 0; chunk < chunks; chunk++) socket.supply(chunk * 2048);
  socket.fill.publish();
  redirect.setSocket(0, socket.descriptor);
  const link = attach(serverNamespace, 'demi1', redirect.program);
  const ours = udpSocket(clientNamespace, CLIENT_ADDRESS, 0, REDIRECTED_PORT);
  const theirs = udpSocket(clientNamespace, CLIENT_ADDRESS, 0, KERNEL_PORT);
  const server = udpSocket(serverNamespace, SERVER_ADDRESS, KERNEL_PORT);
  const waiting = new kernel.PollSet(1);
  closing.push(() => waiting.close());
  waiting.add(socket.descriptor, kernel.POLLIN);
  const [offsets, lengths, options] = [new Int32Array(8), new Int32Array(8), new Int32Array(8)];
  const memory = Buffer.from(region.buffer);
  for (let n = 0; n < 50; n++) {
    send(theirs, `kernel ${n}`);
    assert.equal(receive(server, WAIT_US), `kernel ${n}`);
    send(ours, `ours ${n}`);
    assert.equal(waiting.wait(WAIT_US), 1);
    assert.equal(socket.receive(offsets, lengths, options, 8), 1);
    const frame = memory.subarray(offsets[0], offsets[0]! + lengths[0]!);
    assert.equal(frame.toString('latin1', 42), `ours ${n}`);
  }
  let counters = redirect.readCounters();
  assert.equal(counters.udp, 50);
  assert.equal(counters.otherPort, 50);
  // Without its socket the queue's packets are the kernel's again; nobody listens there, so it refuses the port.
  redirect.deleteSocket(0);
  send(ours, 'nobody');
  const refused = new kernel.PollSet(1);
  refused.add(ours, kernel.POLLIN);
  assert.equal(refused.wait(WAIT_US), 1);
  assert.equal(kernel.socketError(ours), kernel.ECONNREFUSED);
  refused.close();
  counters = redirect.readCounters();
  assert.equal(counters.noSocket, 1);
  link.close();
});

test('live frames of a test run reach kernel sockets', { skip }, () => {
  const server = udpSocket(serverNamespace, SERVER_ADDRESS, KERNEL_PORT + 1);
  const frame = Buffer.alloc(14 + 20 + 8 + 5);
  configure(serverNamespace, netlink => {
    const mac = kernel.getLink(netlink, 'demi1').macAddress;
    frame.set(mac.split(':').map(octet => Number.parseInt(octet, 16)));
  });
  frame.writeUInt16BE(0x0800, 12);
  frame.set([0x45, 0, 0, 33, 0, 0, 0, 0, 64, 17], 14);
  frame.writeUInt32BE(CLIENT_ADDRESS, 26);
  frame.writeUInt32BE(SERVER_ADDRESS, 30);
  let sum = 0;
  for (let at = 14; at < 34; at += 2) sum += frame.readUInt16BE(at);
  frame.writeUInt16BE(~((sum & 0xffff) + (sum >> 16)) & 0xffff, 24);
  frame.writeUInt16BE(9, 34);
  frame.writeUInt16BE(KERNEL_PORT + 1, 36);
  frame.writeUInt16BE(13, 38);
  frame.write('hello', 42);
  using program = passAll();
  configure(serverNamespace, () => {
    const ingress = { ifindex: kernel.linkIndex('demi1'), queue: 0 };
    assert.equal(program.testRun(frame, { ingress }).action, XDP_PASS);
    assert.equal(receive(server, 1), undefined);
    program.testRun(frame, { ingress, liveFrames: true });
  });
  assert.equal(receive(server, WAIT_US), 'hello');
});
