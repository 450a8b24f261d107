// Connections that are silent for days while every clock they know wraps, and then go on as if nothing had been.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connected, done, pair, pattern } from '../inetstack/tcp/simulated-pair.ts';
import { assertNothingLeft, assertQuiet } from './ledger.ts';

const HOUR_US = 3_600_000_000;
const DAY_US = 24 * HOUR_US;
/** Around the wraps of 32-bit microseconds (36 and 72 minutes), ticks (38 hours) and milliseconds (24.9 and 49.7 days). */
const PAUSES_US = [0.59, 0.6, 1.2, 19, 38, 39].map(hours => hours * HOUR_US);
const LONG_PAUSES_US = [12, 23, 24.5, 24.86, 25, 30, 49.7, 50, 60, 100].map(days => days * DAY_US);

for (const timestamps of [true, false]) {
  test(`pauses of minutes to a hundred days, timestamps ${timestamps ? 'on' : 'off'}`, () => {
    for (const pauseUs of [...PAUSES_US, ...LONG_PAUSES_US]) {
      for (const keepAlive of [false, true]) {
        const p = pair({ link: { delayUs: 20 } }, { tcp: { timestamps } });
        const { client, server, listener } = connected(p);
        if (keepAlive) client.setOption('keepAlive', true);
        const what = `after ${pauseUs / HOUR_US} hours, keepalive ${keepAlive}`;
        for (let round = 0; round < 3; round++) {
          for (const [from, to, sender, receiver] of [
            [p.a, p.b, client, server],
            [p.b, p.a, server, client],
          ] as const) {
            const message = pattern(1000 + round, round + 1);
            const push = from.push(sender, message, 0, 1448)!;
            const pop = to.pop(receiver);
            const startUs = p.world.nowUs;
            p.world.run(() => (done(pop) && done(push)) || p.world.nowUs - startUs > 10_000_000);
            assert.ok(done(pop), `nothing arrives ${what}, round ${round}`);
            assert.deepEqual(to.bytes(pop), message, what);
            assert.equal(from.finish(push), 0);
          }
          p.world.runFor(pauseUs);
        }
        for (const [peer, queue] of [
          [p.a, client],
          [p.b, server],
          [p.b, listener],
        ] as const)
          peer.close(queue);
        p.world.runFor(HOUR_US);
        for (const peer of [p.a, p.b]) assertQuiet(peer.host.stack, what);
        for (const peer of [p.a, p.b]) assertNothingLeft(peer.host.stack, what);
      }
    }
  });
}
