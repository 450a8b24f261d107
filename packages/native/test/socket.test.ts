// Kernel sockets on loopback: streams, datagrams, UNIX sockets, addresses, options, vectors, errors as numbers.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { closeDescriptor, openDescriptors } from '../src/kernel/descriptor.ts';
import {
  EADDRINUSE,
  EADDRNOTAVAIL,
  EAFNOSUPPORT,
  EAGAIN,
  EBADF,
  ECONNREFUSED,
  ECONNRESET,
  EINPROGRESS,
  ENOTCONN,
  EPIPE,
} from '../src/kernel/errno.ts';
import {
  formatIpAddress,
  formatMacAddress,
  parseIpAddress,
  parseMacAddress,
} from '../src/kernel/ip-address.ts';
import { mapAnonymous } from '../src/kernel/memory-map.ts';
import { MAX_VECTORS, Message, MSG_NOSIGNAL, MSG_PEEK, MSG_TRUNC } from '../src/kernel/message.ts';
import { POLLIN, POLLOUT, PollSet } from '../src/kernel/poll-set.ts';
import {
  acceptSocket,
  bindSocket,
  connectSocket,
  getSocketOption,
  getSocketOptionBytes,
  IPPROTO_TCP,
  listenSocket,
  openSocket,
  peerName,
  SHUT_WR,
  SO_KEEPALIVE,
  SO_LINGER,
  SO_REUSEADDR,
  SO_TYPE,
  SOCK_DGRAM,
  SOCK_STREAM,
  SOL_SOCKET,
  setLinger,
  setSocketOption,
  shutdownSocket,
  socketError,
  socketName,
  TCP_INFO,
  TCP_NODELAY,
} from '../src/kernel/socket.ts';
import { AF_INET, AF_INET6, AF_UNIX, AF_UNSPEC, SocketAddress } from '../src/kernel/socket-address.ts';

const LOOPBACK = 0x7f000001;

function waitFor(fd: number, events: number): void {
  const set = new PollSet(1);
  set.add(fd, events);
  let result = set.wait(5_000_000);
  while (result === -4) result = set.wait(5_000_000);
  set.close();
  assert.equal(result, 1, 'the descriptor never became ready');
}

/** A connected pair and its listener, on an address that was set on `address`. */
function connected(address: SocketAddress): {
  listener: number;
  client: number;
  server: number;
  peer: SocketAddress;
} {
  const peer = new SocketAddress();
  const listener = openSocket(address.family, SOCK_STREAM);
  assert.ok(listener >= 0, `${listener}`);
  assert.equal(bindSocket(listener, address), 0);
  assert.equal(listenSocket(listener, 8), 0);
  assert.equal(acceptSocket(listener, peer), -EAGAIN);
  assert.equal(socketName(listener, address), 0);
  const client = openSocket(address.family, SOCK_STREAM);
  assert.ok([0, -EINPROGRESS].includes(connectSocket(client, address)));
  waitFor(listener, POLLIN);
  const server = acceptSocket(listener, peer);
  assert.ok(server >= 0);
  waitFor(client, POLLOUT);
  assert.equal(socketError(client), 0);
  return { listener, client, server, peer };
}

test('addresses keep what was put in', () => {
  const address = new SocketAddress();
  address.setIp('192.168.1.200', 65535);
  assert.deepEqual(
    [address.family, address.ipv4, address.port, address.lengthBytes],
    [AF_INET, -1062731320, 65535, 16],
  );
  assert.equal(address.text(), '192.168.1.200');
  const copy = new SocketAddress();
  copy.copyFrom(address);
  assert.deepEqual([copy.text(), copy.port, copy.lengthBytes], ['192.168.1.200', 65535, 16]);
  address.setIp('2001:db8::8:800:200c:417a', 80);
  assert.deepEqual([address.family, address.port, address.lengthBytes], [AF_INET6, 80, 28]);
  assert.equal(address.text(), '2001:db8::8:800:200c:417a');
  address.setUnix('/tmp/a socket');
  assert.deepEqual([address.family, address.text(), address.lengthBytes], [AF_UNIX, '/tmp/a socket', 16]);
  address.setUnix('\0abstract');
  assert.deepEqual([address.text(), address.lengthBytes], ['\0abstract', 11]);
  address.setUnix('x'.repeat(107));
  assert.throws(() => address.setUnix('x'.repeat(108)), { code: 'ERR_DEMI_ADDRESS' });
  assert.throws(() => address.setIp('1.2.3', 1), { code: 'ERR_DEMI_ADDRESS' });
  assert.throws(() => address.setIp('fe80::1%eth0', 1), { code: 'ERR_DEMI_ADDRESS' });
  address.clear();
  assert.deepEqual([address.family, address.text(), address.lengthBytes], [AF_UNSPEC, '', 128]);
});

