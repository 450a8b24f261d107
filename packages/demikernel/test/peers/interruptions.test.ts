// Transfers with Linux that somebody interrupts: readers that pause, links that go down, peers that die. Runs alone.

import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { changeLink } from '@demikernel/native/kernel';
import { createCatpowder } from '../../src/liboses/catpowder/catpowder.ts';
import type { OpenOptions } from '../../src/pdpix/open.ts';
import { readMetrics } from '../../src/runtime/metrics.ts';
import { SeededRandom } from '../../src/runtime/random.ts';
import { FAR_ADDRESS, FAR_DEVICE, NEAR_ADDRESS, NEAR_DEVICE, type VethPair } from '../devices/af-veth.ts';
import { Driver, newRuntime } from '../liboses/catpowder-driver.ts';
import { tcpEchoClient } from '../liboses/kernel-peer.ts';
import type { BulkPlan } from './bulk-plan.ts';
import { transfer } from './bulk-transfer.ts';
import { type ChildProgram, startSource } from './child-program.ts';
import { pairOrSkip } from './services.ts';

const MIB = 1 << 20;
/** Long enough for several probes of a shut window, Linux's first at 200 ms. */
const PAUSE_MS = 1000;

const PLAN: BulkPlan = {
  role: 'listen',
  address: `${NEAR_ADDRESS}:7000`,
  connections: 2,
  sendBytes: 16 * MIB,
  receiveBytes: 16 * MIB,
  sendSeed: 31,
  receiveSeed: 32,
  pieceBytes: 65536,
};
const OPEN: OpenOptions = { libos: 'catpowder', interface: NEAR_DEVICE, address: `${NEAR_ADDRESS}/24` };

async function withPair(t: TestContext, action: (pair: VethPair) => Promise<void>): Promise<void> {
  const pair = pairOrSkip(t);
  if (pair === undefined) return;
  try {
    await action(pair);
  } finally {
    pair.remove();
  }
}

describe('an interrupted transfer', { timeout: 90_000 }, () => {
  it('waits for a Linux reader that pauses', t =>
    withPair(t, async pair => {
      const report = await transfer(t, { ...pair, open: OPEN }, { ...PLAN, peerPauseMs: PAUSE_MS });
      assert.ok(report.counters!['tcp']!['windowProbe']! > 0, 'the window was never shut');
    }));

  it('makes Linux wait while we do not read', t =>
    withPair(t, async pair => {
      const report = await transfer(t, { ...pair, open: OPEN }, { ...PLAN, pauseMs: PAUSE_MS });
      assert.ok(report.seconds * 1000 >= PAUSE_MS);
    }));

  it('survives both pausing at once, with one-segment buffers', t =>
    withPair(t, async pair => {
      const tcp = { receiveBufferBytes: 2048, sendBufferBytes: 2048 };
      const plan = { ...PLAN, sendBytes: MIB, receiveBytes: MIB, pauseMs: 700, peerPauseMs: 700 };
      await transfer(t, { ...pair, open: { ...OPEN, tcp } }, plan);
    }));

  for (const [device, inside] of [
    [NEAR_DEVICE, 'near'],
    [FAR_DEVICE, 'far'],
  ] as const) {
    it(`goes on after the ${inside} link was down for a while`, t =>
      withPair(t, async pair => {
        const plan = { ...PLAN, sendBytes: 64 * MIB, receiveBytes: 64 * MIB };
        await transfer(t, { ...pair, open: OPEN }, plan, async () => {
          for (let i = 0; i < 2; i++) {
            await sleep(100);
            pair.configure(pair[inside], netlink => changeLink(netlink, device, { up: false }));
            await sleep(300);
            pair.configure(pair[inside], netlink => changeLink(netlink, device, { up: true }));
          }
        });
      }));
  }
});

describe('clients that die', { timeout: 60_000 }, () => {
  it('leave no slot, operation or connection behind', t =>
    withPair(t, async pair => {
      const runtime = newRuntime();
      const libos = createCatpowder(runtime, { ...OPEN, interface: NEAR_DEVICE, namespace: pair.near });
      const driver = new Driver(libos);
      const clients: ChildProgram[] = [];
      const random = new SeededRandom(77);
      try {
        const listener = driver.open('stream', `${NEAR_ADDRESS}:7000`);
        assert.equal(listener.listen(64), 0);
        void driver.echoStreams(listener);
        const start = (bytes: number): ChildProgram => {
          const client = startSource(pair.far, tcpEchoClient(NEAR_ADDRESS, 7000, bytes, 8));
          clients.push(client);
          return client;
        };
        for (let i = 0; i < 8; i++) {
          const client = start(1 << 30);
          await sleep(80 + random.below(200));
          await client.stop('SIGKILL');
        }
        assert.equal((await start(MIB).ended).output, 'same\n');
        // What is left: the accept that is always outstanding.
        for (let tries = 0; tries < 300 && runtime.operations.liveCount > 1; tries++) await sleep(10);
        assert.equal(runtime.operations.liveCount, 1);
        const unreachable = driver.open('stream');
        const connecting = driver.connect(unreachable, `${FAR_ADDRESS}:9`);
        assert.notEqual((await connecting).errno, 0);
      } finally {
        for (const client of clients) await client.stop();
        driver.close();
      }
      assert.equal(libos.pool.freeSlots, libos.pool.slotCount, 'slots are missing');
      assert.equal(runtime.operations.liveCount, 0);
    }));
});

const EXCHANGES = 40;

/** Sends, reads the echo, thinks. While it thinks, Linux delays the acknowledgement of the echo by 40 ms. */
function thoughtfulClient(sizeBytes: number): string {
  return `
    import net from 'node:net';
    const socket = net.connect({ port: 7000, host: '${NEAR_ADDRESS}', noDelay: true });
    const message = Buffer.alloc(${sizeBytes}, 1);
    let exchanges = 0, got = 0;
    const ask = () => { got = 0; socket.write(message); };
    socket.on('connect', ask);
    socket.on('data', chunk => {
      if ((got += chunk.length) < ${sizeBytes}) return;
      if (++exchanges === ${EXCHANGES}) { console.log('done'); process.exit(0); }
      setTimeout(ask, 20);
    });
    setTimeout(() => process.exit(1), 20_000);
  `;
}

describe('clients that think between requests', { timeout: 60_000 }, () => {
  for (const sizeBytes of [64, 4000]) {
    it(`are not sent everything twice, ${sizeBytes} bytes`, t =>
      withPair(t, async pair => {
        const runtime = newRuntime();
        const libos = createCatpowder(runtime, { ...OPEN, interface: NEAR_DEVICE, namespace: pair.near });
        const driver = new Driver(libos);
        try {
          const listener = driver.open('stream', `${NEAR_ADDRESS}:7000`);
          assert.equal(listener.listen(4), 0);
          void driver.echoStreams(listener);
          assert.equal((await startSource(pair.far, thoughtfulClient(sizeBytes)).ended).output, 'done\n');
          const { retransmitted } = readMetrics(runtime.metrics.buffer)!.counters['tcp']!;
          t.diagnostic(`${retransmitted} retransmissions in ${EXCHANGES} exchanges`);
          // A busy machine may cause one or the other.
          assert.ok(retransmitted! < EXCHANGES / 4, `${retransmitted} retransmissions`);
        } finally {
          driver.close();
        }
      }));
  }
});
