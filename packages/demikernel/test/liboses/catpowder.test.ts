// Catpowder between namespaces: our stack at the near end of a veth pair, unmodified kernel peers at the far end.

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import type { DemiError } from '@demikernel/memory';
import {
  changeLink,
  createBridge,
  deleteAddress,
  getLink,
  getOffload,
  openDescriptors,
  setOffload,
} from '@demikernel/native/kernel';
import { readPcapng } from '../../src/devices/pcapng.ts';
import {
  type Catpowder,
  type CatpowderOptions,
  createCatpowder,
} from '../../src/liboses/catpowder/catpowder.ts';
import { readMetrics } from '../../src/runtime/metrics.ts';
import {
  FAR_ADDRESS,
  FAR_DEVICE,
  NEAR_ADDRESS,
  NEAR_DEVICE,
  REMOTE_ADDRESS,
  type VethOptions,
  VethPair,
} from '../devices/af-veth.ts';
import { kernelCounter } from '../devices/kernel-udp.ts';
import { Driver, newRuntime } from './catpowder-driver.ts';
import { line, output, ping, stop, tcpEchoClient, tcpServer, udpClient } from './kernel-peer.ts';

interface Setting {
  pair: VethPair;
  libos: Catpowder;
  driver: Driver;
  notices: string[];
}

async function withCatpowder(
  t: TestContext,
  options: Partial<CatpowderOptions> & { veth?: VethOptions },
  action: (setting: Setting) => Promise<void>,
): Promise<void> {
  const { veth, ...rest } = options;
  const pair = VethPair.create(veth);
  if (typeof pair === 'string') {
    t.skip(pair);
    return;
  }
  const offloads = (): boolean[] => [
    pair.insideFar(() => getOffload(FAR_DEVICE, 'tcpSegmentation')),
    pair.insideNear(() => getOffload(NEAR_DEVICE, 'genericReceive')),
  ];
  try {
    const offloadsBefore = offloads();
    const descriptorsBefore = openDescriptors().size;
    const notices: string[] = [];
    const runtime = newRuntime();
    const libos = createCatpowder(runtime, {
      interface: NEAR_DEVICE,
      namespace: pair.near,
      address: `${NEAR_ADDRESS}/24`,
      onNotice: notice => notices.push(notice),
      ...rest,
    });
    const driver = new Driver(libos);
    try {
      await action({ pair, libos, driver, notices });
    } finally {
      driver.close();
    }
    assert.equal(libos.pool.freeSlots, libos.pool.slotCount, 'slots are missing after close');
    assert.equal(runtime.operations.liveCount, 0, 'operations are left over');
    assert.equal(pair.nearLink().xdpAttached, false);
    assert.deepEqual(offloads(), offloadsBefore);
    assert.equal(openDescriptors().size, descriptorsBefore, 'descriptors leaked');
    for (const protocol of ['Udp', 'Tcp']) {
      assert.equal(
        pair.insideFar(() => kernelCounter(protocol, 'InCsumErrors')),
        0,
      );
    }
  } finally {
    pair.remove();
  }
}

for (const device of ['af-xdp', 'af-packet'] as const) {
  describe(`Catpowder with an address of its own, device ${device}`, () => {
    it('answers ping', async t => {
      await withCatpowder(t, { device }, async ({ pair, driver, libos }) => {
        for (const size of [0, 56, 1472]) assert.ok(ping(pair, NEAR_ADDRESS, size, () => driver.turn()));
        driver.close();
        // The last counts stay readable from outside.
        const { counters } = readMetrics(libos.runtime.metrics.buffer)!;
        const { receivedFrames, slots } = counters['device']!;
        assert.ok(receivedFrames! >= 3 && slots === libos.pool.slotCount);
        if (device === 'af-xdp') assert.ok(counters['xdp']!['ipv4']! >= 3);
      });
    });

    it('echoes datagrams of kernel clients', async t => {
      await withCatpowder(t, { device }, async ({ pair, driver }) => {
        void driver.echoDatagrams(driver.open('datagram', `${NEAR_ADDRESS}:7000`));
        assert.equal(await output(pair.node(udpClient(NEAR_ADDRESS, 7000, 'hello'))), 'hello\n');
      });
    });

    it('echoes streams of kernel clients, byte for byte', async t => {
      await withCatpowder(t, { device }, async ({ pair, driver }) => {
        const listener = driver.open('stream', `${NEAR_ADDRESS}:7000`);
        assert.equal(listener.listen(64), 0);
        void driver.echoStreams(listener);
        const client = tcpEchoClient(NEAR_ADDRESS, 7000, 1_000_000, 4);
        assert.equal(await output(pair.node(client)), 'same\n');
      });
    });

    it('connects to a kernel server, behind a gateway too', async t => {
      await withCatpowder(t, { device, gateway: FAR_ADDRESS }, async ({ pair, driver, notices }) => {
        assert.deepEqual(notices, []);
        const server = pair.node(tcpServer('0.0.0.0', 8000, 're: '));
        try {
          assert.equal(await line(server), 'up');
          for (const address of [FAR_ADDRESS, REMOTE_ADDRESS]) {
            const queue = driver.open('stream');
            assert.equal((await driver.connect(queue, `${address}:8000`)).errno, 0);
            assert.equal((await driver.push(queue, driver.text('question'))).errno, 0);
            const answer = await driver.pop(queue);
            assert.equal(Buffer.from(answer.array!.toBytes()).toString(), 're: question');
            answer.array!.free();
            queue.close();
          }
        } finally {
          await stop(server);
        }
      });
    });
  });
}

