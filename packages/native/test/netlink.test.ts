// rtnetlink and ethtool against the kernel, inside namespaces made for it; and the decoder against hostile bytes.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { type TestContext, test } from 'node:test';
import { closeDescriptor, openDescriptors } from '../src/kernel/descriptor.ts';
import {
  driverName,
  ethtool,
  getChannels,
  getOffload,
  setChannels,
  setOffload,
} from '../src/kernel/ethtool.ts';
import {
  canCreateNamespaces,
  createNamespace,
  deleteNamespace,
  openNamespace,
  runInNamespace,
} from '../src/kernel/namespaces.ts';
import { addAddress, deleteAddress, listAddresses } from '../src/kernel/netlink/addresses.ts';
import { Attributes, MessageWriter, splitMessages } from '../src/kernel/netlink/encoding.ts';
import {
  decodeEvent,
  type NetworkEvent,
  NetworkWatch,
  RTMGRP_IPV4_IFADDR,
  RTMGRP_IPV4_ROUTE,
  RTMGRP_LINK,
  RTMGRP_NEIGH,
} from '../src/kernel/netlink/events.ts';
import {
  changeLink,
  createBridge,
  createVethPair,
  deleteLink,
  getLink,
  linkIndex,
  listLinks,
} from '../src/kernel/netlink/links.ts';
import {
  addNeighbour,
  deleteNeighbour,
  getNeighbour,
  listNeighbours,
  NUD_PERMANENT,
  NUD_VALID,
  resolveNeighbour,
} from '../src/kernel/netlink/neighbours.ts';
import { NetlinkSocket, refusalIn } from '../src/kernel/netlink/netlink-socket.ts';
import {
  addRoute,
  deleteRoute,
  listRoutes,
  lookupRoute,
  RT_TABLE_LOCAL,
  RTN_LOCAL,
} from '../src/kernel/netlink/routes.ts';
import { POLLIN, PollSet } from '../src/kernel/poll-set.ts';

const A = `demi-${process.pid}-a`;
const B = `demi-${process.pid}-b`;
const allowed: boolean = canCreateNamespaces();
const MAC_A = '02:00:00:00:00:0a';
const MAC_B = '02:00:00:00:00:0b';

/** Two namespaces joined by `va`—`vb`, addresses 10.9.0.1 and 10.9.0.2. */
function joined(t: TestContext, action: (a: NetlinkSocket, b: NetlinkSocket) => void): void {
  if (!allowed) {
    t.skip('creating network namespaces is not permitted here');
    return;
  }
  const opened: NetlinkSocket[] = [];
  t.after(() => {
    for (const socket of opened) socket.close();
    deleteNamespace(A);
    deleteNamespace(B);
  });
  createNamespace(A);
  createNamespace(B);
  const a = runInNamespace(A, () => new NetlinkSocket());
  const b = runInNamespace(B, () => new NetlinkSocket());
  opened.push(a, b);
  const namespaceFd = openNamespace(B);
  createVethPair(
    a,
    { name: 'va', macAddress: MAC_A, rxQueues: 2, txQueues: 2 },
    { name: 'vb', macAddress: MAC_B, namespaceFd },
  );
  closeDescriptor(namespaceFd);
  changeLink(a, 'va', { up: true });
  changeLink(b, 'vb', { up: true });
  addAddress(a, getLink(a, 'va').index, '10.9.0.1', 24);
  addAddress(b, getLink(b, 'vb').index, '10.9.0.2', 24);
  action(a, b);
}

