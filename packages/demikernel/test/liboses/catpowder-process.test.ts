// Catpowder in a process of its own: death without warning leaves nothing behind, and lack of rights is named.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { NEAR_ADDRESS, NEAR_DEVICE, VethPair } from '../devices/af-veth.ts';
import { line, output, stop, tcpEchoClient } from './kernel-peer.ts';

const SERVICE = fileURLToPath(new URL('./catpowder-service.js', import.meta.url));
const KILLS = 20;

function service(pair: VethPair, ...args: string[]): ChildProcess {
  return pair.insideNear(() =>
    spawn(process.execPath, [SERVICE, ...args], { stdio: ['ignore', 'pipe', 'inherit'] }),
  );
}

describe('a Catpowder process', () => {
  for (const ports of [false, true]) {
    it(`starts again at once after kill -9, ${KILLS} times, ports: ${ports}`, {
      timeout: 60_000,
    }, async t => {
      const pair = VethPair.create({ nearAddress: ports });
      if (typeof pair === 'string') {
        t.skip(pair);
        return;
      }
      try {
        for (let i = 0; i < KILLS / 2; i++) {
          const child = service(pair, '-', NEAR_DEVICE, ports ? '-' : `${NEAR_ADDRESS}/24`);
          assert.equal(await line(child), `up ${NEAR_DEVICE} af-xdp`);
          // Killed in the middle of a transfer.
          const client: ChildProcess = pair.node(
            tcpEchoClient(NEAR_ADDRESS, 7000, i === 0 ? 100_000 : 50_000_000),
          );
          if (i === 0) assert.equal(await output(client), 'same\n');
          else await new Promise(resolve => setTimeout(resolve, 60));
          await stop(child);
          await stop(client);
          assert.equal(pair.nearLink().xdpAttached, false);
        }
      } finally {
        pair.remove();
      }
    });
  }

  it('names the capabilities it lacks', async t => {
    const pair = VethPair.create();
    if (typeof pair === 'string') {
      t.skip(pair);
      return;
    }
    try {
      const child = service(pair, '-', NEAR_DEVICE, `${NEAR_ADDRESS}/24`, '65534');
      const said = await line(child);
      assert.match(said, /^ERR_DEMI_PERMISSION .*CAP_[A-Z_]+.*setcap/);
    } finally {
      pair.remove();
    }
  });
});
