// How services on Catpowder end, and what they cost while nothing happens: kill -9, Ctrl-C, idle. Runs alone.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { deleteLink, getOffload, listLinks, listNamespaces } from '@demikernel/native/kernel';
import { SeededRandom } from '../../src/runtime/random.ts';
import { FAR_DEVICE, NEAR_ADDRESS, NEAR_DEVICE, type VethPair } from '../devices/af-veth.ts';
import { tcpEchoClient } from '../liboses/kernel-peer.ts';
import { type ChildProgram, startSource } from './child-program.ts';
import { launchApp, OWN_ADDRESS, pairOrSkip, startApp } from './services.ts';

const ECHO = `${NEAR_ADDRESS}:7000`;
const KILLS = Number(process.env['DEMIKERNEL_TEST_KILLS'] ?? 20);
// include/uapi/linux/if.h
const IFF_PROMISC = 0x100;
const IDLE_MS = 3000;
/** USER_HZ on x86. */
const TICKS_PER_SECOND = 100;

function sleep(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms));
}

function client(pair: VethPair, bytes: number, connections = 1): ChildProgram {
  return startSource(pair.far, tcpEchoClient(NEAR_ADDRESS, 7000, bytes, connections));
}

/** Everything a service could leave behind. */
function surroundings(pair: VethPair): unknown {
  const links = (netlink: Parameters<typeof listLinks>[0]): unknown =>
    listLinks(netlink).map(({ name, xdpAttached, xdpProgramId, mtuBytes, flags }) => ({
      name,
      xdpAttached,
      xdpProgramId,
      mtuBytes,
      // Whether a link that has just come up runs is a matter of time.
      promiscuous: (flags & IFF_PROMISC) !== 0,
    }));
  return {
    near: pair.configure(pair.near, links),
    far: pair.configure(pair.far, links),
    offloads: [
      pair.insideNear(() => getOffload(NEAR_DEVICE, 'genericReceive')),
      pair.insideFar(() => getOffload(FAR_DEVICE, 'tcpSegmentation')),
    ],
    namespaces: listNamespaces().filter(name => name.startsWith(`demi-${process.pid}-`)),
    shared: readdirSync('/dev/shm').filter(name => name.includes('demi')),
  };
}

/** AF_XDP sockets in the namespace, from the kernel's own list. */
function xdpSockets(pair: VethPair): number {
  return (
    pair
      .insideNear(() => readFileSync('/proc/thread-self/net/protocols', 'utf8'))
      .split('\n')
      .filter(line => line.startsWith('XDP '))
      .map(line => Number(line.trim().split(/\s+/)[2]))[0] ?? 0
  );
}