test('links are made, read, changed and deleted', t =>
  joined(t, (a, b) => {
    const va = getLink(a, 'va');
    assert.equal(va.macAddress, MAC_A);
    assert.equal(va.kind, 'veth');
    assert.deepEqual([va.up, va.running, va.mtuBytes, va.hardwareType], [true, true, 1500, 1]);
    assert.deepEqual([va.rxQueues, va.txQueues, va.xdpAttached, va.xdpProgramId], [2, 2, false, 0]);
    const vb = getLink(b, 'vb');
    assert.equal(vb.macAddress, MAC_B);
    assert.equal(vb.linkIndex, va.index);
    assert.deepEqual(getLink(a, va.index), va);
    assert.deepEqual(
      listLinks(a)
        .map(link => link.name)
        .sort(),
      ['lo', 'va'],
    );
    assert.equal(
      runInNamespace(A, () => linkIndex('va')),
      va.index,
    );
    assert.equal(
      runInNamespace(B, () => linkIndex('va')),
      0,
    );

    changeLink(a, va.index, { mtuBytes: 1400, macAddress: '02:00:00:00:00:aa' });
    const changed = getLink(a, 'va');
    assert.deepEqual([changed.mtuBytes, changed.macAddress, changed.up], [1400, '02:00:00:00:00:aa', true]);
    createBridge(a, { name: 'br' });
    const bridge = getLink(a, 'br');
    assert.equal(bridge.kind, 'bridge');
    changeLink(a, 'va', { masterIndex: bridge.index });
    assert.equal(getLink(a, 'va').masterIndex, bridge.index);
    changeLink(a, 'va', { masterIndex: 0, up: false });
    assert.deepEqual([getLink(a, 'va').masterIndex, getLink(a, 'va').up], [0, false]);
    createVethPair(a, { name: 'vc' }, { name: 'vd' });
    const namespaceFd = openNamespace(B);
    changeLink(a, 'vd', { namespaceFd });
    closeDescriptor(namespaceFd);
    assert.equal(getLink(b, 'vd').linkIndex, getLink(a, 'vc').index);
    assert.throws(() => getLink(a, 'vd'), { errnoName: 'ENODEV' });

    deleteLink(a, 'va');
    assert.throws(() => getLink(a, 'va'), { errnoName: 'ENODEV' });
    assert.throws(() => getLink(b, 'vb'), { errnoName: 'ENODEV' });
    assert.throws(() => deleteLink(a, 9999), { errnoName: 'ENODEV' });
    assert.throws(() => createBridge(a, { name: 'lo' }), { errnoName: 'EEXIST' });
    assert.throws(() => createBridge(a, { name: 'a name too long to be' }), { code: 'ERR_DEMI_NAME' });
    assert.throws(() => changeLink(b, 'lo', { macAddress: 'x' }), { code: 'ERR_DEMI_ADDRESS' });
  }));

test('the kernel’s own words are in the error', t =>
  joined(t, a => {
    assert.throws(
      () => changeLink(a, 'va', { mtuBytes: 10 }),
      /netlink: EINVAL while changing link va \(.+\)/,
    );
  }));

test('addresses are added, listed and deleted, of both families', t =>
  joined(t, a => {
    const { index } = getLink(a, 'va');
    const [first, ...none] = listAddresses(a, index);
    assert.deepEqual(none, []);
    assert.deepEqual(first, {
      address: '10.9.0.1',
      prefixLength: 24,
      linkIndex: index,
      broadcast: '10.9.0.255',
      label: 'va',
      scope: 0,
    });
    addAddress(a, index, '10.9.4.1', 22);
    assert.equal(listAddresses(a, index)[1]?.broadcast, '10.9.7.255');
    addAddress(a, index, 'fd00::1', 64);
    assert.ok(listAddresses(a, index, 10).some(each => each.address === 'fd00::1'));
    deleteAddress(a, index, '10.9.4.1', 22);
    assert.equal(listAddresses(a, 0).length, 1);
    assert.throws(() => addAddress(a, index, '10.9.0.1', 24), { errnoName: 'EEXIST' });
    assert.throws(() => deleteAddress(a, index, '10.9.9.9', 24), { errnoName: 'EADDRNOTAVAIL' });
    assert.throws(() => addAddress(a, 9999, '10.9.0.1', 24), { errnoName: 'ENODEV' });
  }));