describe('Catpowder in ports mode', () => {
  const shared = { address: undefined, veth: { nearAddress: true } };

  it("serves a port of the host's address beside a kernel service on another", async t => {
    await withCatpowder(t, shared, async ({ pair, driver, libos }) => {
      assert.equal(libos.mode, 'ports');
      const server = pair.node(tcpServer(NEAR_ADDRESS, 8080, 'kernel: '), pair.near);
      try {
        assert.equal(await line(server), 'up');
        const listener = driver.open('stream', `${NEAR_ADDRESS}:7000`);
        listener.listen(16);
        void driver.echoStreams(listener);
        void driver.echoDatagrams(driver.open('datagram', `${NEAR_ADDRESS}:7000`));
        const ours = output(pair.node(tcpEchoClient(NEAR_ADDRESS, 7000, 200_000, 2)));
        const datagram = output(pair.node(udpClient(NEAR_ADDRESS, 7000, 'datagram')));
        const kernels = output(
          pair.node(`
            import net from 'node:net';
            const socket = net.connect(8080, '${NEAR_ADDRESS}', () => socket.write('x'));
            socket.on('data', chunk => { console.log(String(chunk)); socket.end(); });
          `),
        );
        assert.deepEqual(await Promise.all([ours, datagram, kernels]), [
          'same\n',
          'datagram\n',
          'kernel: x\n',
        ]);
        // The kernel answers ping for its own address.
        assert.ok(ping(pair, NEAR_ADDRESS, 20, () => {}));
      } finally {
        await stop(server);
      }
    });
  });

  it('reserves its ports with the kernel, and gives them back', async t => {
    await withCatpowder(t, shared, async ({ pair, driver }) => {
      const server = pair.node(tcpServer(NEAR_ADDRESS, 8080, ''), pair.near);
      try {
        assert.equal(await line(server), 'up');
        assert.throws(() => driver.open('stream', `${NEAR_ADDRESS}:8080`), /errno 98/);
      } finally {
        await stop(server);
      }
      const queue = driver.open('stream', `${NEAR_ADDRESS}:7000`);
      queue.listen(1);
      const refused = pair.node(tcpServer(NEAR_ADDRESS, 7000, ''), pair.near);
      assert.equal(await line(refused), 'EADDRINUSE');
      await stop(refused);
      const any = driver.open('datagram', `${NEAR_ADDRESS}:0`);
      assert.ok(any.localAddress.port > 0);
      queue.close();
      any.close();
      const again = pair.node(tcpServer(NEAR_ADDRESS, 7000, ''), pair.near);
      assert.equal(await line(again), 'up');
      await stop(again);
    });
  });

  it("connects out with the kernel's neighbours and routes", async t => {
    await withCatpowder(t, shared, async ({ pair, driver }) => {
      const server = pair.node(tcpServer('0.0.0.0', 8000, 're: '));
      try {
        assert.equal(await line(server), 'up');
        for (const address of [FAR_ADDRESS, REMOTE_ADDRESS]) {
          const queue = driver.open('stream');
          assert.equal((await driver.connect(queue, `${address}:8000`)).errno, 0);
          await driver.push(queue, driver.text('q'));
          const answer = await driver.pop(queue);
          assert.equal(Buffer.from(answer.array!.toBytes()).toString(), 're: q');
          answer.array!.free();
          queue.close();
        }
      } finally {
        await stop(server);
      }
    });
  });
});

