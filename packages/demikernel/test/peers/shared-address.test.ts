// One address, two stacks: services of ours on some ports of the host's address, the kernel's on others. Runs alone.

import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { openDescriptors } from '@demikernel/native/kernel';
import { createCatpowder } from '../../src/liboses/catpowder/catpowder.ts';
import { ECONNREFUSED } from '../../src/runtime/errno.ts';
import { FAR_ADDRESS, NEAR_ADDRESS, NEAR_DEVICE, type VethPair } from '../devices/af-veth.ts';
import { KernelUdp } from '../devices/kernel-udp.ts';
import { Driver, newRuntime } from '../liboses/catpowder-driver.ts';
import { tcpEchoClient, tcpServer } from '../liboses/kernel-peer.ts';
import { type BulkPlan, opposite } from './bulk-plan.ts';
import { type ChildProgram, startNode, startSource } from './child-program.ts';
import { pairOrSkip, startApp } from './services.ts';

const MIB = 1 << 20;
const LOAD_BYTES = 8 * MIB;

async function withPair(
  t: TestContext,
  action: (pair: VethPair, start: (program: ChildProgram) => ChildProgram) => Promise<void>,
): Promise<void> {
  const pair = pairOrSkip(t, { nearAddress: true });
  if (pair === undefined) return;
  const programs: ChildProgram[] = [];
  try {
    await action(pair, program => {
      programs.push(program);
      return program;
    });
  } finally {
    for (const program of programs) await program.stop();
    pair.remove();
  }
}

async function output(program: ChildProgram): Promise<string> {
  const { output: text, errors } = await program.ended;
  return text + errors;
}

describe('one address for two stacks', { timeout: 60_000 }, () => {
  it('serves from both at once, under load', async t => {
    await withPair(t, async (pair, start) => {
      const app = start(await startApp(pair.near, 'echo', ['server', `${NEAR_ADDRESS}:7000`], ['--ports']));
      const kernels = start(startSource(pair.near, tcpServer(NEAR_ADDRESS, 8080, '').replace("'' + ", '')));
      assert.equal(await kernels.line(), 'up');
      const load = (port: number): ChildProgram =>
        start(startSource(pair.far, tcpEchoClient(NEAR_ADDRESS, port, LOAD_BYTES, 4)));
      const both = [load(7000), load(8080)];
      assert.deepEqual(await Promise.all(both.map(output)), ['same\n', 'same\n']);
      assert.equal((await app.stop('SIGINT')).code, 0);
      // The port is the kernel's again.
      const after = start(startSource(pair.near, tcpServer(NEAR_ADDRESS, 7000, '')));
      assert.equal(await after.line(), 'up');
    });
  });

  it('opens connections from both at once, under load', async t => {
    await withPair(t, async (pair, start) => {
      const plan: BulkPlan = {
        role: 'connect',
        address: `${FAR_ADDRESS}:8000`,
        connections: 4,
        sendBytes: LOAD_BYTES,
        receiveBytes: LOAD_BYTES,
        sendSeed: 1,
        receiveSeed: 2,
        pieceBytes: 65536,
      };
      const kernelPlan = { ...plan, address: `${FAR_ADDRESS}:8001` };
      for (const each of [plan, kernelPlan]) {
        const server = start(startNode(pair.far, 'bulk-peer', JSON.stringify(opposite(each))));
        assert.equal(await server.line(), 'up');
      }
      const open = { libos: 'catpowder', interface: NEAR_DEVICE, ports: true };
      const ours = start(startNode(pair.near, 'bulk-service', JSON.stringify(plan), JSON.stringify(open)));
      const kernels = start(startNode(pair.near, 'bulk-peer', JSON.stringify(kernelPlan)));
      for (const program of [ours, kernels]) {
        assert.equal(await program.line(), 'up');
      }
      assert.equal(await ours.line(), 'begun');
      for (const program of [ours, kernels]) {
        const report = JSON.parse(await program.line());
        assert.equal(report.trouble, '');
        assert.equal(report.received, 4 * LOAD_BYTES);
      }
    });
  });

  it('hears of errors about its own packets, and leaves fragments to the kernel', async t => {
    await withPair(t, async pair => {
      const descriptorsBefore = openDescriptors().size;
      const libos = createCatpowder(newRuntime(), {
        interface: NEAR_DEVICE,
        namespace: pair.near,
        ports: true,
      });
      const driver = new Driver(libos);
      try {
        const refused = driver.open('datagram');
        assert.equal((await driver.connect(refused, `${FAR_ADDRESS}:9`)).errno, 0);
        assert.equal((await driver.push(refused, driver.text('anybody?'))).errno, 0);
        assert.equal((await driver.pop(refused)).errno, ECONNREFUSED);
        const stream = driver.open('stream');
        assert.equal((await driver.connect(stream, `${FAR_ADDRESS}:9`)).errno, ECONNREFUSED);

        const bound = driver.open('datagram', `${NEAR_ADDRESS}:7000`);
        const popped = driver.pop(bound);
        const sender = pair.insideFar(() => new KernelUdp(FAR_ADDRESS, 6000));
        try {
          sender.connect(NEAR_ADDRESS, 7000);
          sender.send(new Uint8Array(4000));
          for (let tries = 0; tries < 100; tries++) {
            if (libos.attachment.redirect!.readCounters().laterFragment >= 2) break;
            await sleep(10);
          }
          const counters = libos.attachment.redirect!.readCounters();
          assert.equal(counters.laterFragment, 2);
          assert.equal(counters.firstFragment, 1);
          assert.ok(counters.icmpError >= 1);
          // What is in one piece still comes here.
          sender.send(Buffer.from('whole'));
          const { array, errno } = await popped;
          assert.equal(errno, 0);
          assert.equal(Buffer.from(array!.toBytes()).toString(), 'whole');
          array!.free();
        } finally {
          sender.close();
        }
      } finally {
        driver.close();
      }
      assert.equal(libos.pool.freeSlots, libos.pool.slotCount);
      assert.equal(openDescriptors().size, descriptorsBefore);
    });
  });
});
