// Messages that are longer than a datagram, in fragments over UDP: those of which every fragment arrives are whole, the others
// are given up, and neither holds more memory than was allowed.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Demikernel } from 'demikernel';
import type { LinkOptions } from 'demikernel/simulator';
import { fragmentAt, fragmentCount, gatherMessage, OK, Reassembler } from '../../src/index.ts';
import { GetResp } from '../contract/contract.ts';
import { catnapTown, simulatedTown, type Town, until } from './town.ts';

/** What an Ethernet frame holds behind the headers of IPv4 and UDP. */
const DATAGRAM_BYTES = 1472;
const LENGTHS = [0, 10, 1440, 1441, 5000, 20_000];
const MESSAGES = 60;
/** Milliseconds of the hosts' clock after which an incomplete message is given up. */
const LIFETIME_MS = 50;
const MAX_HELD_FRAGMENTS = 64;

interface Outcome {
  whole: number;
  damaged: number;
  reassembler: Reassembler;
  mostHeld: number;
}

/** Sends messages one after the other and puts together what arrives. */
function send(town: Town): Outcome {
  const { client, server, world } = town;
  const receiving = server.socket('datagram');
  server.bind(receiving, `${town.serverAddress}:0`);
  const to = server.getsockname(receiving);
  const sending = client.socket('datagram');
  const reassembler = new Reassembler({ lifetime: LIFETIME_MS, maxHeldFragments: MAX_HELD_FRAGMENTS });
  const outcome: Outcome = { whole: 0, damaged: 0, reassembler, mostHeld: 0 };
  const { pool } = server.libraryOs;
  const freeBefore = pool.freeSlots;
  const sent = client.waitSet();
  let id = 0;
  let quiet = 0;
  let popping = server.pop(receiving);
  until(town, () => {
    // A message every few turns, so that fragments of several are under way at once.
    if (id < MESSAGES && quiet++ >= 3) {
      sendFragments(client, sending, to, id++);
      quiet = 0;
    }
    while (sent.wait(0) !== undefined);
    for (; server.isComplete(popping); popping = server.pop(receiving)) {
      const { array, errno } = server.wait(popping)!;
      assert.equal(errno, 0);
      // Where time is real, a busy machine may stand still for longer than any lifetime.
      const nowMs = world === undefined ? 0 : Math.floor(world.nowUs / 1000);
      const message = reassembler.add(array!, 1, nowMs);
      array!.free();
      quiet = 0;
      if (message === undefined) continue;
      const read = GetResp.acquire();
      const length = LENGTHS[read.tryRead(message) === OK ? read.id % LENGTHS.length : 0]!;
      const { id: seen } = read;
      const isWhole =
        read.valField.length === length && read.valField.copy().every(byte => byte === (seen & 0xff));
      if (isWhole) outcome.whole++;
      else outcome.damaged++;
      read.release();
      message.free();
    }
    outcome.mostHeld = Math.max(outcome.mostHeld, freeBefore - pool.freeSlots);
    return id === MESSAGES && quiet++ > 2000;
  });
  server.cancel(popping);
  reassembler.close();
  client.close(sending);
  server.close(receiving);
  return outcome;

  function sendFragments(os: Demikernel, qd: number, address: typeof to, number: number): void {
    const message = GetResp.acquire();
    message.id = number;
    message.val = new Uint8Array(LENGTHS[number % LENGTHS.length]!).fill(number);
    const whole = gatherMessage(os.libraryOs.pool, message)!;
    message.release();
    const count = fragmentCount(whole.lengthBytes, DATAGRAM_BYTES);
    for (let index = 0; index < count; index++) {
      const fragment = fragmentAt(os.libraryOs.pool, whole, number, index, DATAGRAM_BYTES)!;
      sent.add(os.pushTo(qd, fragment, address));
      fragment.free();
    }
    whole.free();
  }
}

const WIRES: [string, LinkOptions][] = [
  ['keeps order', { delayUs: 20 }],
  ['reorders and doubles', { delayUs: 20, jitterUs: 40, reorderRate: 0.2, duplicateRate: 0.1 }],
  ['loses', { delayUs: 20, jitterUs: 40, lossRate: 0.05, duplicateRate: 0.05, reorderRate: 0.1 }],
];

for (const [name, link] of WIRES) {
  test(`in fragments over a wire that ${name}`, () => {
    const town = simulatedTown(link, 3);
    const { whole, damaged, reassembler, mostHeld } = send(town);
    assert.equal(damaged, 0);
    assert.equal(reassembler.malformed, 0);
    if (link.lossRate === undefined) assert.equal(whole >= MESSAGES, true);
    else assert.ok(whole < MESSAGES && whole > MESSAGES / 4 && reassembler.abandoned > 0);
    // What the reassembler holds, and what waits in the socket.
    assert.ok(mostHeld < 2 * MAX_HELD_FRAGMENTS, `${mostHeld} slots were held`);
    town.close();
  });
}

test('in fragments over the kernel’s sockets', async () => {
  const town = await catnapTown();
  const { whole, damaged, reassembler } = send(town);
  assert.equal(damaged, 0);
  assert.equal(reassembler.malformed, 0);
  assert.equal(whole, MESSAGES);
  town.close();
});