describe('Catpowder takes all queues of an interface', () => {
  it('so that no frame falls through', async t => {
    await withCatpowder(t, { veth: { queues: 4 } }, async ({ pair, driver, libos }) => {
      assert.equal(libos.descriptors.length, 4);
      const listener = driver.open('stream', `${NEAR_ADDRESS}:7000`);
      listener.listen(64);
      void driver.echoStreams(listener);
      assert.equal(await output(pair.node(tcpEchoClient(NEAR_ADDRESS, 7000, 50_000, 16))), 'same\n');
    });
  });
});

describe('Catpowder on a link with long packets', () => {
  it('takes them in long slots', async t => {
    const options = { veth: { mtuBytes: 3800 }, slotSizeBytes: 4096 };
    await withCatpowder(t, options, async ({ pair, driver, libos, notices }) => {
      assert.deepEqual(notices, []);
      assert.equal(libos.device.mtuBytes, 3800);
      assert.ok(ping(pair, NEAR_ADDRESS, 3772, () => driver.turn()));
      const listener = driver.open('stream', `${NEAR_ADDRESS}:7000`);
      listener.listen(64);
      void driver.echoStreams(listener);
      assert.equal(await output(pair.node(tcpEchoClient(NEAR_ADDRESS, 7000, 500_000, 2))), 'same\n');
    });
  });

  it('says so when they do not fit, and streams still work', async t => {
    await withCatpowder(t, { veth: { mtuBytes: 9000 } }, async ({ pair, driver, libos, notices }) => {
      assert.equal(notices.length, 1);
      assert.match(notices[0]!, /MTU of 9000, and a slot of 2048 bytes holds packets up to 1778/);
      const listener = driver.open('stream', `${NEAR_ADDRESS}:7000`);
      listener.listen(64);
      void driver.echoStreams(listener);
      assert.equal(await output(pair.node(tcpEchoClient(NEAR_ADDRESS, 7000, 500_000, 2))), 'same\n');
      assert.equal(libos.device.counters.receiveDropped, 0);
    });
  });
});

describe('two Catpowders in one process', () => {
  it('talk to each other from two namespaces', async t => {
    await withCatpowder(t, {}, async ({ pair, driver }) => {
      pair.configure(pair.far, netlink => {
        deleteAddress(netlink, getLink(netlink, FAR_DEVICE).index, FAR_ADDRESS, 24);
      });
      const libos = createCatpowder(newRuntime(), {
        interface: FAR_DEVICE,
        namespace: pair.far,
        address: `${FAR_ADDRESS}/24`,
      });
      const other = new Driver(libos);
      try {
        const listener = driver.open('stream', `${NEAR_ADDRESS}:7000`);
        listener.listen(4);
        void driver.echoStreams(listener);
        const queue = other.open('stream');
        assert.equal((await other.connect(queue, `${NEAR_ADDRESS}:7000`)).errno, 0);
        const sent = Buffer.alloc(100_000, 'a long text ');
        void other.push(queue, other.text(sent.toString()));
        const pieces: Buffer[] = [];
        for (let length = 0; length < sent.length; ) {
          const popped = await other.pop(queue);
          assert.equal(popped.errno, 0);
          pieces.push(Buffer.from(popped.array!.toBytes()));
          length += popped.lengthBytes;
          popped.array!.free();
        }
        assert.ok(Buffer.concat(pieces).equals(sent));
        queue.close();
      } finally {
        other.close();
      }
      assert.equal(libos.pool.freeSlots, libos.pool.slotCount);
    });
  });
});

