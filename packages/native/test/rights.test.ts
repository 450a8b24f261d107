// Descriptors in messages, and address ranges used again.

import assert from 'node:assert/strict';
import { fstatSync } from 'node:fs';
import { test } from 'node:test';
import {
  AF_UNIX,
  acceptSocket,
  bindSocket,
  closeDescriptor,
  connectSocket,
  createMemfd,
  listenSocket,
  Message,
  MSG_CMSG_CLOEXEC,
  MSG_DONTWAIT,
  mapAnonymous,
  mapDescriptor,
  openSocket,
  readRights,
  rightsBytes,
  SOCK_SEQPACKET,
  SocketAddress,
  writeRights,
} from '../src/kernel/index.ts';

test('descriptors travel over a UNIX socket', () => {
  const address = new SocketAddress();
  address.setUnix(`\0demikernel-rights-${process.pid}`);
  const listener = openSocket(AF_UNIX, SOCK_SEQPACKET);
  assert.equal(bindSocket(listener, address), 0);
  assert.equal(listenSocket(listener, 1), 0);
  const sender = openSocket(AF_UNIX, SOCK_SEQPACKET);
  assert.equal(connectSocket(sender, address), 0);
  const receiver = acceptSocket(listener, address);
  const memory = mapAnonymous({ lengthBytes: 64 });
  const message = new Message({ vectors: 1, controlBytes: rightsBytes(3) });
  message.setVector(0, memory.addressNumber, 0, 8);
  message.setCount(1);
  const memfds = [1, 2, 3].map(pages => createMemfd({ name: 'rights', lengthBytes: pages * 4096 }));
  assert.equal(message.sendWithControl(sender, 0, writeRights(message.control, memfds)), 8);
  assert.equal(message.receive(receiver, MSG_DONTWAIT | MSG_CMSG_CLOEXEC), 8);
  const got = readRights(message.control, message.controlLengthBytes);
  assert.equal(got.length, 3);
  assert.deepEqual(
    got.map(fd => fstatSync(fd).ino),
    memfds.map(fd => fstatSync(fd).ino),
  );
  for (const fd of [...got, ...memfds, receiver, sender, listener]) closeDescriptor(fd);
  message.close();
  memory.release();
  address.close();
});

test('control messages that make no sense bring no descriptors', () => {
  const control = new DataView(new ArrayBuffer(64));
  assert.deepEqual(readRights(control, 0), []);
  assert.deepEqual(readRights(control, 64), []);
  writeRights(control, [1, 2]);
  assert.deepEqual(readRights(control, 64), [1, 2]);
  assert.deepEqual(readRights(control, 20), []);
  control.setInt32(0, 1 << 30, true);
  assert.deepEqual(readRights(control, 64), []);
  control.setInt32(0, -8, true);
  assert.deepEqual(readRights(control, 64), []);
});

test('a released range is mapped again in its place', () => {
  const first = createMemfd({ name: 'first', lengthBytes: 4096 });
  const second = createMemfd({ name: 'second', lengthBytes: 4096 });
  const writer = mapDescriptor({ fd: second, lengthBytes: 4096 });
  writer.bytes()[0] = 42;
  const map = mapDescriptor({ fd: first, lengthBytes: 4096 });
  const bytes = map.bytes();
  assert.throws(() => map.reuse(second, false), { code: 'ERR_DEMI_RANGE' });
  map.release();
  assert.equal(bytes[0], 0);
  map.reuse(second, false);
  assert.equal(map.released, false);
  assert.equal(bytes[0], 42);
  map.release();
  writer.release();
  closeDescriptor(first);
  closeDescriptor(second);
});
