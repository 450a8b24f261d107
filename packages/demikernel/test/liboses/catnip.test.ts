// Catnip among others: unmodified kernel peers, another process over shared memory, processes that are killed, and what is refused.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, linkSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { checkVersion } from '@demikernel/native/dpdk';
import { addAddress, changeLink, getLink, setOffload } from '@demikernel/native/kernel';
import { readPcapng } from '../../src/devices/pcapng.ts';
import { type Demikernel, type OpenOptions, open } from '../../src/index.ts';
import { removeStaleSocket } from '../../src/liboses/catnip/open-device.ts';
import { FAR_DEVICE, NEAR_ADDRESS, NEAR_DEVICE, VethPair } from '../devices/af-veth.ts';
import { type TestedDriver, testedDriverRefusal } from '../devices/dpdk-drivers.ts';
import { output, stop, tcpEchoClient, udpClient } from './kernel-peer.ts';

const PROGRAM = fileURLToPath(new URL('../../../bin/demikernel.js', import.meta.url));
const PORT = 7000;
const KILLS = 2;

/** A veth pair whose kernel end sends frames that fit into a slot, or skips the test. */
async function withVeth(
  t: TestContext,
  driver: TestedDriver,
  action: (pair: VethPair) => Promise<void>,
): Promise<void> {
  const pair = testedDriverRefusal(driver) ?? VethPair.create();
  if (typeof pair === 'string') {
    t.skip(pair);
    return;
  }
  try {
    // These drivers know nothing of long frames that a sender leaves whole, or of sums that it leaves out.
    pair.insideFar(() => {
      for (const offload of ['tcpSegmentation', 'genericSegmentation', 'txChecksum'] as const)
        setOffload(FAR_DEVICE, offload, false);
    });
    await action(pair);
  } finally {
    pair.remove();
  }
}

/** An echo in a process of its own, once it listens. */
async function echoService(pair: VethPair, driver: string, ...flags: string[]): Promise<ChildProcess> {
  const bind = ['echo', 'server', '--bind', `${NEAR_ADDRESS}:${PORT}`, '--wait', 'spin'];
  const device = ['--libos', 'catnip', '--device', `${driver}0,iface=${NEAR_DEVICE}`];
  const args = [PROGRAM, ...bind, ...device, '--address', `${NEAR_ADDRESS}/24`, ...flags];
  const child = pair.insideNear(() => spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] }));
  let said = '';
  while (!said.includes('Ctrl-C ends it')) {
    const [chunk] = (await Promise.race([once(child.stderr!, 'data'), once(child, 'exit')])) as [unknown];
    if (!(chunk instanceof Buffer)) throw new Error(`the service has ended: ${said}`);
    said += chunk;
  }
  return child;
}