function processorSeconds(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // proc_pid_stat(5): behind the name in brackets, utime and stime are the 12th and 13th.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

describe('a service killed at a random moment', { timeout: 120_000 }, () => {
  for (const ports of [false, true]) {
    it(`leaves nothing, and starts again at once, ports: ${ports}`, async t => {
      const pair = pairOrSkip(t, { nearAddress: ports });
      if (pair === undefined) return;
      const random = new SeededRandom(5);
      let app: ChildProgram | undefined;
      let load: ChildProgram | undefined;
      try {
        const before = surroundings(pair);
        const socketsBefore = xdpSockets(pair);
        for (let kill = 0; kill < KILLS / 2; kill++) {
          app = await startApp(pair.near, 'echo', ['server', ECHO], ports ? ['--ports'] : OWN_ADDRESS);
          load = client(pair, 1 << 30, 4);
          await sleep(random.below(200));
          await app.stop('SIGKILL');
          await load.stop();
          assert.deepEqual(surroundings(pair), before);
        }
        // The memory of a killed process is given back by a kernel worker, a moment later.
        for (let tries = 0; xdpSockets(pair) > socketsBefore && tries < 100; tries++) await sleep(10);
        assert.equal(xdpSockets(pair), socketsBefore);
        app = await startApp(pair.near, 'echo', ['server', ECHO], ports ? ['--ports'] : OWN_ADDRESS);
        assert.equal((await client(pair, 1 << 20).ended).output, 'same\n');
      } finally {
        await load?.stop();
        await app?.stop();
        pair.remove();
      }
    });
  }
});

describe('a service killed while it starts', { timeout: 60_000 }, () => {
  it('leaves nothing', async t => {
    const pair = pairOrSkip(t);
    if (pair === undefined) return;
    const random = new SeededRandom(9);
    try {
      const before = surroundings(pair);
      for (let kill = 0; kill < KILLS / 2; kill++) {
        const app = launchApp(pair.near, 'echo', ['server', ECHO]);
        await sleep(40 + random.below(250));
        await app.stop('SIGKILL');
        assert.deepEqual(surroundings(pair), before);
      }
      const app = await startApp(pair.near, 'echo', ['server', ECHO]);
      assert.equal((await client(pair, 1 << 20).ended).output, 'same\n');
      assert.equal((await app.stop('SIGINT')).code, 0);
    } finally {
      pair.remove();
    }
  });
});

describe('Ctrl-C', { timeout: 60_000 }, () => {
  for (const wait of ['spin', 'adaptive', 'interrupt']) {
    for (const busy of [false, true]) {
      it(`ends a ${busy ? 'busy' : 'silent'} service cleanly, wait: ${wait}`, async t => {
        const pair = pairOrSkip(t);
        if (pair === undefined) return;
        let app: ChildProgram | undefined;
        let load: ChildProgram | undefined;
        try {
          const before = surroundings(pair);
          app = await startApp(pair.near, 'echo', ['server', ECHO, '--wait', wait]);
          assert.notDeepEqual(surroundings(pair), before);
          if (busy) load = client(pair, 1 << 30, 4);
          await sleep(200);
          const asked = performance.now();
          const { code, signal, errors } = await app.stop('SIGINT');
          t.diagnostic(`ended after ${(performance.now() - asked).toFixed(0)} ms`);
          assert.deepEqual({ code, signal, errors }, { code: 0, signal: null, errors: '' });
          // Generous: the processors are shared.
          assert.ok(performance.now() - asked < 5000);
          assert.deepEqual(surroundings(pair), before);
        } finally {
          await load?.stop();
          await app?.stop();
          pair.remove();
        }
      });
    }
  }
});

describe('a service whose interface is taken away', { timeout: 60_000 }, () => {
  for (const wait of ['adaptive', 'interrupt']) {
    it(`neither spins nor hangs, wait: ${wait}`, async t => {
      const pair = pairOrSkip(t);
      if (pair === undefined) return;
      let app: ChildProgram | undefined;
      try {
        app = await startApp(pair.near, 'echo', ['server', ECHO, '--wait', wait]);
        assert.equal((await client(pair, 1000).ended).output, 'same\n');
        // The pair goes with either end.
        pair.configure(pair.far, netlink => deleteLink(netlink, FAR_DEVICE));
        await sleep(300);
        const before = processorSeconds(app.process.pid!);
        await sleep(1000);
        const share = processorSeconds(app.process.pid!) - before;
        assert.ok(share < 0.2, `${(share * 100).toFixed(1)} % of a processor`);
        const { code, errors } = await app.stop('SIGINT');
        assert.deepEqual({ code, errors }, { code: 0, errors: '' });
      } finally {
        await app?.stop();
        pair.remove();
      }
    });
  }
});

describe('an idle service', { timeout: 60_000 }, () => {
  for (const wait of ['adaptive', 'interrupt']) {
    it(`costs next to nothing and answers afterwards, wait: ${wait}`, async t => {
      const pair = pairOrSkip(t);
      if (pair === undefined) return;
      let app: ChildProgram | undefined;
      try {
        app = await startApp(pair.near, 'echo', ['server', ECHO, '--wait', wait]);
        assert.equal((await client(pair, 1000).ended).output, 'same\n');
        await sleep(200);
        const before = processorSeconds(app.process.pid!);
        await sleep(IDLE_MS);
        const share = (processorSeconds(app.process.pid!) - before) / (IDLE_MS / 1000);
        t.diagnostic(`${(share * 100).toFixed(1)} % of a processor`);
        assert.ok(share < 0.1, `${(share * 100).toFixed(1)} % of a processor`);
        assert.equal((await client(pair, 1000).ended).output, 'same\n');
      } finally {
        await app?.stop();
        pair.remove();
      }
    });
  }
});