describe('Catpowder on a bridge, whose driver runs no XDP program', () => {
  for (const device of ['auto', 'af-xdp'] as const) {
    it(`goes on with ${device === 'auto' ? 'AF_PACKET' : 'generic mode'} and says so`, async t => {
      const pair = VethPair.create();
      if (typeof pair === 'string') {
        t.skip(pair);
        return;
      }
      try {
        pair.configure(pair.near, netlink => {
          createBridge(netlink, { name: 'bridge0' });
          changeLink(netlink, NEAR_DEVICE, { masterIndex: getLink(netlink, 'bridge0').index });
          changeLink(netlink, 'bridge0', { up: true });
        });
        // What the notice tells the user to do.
        if (device === 'af-xdp') {
          pair.insideFar(() => setOffload(FAR_DEVICE, 'tcpSegmentation', false));
          pair.insideFar(() => setOffload(FAR_DEVICE, 'genericSegmentation', false));
        }
        const notices: string[] = [];
        const libos = createCatpowder(newRuntime(), {
          interface: 'bridge0',
          namespace: pair.near,
          address: `${NEAR_ADDRESS}/24`,
          device,
          onNotice: notice => notices.push(notice),
        });
        const driver = new Driver(libos);
        try {
          assert.equal(notices.length, 1);
          assert.match(notices[0]!, device === 'auto' ? /Going on with AF_PACKET/ : /tso off gso off/);
          const listener = driver.open('stream', `${NEAR_ADDRESS}:7000`);
          listener.listen(64);
          void driver.echoStreams(listener);
          assert.equal(await output(pair.node(tcpEchoClient(NEAR_ADDRESS, 7000, 300_000, 2))), 'same\n');
        } finally {
          driver.close();
        }
        assert.equal(libos.pool.freeSlots, libos.pool.slotCount);
      } finally {
        pair.remove();
      }
    });
  }
});

describe('Catpowder says what is wrong', () => {
  it('with the interface, the address, and who else is there', async t => {
    await withCatpowder(
      t,
      { veth: { nearAddress: true }, address: '10.78.0.9/24' },
      async ({ pair, driver }) => {
        const refuses = (options: Partial<CatpowderOptions>, code: string, message: RegExp): void => {
          assert.throws(
            () => createCatpowder(newRuntime(), { interface: NEAR_DEVICE, namespace: pair.near, ...options }),
            (error: DemiError) => {
              assert.equal(error.code, code, error.message);
              assert.match(error.message, message);
              return true;
            },
          );
        };
        refuses({ interface: 'nope0' }, 'ERR_DEMI_INTERFACE', /no interface 'nope0' here, only .*demi0/);
        refuses({ interface: 'lo' }, 'ERR_DEMI_INTERFACE', /no Ethernet/);
        refuses({ address: NEAR_ADDRESS, ports: false }, 'ERR_DEMI_ADDRESS', /the kernel's address/);
        refuses({ address: '10.9.9.9' }, 'ERR_DEMI_ADDRESS', /needs a prefix length/);
        refuses({ address: '10.78.0.8/24', ports: true }, 'ERR_DEMI_ADDRESS', /is none of them/);
        refuses({ address: '10.78.0.8/24', gateway: '10.9.9.1' }, 'ERR_DEMI_ADDRESS', /no gateway/);
        refuses({ device: 'af-packet' }, 'ERR_DEMI_UNSUPPORTED', /cannot share 10\.78\.0\.2/);
        const busy = (error: DemiError): boolean => /BUSY/.test(error.code);
        assert.throws(
          () => createCatpowder(newRuntime(), { interface: NEAR_DEVICE, namespace: pair.near }),
          busy,
        );
        driver.close();
        pair.configure(pair.near, netlink => changeLink(netlink, NEAR_DEVICE, { up: false }));
        refuses({}, 'ERR_DEMI_INTERFACE', /is down: bring it up with: ip link set demi0 up/);
      },
    );
  });

  it('when nobody answers', async t => {
    await withCatpowder(t, { gateway: '10.78.0.77' }, async ({ notices }) => {
      assert.equal(notices.length, 1);
      assert.match(notices[0]!, /10\.78\.0\.77 does not answer on demi0/);
    });
  });
});

describe('Catpowder captures', () => {
  it('every frame both ways', async t => {
    const folder = mkdtempSync(join(tmpdir(), 'demi-capture-'));
    const capture = join(folder, 'frames.pcapng');
    try {
      let frames = 0;
      await withCatpowder(t, { capture }, async ({ pair, driver, libos }) => {
        assert.ok(ping(pair, NEAR_ADDRESS, 56, () => driver.turn()));
        const { receivedFrames, transmittedFrames } = libos.device.counters;
        frames = receivedFrames + transmittedFrames;
      });
      if (frames === 0) return;
      const packets = readPcapng(readFileSync(capture));
      assert.ok(packets !== undefined && packets.length >= frames);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