describe('Catnip and the kernel', () => {
  for (const driver of ['net_af_packet', 'net_af_xdp'] as const) {
    it(`${driver}: echoes to kernel TCP and UDP, and ends at Ctrl-C`, { timeout: 60_000 }, async t => {
      await withVeth(t, driver, async pair => {
        const service = await echoService(pair, driver);
        const client = pair.node(tcpEchoClient(NEAR_ADDRESS, PORT, 1_000_000, 4));
        assert.equal(await output(client), 'same\n');
        const ended = once(service, 'exit');
        service.kill('SIGINT');
        assert.deepEqual(await ended, [0, null]);
        assert.equal(pair.nearLink().xdpAttached, false);
        const datagrams = await echoService(pair, driver, '--protocol', 'udp');
        assert.equal(await output(pair.node(udpClient(NEAR_ADDRESS, PORT, 'hello'))), 'hello\n');
        await stop(datagrams);
      });
    });
  }

  it('net_tap: the kernel is at the other end of the device itself', { timeout: 60_000 }, async t => {
    await withVeth(t, 'net_tap', async pair => {
      const os = await open({
        libos: 'catnip',
        device: 'net_tap0,iface=demitap',
        address: '10.81.0.2/24',
        namespace: pair.far,
      });
      pair.configure(pair.far, netlink => {
        changeLink(netlink, 'demitap', { up: true });
        addAddress(netlink, getLink(netlink, 'demitap').index, '10.81.0.1', 24);
      });
      const done = output(pair.node(udpClient('10.81.0.2', PORT, 'hello')));
      await echoUntil(os, '10.81.0.2', done);
      assert.equal(await done, 'hello\n');
      os.shutDown();
    });
  });

  for (let kill = 1; kill <= KILLS; kill++) {
    it(`net_af_xdp: starts again after kill -9 (${kill})`, { timeout: 30_000 }, async t => {
      await withVeth(t, 'net_af_xdp', async pair => {
        const first = await echoService(pair, 'net_af_xdp');
        const load = pair.node(tcpEchoClient(NEAR_ADDRESS, PORT, 50_000_000));
        await new Promise(resolve => setTimeout(resolve, 100));
        await stop(first);
        await stop(load);
        // The driver's program stays without its process; whoever comes next takes it off.
        const second = await echoService(pair, 'net_af_xdp');
        const client = pair.node(tcpEchoClient(NEAR_ADDRESS, PORT, 100_000));
        assert.equal(await output(client), 'same\n');
        second.kill('SIGINT');
        await once(second, 'exit');
        assert.equal(pair.nearLink().xdpAttached, false);
      });
    });
  }

  it('writes a capture of what passes', { timeout: 30_000 }, async t => {
    const folder = mkdtempSync(join(tmpdir(), 'demi-catnip-'));
    try {
      await withVeth(t, 'net_af_packet', async pair => {
        const capture = join(folder, 'frames.pcapng');
        const service = await echoService(pair, 'net_af_packet', '--capture', capture, '--protocol', 'udp');
        assert.equal(await output(pair.node(udpClient(NEAR_ADDRESS, PORT, 'hello'))), 'hello\n');
        service.kill('SIGINT');
        await once(service, 'exit');
        const frames = readPcapng(readFileSync(capture)) ?? [];
        assert.ok(frames.length >= 4, 'ARP both ways, a datagram each way');
      });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

/** Answers datagrams until `done`. */
async function echoUntil(os: Demikernel, address: string, done: Promise<unknown>): Promise<void> {
  let over = false;
  done.catch(() => {}).finally(() => (over = true));
  const qd = os.socket('datagram');
  os.bind(qd, `${address}:${PORT}`);
  let popping = os.pop(qd);
  while (!over) {
    for (let i = 0; i < 100; i++) os.poll();
    if (os.isComplete(popping)) {
      const { array, address: from } = os.wait(popping, 0)!;
      os.wait(os.pushTo(qd, array!, from!), 1_000_000);
      array!.free();
      popping = os.pop(qd);
    }
    await new Promise(resolve => setImmediate(resolve));
  }
}

describe('Catnip and another process', () => {
  it('net_memif: streams and datagrams through shared memory; the other end is killed and comes again', {
    timeout: 60_000,
  }, async t => {
    const refusal = testedDriverRefusal('net_memif');
    if (refusal !== undefined) return t.skip(refusal);
    const folder = mkdtempSync(join(tmpdir(), 'demi-memif-'));
    const socket = join(folder, 'socket');
    const serve = (): ChildProcess =>
      spawn(
        process.execPath,
        [
          PROGRAM,
          'echo',
          'server',
          '--bind',
          `10.82.0.1:${PORT}`,
          '--wait',
          'spin',
          '--libos',
          'catnip',
        ].concat([
          '--device',
          `net_memif0,role=client,socket=${socket},socket-abstract=no`,
          '--address',
          '10.82.0.1/24',
        ]),
        { stdio: 'ignore' },
      );
    const os = await open({
      libos: 'catnip',
      device: `net_memif1,role=server,socket=${socket},socket-abstract=no`,
      address: '10.82.0.2/24',
    });
    // The end that listens is here; the one that connects may come and go.
    let service = serve();
    try {
      for (let life = 0; life < 2; life++) {
        const sent = Buffer.alloc(200_000, 'catnip');
        const qd = await connected(os, `10.82.0.1:${PORT}`);
        const pushing = os.push(qd, sent);
        const back: Buffer[] = [];
        for (let bytes = 0; bytes < sent.length; ) {
          const { array, errno } = os.wait(os.pop(qd), 10_000_000)!;
          assert.equal(errno, 0);
          back.push(Buffer.from(array!.toBytes()));
          bytes += array!.lengthBytes;
          array!.free();
        }
        os.wait(pushing, 0);
        assert.ok(Buffer.concat(back).equals(sent));
        os.close(qd);
        const ended = once(service, 'exit');
        service.kill('SIGKILL');
        await ended;
        if (life === 0) service = serve();
      }
    } finally {
      service.kill('SIGKILL');
      os.shutDown();
      rmSync(folder, { recursive: true });
    }
    return undefined;
  });
});

describe('a socket of net_memif', () => {
  it('goes before the next start when nobody listens, and stays when somebody does', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'demi-memif-'));
    const path = join(folder, 'socket');
    const device = `net_memif0,role=server,socket=${path},socket-abstract=no`;
    try {
      const listener = createServer().listen(path);
      await once(listener, 'listening');
      removeStaleSocket(device);
      assert.ok(existsSync(path), 'in use');
      // A name that outlives its socket, as after kill -9.
      linkSync(path, `${path}-kept`);
      listener.close();
      await once(listener, 'close');
      renameSync(`${path}-kept`, path);
      removeStaleSocket(device.replace('server', 'client'));
      assert.ok(existsSync(path), 'a client has no socket of its own');
      removeStaleSocket(device);
      assert.ok(!existsSync(path), 'nobody listened');
      writeFileSync(path, 'a file');
      removeStaleSocket(device);
      assert.ok(existsSync(path), 'no socket');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

/** Connects to a service that may not be there yet. */
async function connected(os: Demikernel, address: string): Promise<number> {
  for (let attempt = 0; attempt < 50; attempt++) {
    const qd = os.socket('stream');
    const result = os.wait(os.connect(qd, address), 500_000);
    if (result?.errno === 0) return qd;
    os.close(qd);
    await new Promise(resolve => setTimeout(resolve, 50));
  }
  throw new Error(`nobody at ${address}`);
}

describe('Catnip refuses', () => {
  const refused = async (options: Omit<OpenOptions & { libos: 'catnip' }, 'libos'>): Promise<string> => {
    try {
      (await open({ libos: 'catnip', ...options })).shutDown();
      return 'opened';
    } catch (error) {
      return `${(error as { code: string }).code} ${(error as Error).message}`;
    }
  };

  it('a version of DPDK whose structures it does not know', () => {
    checkVersion('DPDK 22.11.11');
    for (const version of ['DPDK 22.110.1', 'DPDK 23.11.2', 'DPDK 21.11.0']) {
      assert.throws(() => checkVersion(version), {
        code: 'ERR_DEMI_UNSUPPORTED',
        message: new RegExp(version),
      });
    }
  });

  it('what is no device, and no address', async t => {
    const refusal = testedDriverRefusal('net_tap');
    if (refusal !== undefined) return t.skip(refusal);
    assert.match(
      await refused({ device: 'eth0', address: '10.0.0.2/24' }),
      /^ERR_DEMI_OPTION .*net_af_packet0/,
    );
    assert.match(await refused({ device: 'net_tap0', address: '10.0.0.2' }), /^ERR_DEMI_ADDRESS .*prefix/);
    const gateway = { device: 'net_tap0', address: '10.0.0.2/24', gateway: '10.0.1.1' };
    assert.match(await refused(gateway), /^ERR_DEMI_ADDRESS .*no gateway/);
    return undefined;
  });

  it('a driver or an interface that is not there, in DPDK’s words', async t => {
    const refusal = testedDriverRefusal('net_af_packet');
    if (refusal !== undefined) return t.skip(refusal);
    const missing = await refused({ device: 'net_nothing0', address: '10.0.0.2/24' });
    assert.match(missing, /^ERR_DEMI_DEVICE .*librte-net-nothing23/);
    const nowhere = await refused({ device: 'net_af_packet0,iface=nowhere', address: '10.0.0.2/24' });
    assert.match(nowhere, /^ERR_DEMI_(DEVICE|PERMISSION) .*nowhere/);
    return undefined;
  });

  it('more queues than the device has, and a second opening', async t => {
    await withVeth(t, 'net_af_packet', async pair => {
      const device = `net_af_packet0,iface=${NEAR_DEVICE}`;
      const options = { device, namespace: pair.near, address: `${NEAR_ADDRESS}/24` };
      assert.match(
        await refused({ ...options, queues: 2 }),
        /^ERR_DEMI_OPTION queues: 2; net_af_packet0 has 1 to 1/,
      );
      const os = await open({ libos: 'catnip', ...options });
      assert.match(await refused(options), /^ERR_DEMI_DEVICE_BUSY .*net_af_packet0/);
      os.shutDown();
      assert.equal(await refused(options), 'opened');
    });
  });

  it('a second thread', async t => {
    const refusal = testedDriverRefusal('net_memif');
    if (refusal !== undefined) return t.skip(refusal);
    const folder = mkdtempSync(join(tmpdir(), 'demi-memif-'));
    const device = (number: number): string =>
      `net_memif${number},role=server,socket=${join(folder, `s${number}`)},socket-abstract=no`;
    const os = await open({ libos: 'catnip', device: device(3), address: '10.0.0.2/24' });
    const source = `
      const { parentPort, workerData } = require('node:worker_threads');
      import(workerData.index).then(({ open }) => open({ libos: 'catnip', device: workerData.device, address: '10.0.0.3/24' }))
        .then(() => parentPort.postMessage('opened'), error => parentPort.postMessage(error.code));`;
    const index = new URL('../../src/index.js', import.meta.url).href;
    const worker = new Worker(source, { eval: true, workerData: { index, device: device(4) } });
    const [answer] = await once(worker, 'message');
    await worker.terminate();
    os.shutDown();
    rmSync(folder, { recursive: true });
    assert.equal(answer, 'ERR_DEMI_DEVICE_BUSY');
    return undefined;
  });

  it('a process without the rights, naming them', { timeout: 30_000 }, async t => {
    await withVeth(t, 'net_af_packet', async pair => {
      const index = new URL('../../src/index.js', import.meta.url).href;
      const source = `
        const { open } = await import('${index}');
        const { dpdkLibrary } = await import('${import.meta.resolve('@demikernel/native/dpdk')}');
        const options = { libos: 'catnip', device: 'net_af_packet0,iface=${NEAR_DEVICE}', address: '10.0.0.2/24' };
        await open({ libos: 'catnip', device: 'net_nothing0', address: '10.0.0.2/24' }).catch(() => {});
        dpdkLibrary();
        process.setuid(65534);
        await open(options).then(() => console.log('opened'), error => console.log(error.code, error.message));`;
      const said = await output(pair.node(source, pair.near));
      assert.match(said, /^ERR_DEMI_PERMISSION .*CAP_[A-Z_]+.*setcap/);
    });
  });
});