test('neighbours are set, resolved, looked up and deleted', t =>
  joined(t, a => {
    const { index } = getLink(a, 'va');
    assert.equal(getNeighbour(a, index, '10.9.0.77'), undefined);
    addNeighbour(a, index, '10.9.0.77', '02:00:00:00:00:77');
    assert.deepEqual(getNeighbour(a, index, '10.9.0.77'), {
      address: '10.9.0.77',
      macAddress: '02:00:00:00:00:77',
      linkIndex: index,
      state: NUD_PERMANENT,
    });
    addNeighbour(a, index, '10.9.0.77', '02:00:00:00:00:78');
    assert.equal(
      listNeighbours(a, index).find(each => each.address === '10.9.0.77')?.macAddress,
      '02:00:00:00:00:78',
    );
    assert.deepEqual(listNeighbours(a, 1), []);
    deleteNeighbour(a, index, '10.9.0.77');
    assert.throws(() => deleteNeighbour(a, index, '10.9.0.99'), { errnoName: 'ENOENT' });
    resolveNeighbour(a, index, '10.9.0.2');
    let found = getNeighbour(a, index, '10.9.0.2');
    for (let i = 0; i < 2000 && ((found?.state ?? 0) & NUD_VALID) === 0; i++)
      found = getNeighbour(a, index, '10.9.0.2');
    assert.equal(found?.macAddress, MAC_B);
  }));

test('routes are added, listed, asked for and deleted', t =>
  joined(t, a => {
    const { index } = getLink(a, 'va');
    const connected = listRoutes(a);
    assert.equal(connected.length, 1);
    assert.deepEqual(connected[0], {
      destination: '10.9.0.0',
      prefixLength: 24,
      gateway: '',
      linkIndex: index,
      source: '10.9.0.1',
      metric: 0,
      table: 254,
      type: 1,
      mtuBytes: 0,
    });
    assert.ok(
      listRoutes(a, RT_TABLE_LOCAL).some(each => each.destination === '10.9.0.1' && each.type === RTN_LOCAL),
    );
    assert.throws(() => lookupRoute(a, '192.0.2.1'), { errnoName: 'ENETUNREACH' });
    addRoute(a, { destination: '0.0.0.0', prefixLength: 0, gateway: '10.9.0.2' });
    const route = lookupRoute(a, '192.0.2.1');
    assert.deepEqual([route.gateway, route.linkIndex, route.source], ['10.9.0.2', index, '10.9.0.1']);
    assert.equal(lookupRoute(a, '10.9.0.5').gateway, '');
    addRoute(a, {
      destination: '172.16.0.0',
      prefixLength: 12,
      linkIndex: index,
      metric: 7,
      source: '10.9.0.1',
    });
    assert.equal(listRoutes(a).find(each => each.destination === '172.16.0.0')?.metric, 7);
    addRoute(a, { destination: '172.16.0.0', prefixLength: 12, linkIndex: index, table: 1000 });
    assert.equal(listRoutes(a, 1000).length, 1);
    assert.equal(listRoutes(a).length, 3);
    deleteRoute(a, { destination: '0.0.0.0', prefixLength: 0 });
    assert.throws(() => deleteRoute(a, { destination: '0.0.0.0', prefixLength: 0 }), { errnoName: 'ESRCH' });
    assert.throws(
      () => addRoute(a, { destination: '198.51.100.0', prefixLength: 24, gateway: '192.0.2.9' }),
      {
        errnoName: 'ENETUNREACH',
      },
    );
    assert.throws(() => addRoute(a, { destination: '10.9.0.1', prefixLength: 24, linkIndex: index }), {
      errnoName: 'EINVAL',
    });
  }));