test('address text goes to bytes and back', () => {
  const forms = [
    '::',
    '::1',
    '1::',
    'fe80::1:0:0:2',
    '1:2:3:4:5:6:7:8',
    '0:1::',
    '::ffff:102:304',
    '10.0.0.1',
    '255.255.255.255',
  ];
  // RFC 5952: the longest run of zeros is shortened, the first of equals, never a single group.
  for (const text of forms) {
    const expected = text === '0:1::' ? '0:1::' : text;
    assert.equal(formatIpAddress(parseIpAddress(text)), expected);
  }
  assert.equal(formatIpAddress(parseIpAddress('::ffff:1.2.3.4')), '::ffff:102:304');
  assert.equal(formatIpAddress(parseIpAddress('1:0:3:4:5:6:7:8')), '1:0:3:4:5:6:7:8');
  assert.equal(formatIpAddress(new Uint8Array(5)), undefined);
  assert.equal(formatMacAddress(parseMacAddress('0A:00:ff:12:34:56')), '0a:00:ff:12:34:56');
  for (const text of ['', '0a:00', '0a:00:ff:12:34:5g', '0a:00:ff:12:34:56:78']) {
    assert.throws(() => parseMacAddress(text), { code: 'ERR_DEMI_ADDRESS' });
  }
});

for (const [name, set] of [
  ['IPv4', (address: SocketAddress): void => address.setIpv4(LOOPBACK, 0)],
  ['IPv6', (address: SocketAddress): void => address.setIp('::1', 0)],
  ['UNIX', (address: SocketAddress): void => address.setUnix(`\0demi-test-${process.pid}`)],
] as const) {
  test(`a ${name} stream carries vectors both ways, half-closes and ends`, t => {
    const probe = openSocket(name === 'IPv6' ? AF_INET6 : AF_INET, SOCK_DGRAM);
    const address = new SocketAddress();
    set(address);
    if (name === 'IPv6') {
      const bound = probe < 0 ? probe : bindSocket(probe, address);
      if (bound === -EAFNOSUPPORT || bound === -EADDRNOTAVAIL) return t.skip('no IPv6 on loopback here');
    }
    closeDescriptor(probe);
    const { listener, client, server, peer } = connected(address);
    const own = new SocketAddress();
    assert.equal(socketName(client, own), 0);
    if (name !== 'UNIX') assert.deepEqual([peer.text(), peer.port], [own.text(), own.port]);
    assert.equal(peerName(client, own), 0);
    assert.equal(own.text(), address.text());

    const memory = mapAnonymous({ lengthBytes: 8192 });
    const text = memory.bytes();
    text.set(Buffer.from('hello, world'), 100);
    const message = new Message({ vectors: 3 });
    message.setVector(0, memory.addressNumber, 107, 5);
    message.setVector(1, memory.addressNumber, 105, 2);
    message.setVector(2, memory.addressNumber, 100, 5);
    message.setCount(3);
    assert.equal(message.send(client, MSG_NOSIGNAL), 12);
    waitFor(server, POLLIN);
    message.setVector(0, memory.addressNumber, 4096, 7);
    message.setVector(1, memory.addressNumber, 5000, 3000);
    message.setCount(2);
    assert.equal(message.receive(server, MSG_PEEK), 12);
    assert.equal(message.receiveFrom(server, 0), 12);
    assert.equal(Buffer.from(text.subarray(4096, 4103)).toString(), 'world, ');
    assert.equal(Buffer.from(text.subarray(5000, 5005)).toString(), 'hello');
    assert.equal(message.receive(server, 0), -EAGAIN);
    assert.equal(shutdownSocket(client, SHUT_WR), 0);
    waitFor(server, POLLIN);
    assert.equal(message.receive(server, 0), 0);
    message.setCount(1);
    assert.equal(message.send(server, MSG_NOSIGNAL), 7);
    waitFor(client, POLLIN);
    assert.equal(message.receive(client, 0), 7);
    assert.equal(message.send(client, MSG_NOSIGNAL), -EPIPE);
    for (const fd of [listener, client, server]) assert.equal(closeDescriptor(fd), 0);
    assert.equal(message.send(client, MSG_NOSIGNAL), -EBADF);
    for (const each of [address, own, peer, message]) each.close();
    memory.release();
  });
}

test('datagrams keep their bounds and name their sender', () => {
  const address = new SocketAddress();
  address.setIpv4(LOOPBACK, 0);
  const one = openSocket(AF_INET, SOCK_DGRAM);
  const other = openSocket(AF_INET, SOCK_DGRAM);
  assert.equal(bindSocket(one, address), 0);
  assert.equal(socketName(one, address), 0);
  const port = address.port;
  assert.equal(bindSocket(other, address), -EADDRINUSE);
  const memory = mapAnonymous({ lengthBytes: 4096 });
  const message = new Message({ vectors: 1 });
  assert.equal(message.name.family, AF_UNSPEC);
  message.setVector(0, memory.addressNumber, 0, 100);
  message.setCount(1);
  message.name.setIpv4(LOOPBACK, port);
  assert.equal(message.sendTo(other, 0), 100);
  assert.equal(socketName(other, address), 0);
  message.setVector(0, memory.addressNumber, 0, 60);
  waitFor(one, POLLIN);
  assert.equal(message.receiveFrom(one, 0), 60);
  assert.equal(message.flags & MSG_TRUNC, MSG_TRUNC);
  assert.deepEqual(
    [message.name.ipv4, message.name.port, message.name.lengthBytes],
    [LOOPBACK, address.port, 16],
  );
  // Back to where it came from, with the name that the receive left.
  assert.equal(message.sendTo(one, 0), 60);
  waitFor(other, POLLIN);
  assert.equal(message.receive(other, 0), 60);
  assert.equal(message.flags & MSG_TRUNC, 0);
  closeDescriptor(one);
  closeDescriptor(other);
  message.close();
});