test('changes arrive as events', t =>
  joined(t, a => {
    const groups = RTMGRP_LINK | RTMGRP_NEIGH | RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE;
    const watch = runInNamespace(A, () => new NetworkWatch(groups));
    t.after(() => watch.close());
    assert.deepEqual(watch.take(), []);
    const { index } = getLink(a, 'va');
    addAddress(a, index, '10.8.0.1', 24);
    addNeighbour(a, index, '10.9.0.5', '02:00:00:00:00:05');
    addRoute(a, { destination: '172.16.0.0', prefixLength: 12, linkIndex: index });
    changeLink(a, index, { mtuBytes: 1300 });
    deleteAddress(a, index, '10.8.0.1', 24);
    const set = new PollSet(1);
    set.add(watch.fd, POLLIN);
    const events: NetworkEvent[] = [];
    const has = (test: (event: NetworkEvent) => boolean): boolean => events.some(test);
    while (!has(event => event.kind === 'address' && event.removed)) {
      assert.equal(set.wait(5_000_000), 1);
      events.push(...watch.take());
    }
    set.close();
    assert.ok(
      has(event => event.kind === 'address' && !event.removed && event.address.address === '10.8.0.1'),
    );
    assert.ok(has(event => event.kind === 'neighbour' && event.neighbour.address === '10.9.0.5'));
    assert.ok(has(event => event.kind === 'route' && event.route.destination === '172.16.0.0'));
    assert.ok(has(event => event.kind === 'link' && event.link.mtuBytes === 1300));
    const asking = runInNamespace(A, () => new NetlinkSocket({ groups }));
    assert.throws(() => listLinks(asking), { code: 'ERR_DEMI_MISUSE' });
    asking.close();
  }));

test('lost events are said to be lost', t =>
  joined(t, a => {
    const { index } = getLink(a, 'va');
    const watch = runInNamespace(A, () => new NetworkWatch(RTMGRP_NEIGH));
    t.after(() => watch.close());
    let lost = false;
    for (let i = 0; i < 20_000 && !lost; i++) {
      addNeighbour(
        a,
        index,
        '10.9.0.5',
        `02:00:00:00:${(i >> 8).toString(16).padStart(2, '0')}:${(i & 255).toString(16).padStart(2, '0')}`,
      );
      if (i % 4000 !== 3999) continue;
      try {
        // Fill without reading, then look.
        if (i > 8000) watch.take();
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'ERR_DEMI_OVERRUN');
        lost = true;
      }
    }
    assert.ok(lost);
    for (let i = 0; i < 100; i++) watch.take();
  }));

test('offloads and channels are read and switched', t =>
  joined(t, () => {
    runInNamespace(A, () => {
      assert.equal(driverName('va'), 'veth');
      for (const offload of ['txChecksum', 'genericReceive'] as const) {
        for (const on of [false, true, false]) {
          setOffload('va', offload, on);
          assert.equal(getOffload('va', offload), on);
        }
      }
      setOffload('va', 'tcpSegmentation', false);
      assert.equal(getOffload('va', 'tcpSegmentation'), false);
      assert.deepEqual(getChannels('va'), { rx: 2, tx: 2, combined: 0, maxRx: 2, maxTx: 2, maxCombined: 0 });
      setChannels('va', { rx: 1, tx: 1 });
      assert.deepEqual([getChannels('va').rx, getChannels('va').tx], [1, 1]);
      assert.equal(getChannels('lo').combined, 1);
      assert.throws(() => setChannels('va', { rx: 100 }), { errnoName: 'EINVAL' });
      assert.throws(() => getOffload('nothing', 'txChecksum'), { errnoName: 'ENODEV' });
      assert.throws(() => ethtool('a name too long to be', new Uint8Array(8)), { code: 'ERR_DEMI_NAME' });
    });
  }));

test('what ip(8) sees is what was asked for', t =>
  joined(t, () => {
    if (spawnSync('ip', ['-V']).status !== 0) return t.skip('ip(8) is not installed');
    const text = runInNamespace(A, () => spawnSync('ip', ['-j', 'addr', 'show', 'va']).stdout.toString());
    const [link] = JSON.parse(text) as {
      address: string;
      operstate: string;
      addr_info: { local: string }[];
    }[];
    assert.equal(link?.address, MAC_A);
    assert.equal(link?.operstate, 'UP');
    assert.equal(link?.addr_info[0]?.local, '10.9.0.1');
  }));

test('a message is written as the kernel reads it', () => {
  const bytes = new MessageWriter(18, 5).u32(0).u8(1).u16(0x0203).textAttribute(3, 'ab').finish(7);
  const hex = `${'22000000'}${'1200'}${'0500'}${'07000000'}${'00000000'}${'00000000'}${'01'}${'0302'}`;
  assert.equal(
    Buffer.from(bytes).toString('hex').slice(0, hex.length),
    hex.replace('22000000', `${bytes.length.toString(16).padStart(2, '0')}000000`),
  );
  const nested = new MessageWriter(1, 0).nested(5, each =>
    each.u32Attribute(6, 0xfffffff0).u8Attribute(7, 9),
  );
  const big = nested.attribute(8, new Uint8Array(3000).fill(1)).finish(1);
  const [message] = splitMessages(big);
  const attributes = new Attributes(message!.payload);
  assert.equal(attributes.nested(5).number(6), 0xfffffff0);
  assert.equal(attributes.nested(5).number(7), 9);
  assert.equal(attributes.get(8)?.length, 3000);
  assert.equal(attributes.number(8), undefined);
  assert.equal(attributes.text(9), undefined);
});

test('a refusal with an impossible length inside is still a refusal', () => {
  for (const echoed of [0xfffffff0, 0x7fffffff, 0, 15]) {
    const payload = new Uint8Array(64);
    const view = new DataView(payload.buffer);
    view.setInt32(0, -17, true);
    view.setUint32(4, echoed, true);
    const error = refusalIn({ type: 2, flags: 0x200, sequence: 1, port: 1, payload }, 'testing');
    assert.equal(error?.errnoName, 'EEXIST');
  }
  assert.equal(
    refusalIn({ type: 2, flags: 0, sequence: 1, port: 1, payload: new Uint8Array(3) }, 'x'),
    undefined,
  );
});

test('hostile bytes neither crash nor hang the decoder', () => {
  // xorshift32; the seed is printed so that a failure can be repeated.
  const seed = Number(process.env['DEMI_SEED'] ?? 20_261_123);
  console.log(`# seed ${seed}`);
  let state = seed | 0;
  const random = (below: number): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
  const types = [2, 3, 16, 17, 20, 21, 24, 25, 28, 29];
  let decoded = 0;
  let refused = 0;
  for (let round = 0; round < 100_000; round++) {
    const writer = new MessageWriter(types[random(types.length)]!, random(65536));
    for (let i = random(20); i > 0; i--) writer.u8(random(4) === 0 ? random(256) : 0);
    for (let i = random(6); i > 0; i--) {
      const value = new Uint8Array(random(20)).map(() => random(256));
      writer.nested(random(50), inner => inner.attribute(random(12), value));
    }
    const bytes = writer.finish(1).slice();
    for (let i = random(4); i > 0; i--) bytes[random(bytes.length)] = random(256);
    const cut = random(3) === 0 ? bytes.subarray(0, random(bytes.length + 1)) : bytes;
    for (const message of splitMessages(cut)) {
      if (decodeEvent(message) !== undefined) decoded++;
      if (refusalIn(message, 'fuzzing') !== undefined) refused++;
    }
  }
  assert.ok(refused > 1000, `${refused}`);
  assert.ok(decoded > 10_000, `${decoded}`);
});

test('no descriptor is left behind', t =>
  joined(t, () => {
    const before = openDescriptors().size;
    for (let i = 0; i < 20; i++) {
      const socket = runInNamespace(A, () => new NetlinkSocket());
      listLinks(socket);
      socket.close();
      runInNamespace(A, () => new NetworkWatch(RTMGRP_LINK)).close();
      runInNamespace(A, () => getOffload('va', 'txChecksum'));
    }
    assert.equal(openDescriptors().size, before);
  }));