test('a refused connection is a number', () => {
  const address = new SocketAddress();
  address.setIpv4(LOOPBACK, 0);
  const reserved = openSocket(AF_INET, SOCK_STREAM);
  bindSocket(reserved, address);
  socketName(reserved, address);
  const fd = openSocket(AF_INET, SOCK_STREAM);
  assert.equal(peerName(fd, new SocketAddress()), -ENOTCONN);
  const result = connectSocket(fd, address);
  if (result === -EINPROGRESS) {
    waitFor(fd, POLLOUT);
    assert.equal(socketError(fd), ECONNREFUSED);
  } else assert.equal(result, -ECONNREFUSED);
  closeDescriptor(fd);
  closeDescriptor(reserved);
  assert.equal(openSocket(9999, SOCK_STREAM), -EAFNOSUPPORT);
  assert.equal(listenSocket(-1, 1), -EBADF);
  assert.equal(bindSocket(-1, address), -EBADF);
  assert.equal(acceptSocket(-1, address), -EBADF);
  assert.equal(shutdownSocket(-1, 0), -EBADF);
  assert.equal(setSocketOption(-1, SOL_SOCKET, SO_REUSEADDR, 1), -EBADF);
  assert.equal(getSocketOption(-1, SOL_SOCKET, SO_TYPE), -EBADF);
});

test('options are set and read; lingering for 0 s resets', () => {
  const address = new SocketAddress();
  address.setIpv4(LOOPBACK, 0);
  const { listener, client, server } = connected(address);
  assert.equal(getSocketOption(client, SOL_SOCKET, SO_TYPE), SOCK_STREAM);
  for (const [level, name] of [
    [IPPROTO_TCP, TCP_NODELAY],
    [SOL_SOCKET, SO_KEEPALIVE],
  ] as const) {
    assert.equal(setSocketOption(client, level, name, 1), 0);
    assert.equal(getSocketOption(client, level, name), 1);
  }
  const info = new Uint8Array(256);
  assert.ok(getSocketOptionBytes(client, IPPROTO_TCP, TCP_INFO, info) > 100);
  assert.equal(info[0], 1, 'tcpi_state is TCP_ESTABLISHED');
  assert.equal(setLinger(client, 0), 0);
  const linger = new Int32Array(2);
  assert.equal(getSocketOptionBytes(client, SOL_SOCKET, SO_LINGER, linger), 8);
  assert.deepEqual([...linger], [1, 0]);
  closeDescriptor(client);
  waitFor(server, POLLIN);
  const message = new Message();
  assert.equal(message.receive(server, 0), -ECONNRESET);
  closeDescriptor(server);
  closeDescriptor(listener);
});

test('messages of no or too many vectors are refused', () => {
  for (const vectors of [0, -1, 1.5, MAX_VECTORS + 1]) {
    assert.throws(() => new Message({ vectors }), { code: 'ERR_DEMI_RANGE' });
  }
  const most = new Message({ vectors: MAX_VECTORS, controlBytes: 64 });
  assert.equal(most.control.byteLength, 64);
  most.close();
});

test('a descriptor crosses a UNIX socket as a control message', () => {
  const address = new SocketAddress();
  address.setUnix(`\0demi-rights-${process.pid}`);
  const { listener, client, server } = connected(address);
  const memory = mapAnonymous({ lengthBytes: 4096 });
  const message = new Message({ vectors: 1, controlBytes: 24 });
  message.setVector(0, memory.addressNumber, 0, 1);
  message.setCount(1);
  // struct cmsghdr { size_t len; int level; int type; } then the descriptor: SOL_SOCKET, SCM_RIGHTS.
  message.control.setUint32(0, 20, true);
  message.control.setInt32(8, SOL_SOCKET, true);
  message.control.setInt32(12, 1, true);
  message.control.setInt32(16, client, true);
  assert.equal(message.sendWithControl(client, MSG_NOSIGNAL, 24), 1);
  waitFor(server, POLLIN);
  message.control.setInt32(16, -1, true);
  assert.equal(message.receive(server, 0), 1);
  assert.equal(message.controlLengthBytes, 24);
  const received = message.control.getInt32(16, true);
  assert.ok(received > 2 && received !== client);
  for (const fd of [listener, client, server, received]) assert.equal(closeDescriptor(fd), 0);
});

test('no descriptor is left behind', () => {
  const before = openDescriptors().size;
  for (let i = 0; i < 20; i++) {
    const address = new SocketAddress();
    address.setIpv4(LOOPBACK, 0);
    const { listener, client, server } = connected(address);
    for (const fd of [listener, client, server]) closeDescriptor(fd);
  }
  assert.equal(openDescriptors().size, before);
});
