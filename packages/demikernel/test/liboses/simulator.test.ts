// The simulator: two hosts talk over a wire, time passes only where something waits, and every run is the same run.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readPcapng } from '../../src/devices/pcapng.ts';
import type { LinkOptions } from '../../src/devices/wire-link.ts';
import { type SimulatedHost, SimulatedWorld } from '../../src/liboses/simulator/index.ts';
import { OP_COMPLETE, OP_POP, OP_PUSH, type Operation, PUSH_TO } from '../../src/runtime/operation.ts';
import type { Queue } from '../../src/runtime/queue.ts';
import { parseSocketAddress } from '../../src/runtime/socket-address.ts';

function push(host: SimulatedHost, queue: Queue, text: string, to: string): void {
  const operation = host.runtime.operations.issue(OP_PUSH, 0);
  operation.array = host.pool.allocArray(text.length)!;
  operation.array.copyFrom(Buffer.from(text));
  operation.flags = PUSH_TO;
  operation.address.copyFrom(parseSocketAddress(to));
  queue.push(operation);
  assert.equal(operation.errno, 0);
  host.runtime.operations.retire(operation);
}

function pop(host: SimulatedHost, queue: Queue): Operation {
  const operation = host.runtime.operations.issue(OP_POP, 0);
  queue.pop(operation);
  return operation;
}

/** Sends back whatever arrives, for ever. */
function echo(host: SimulatedHost, port: number): void {
  const queue = host.libos.createSocket('datagram');
  assert.equal(queue.bind(parseSocketAddress(`:${port}`)), 0);
  let waiting = pop(host, queue);
  host.afterPoll = () => {
    let count = 0;
    while (waiting.state === OP_COMPLETE && waiting.errno === 0) {
      const reply = host.runtime.operations.issue(OP_PUSH, 0);
      reply.array = waiting.array;
      reply.flags = PUSH_TO;
      reply.address.copyFrom(waiting.address);
      host.runtime.operations.retire(waiting);
      queue.push(reply);
      host.runtime.operations.retire(reply);
      waiting = pop(host, queue);
      count++;
    }
    return count;
  };
}

function pingPong(seed: number, link: LinkOptions, count: number): { log: string; world: SimulatedWorld } {
  const world = new SimulatedWorld({ seed, link });
  const a = world.host('10.0.0.1/24');
  const b = world.host('10.0.0.2/24');
  echo(b, 7);
  const queue = a.libos.createSocket('datagram');
  queue.bind(parseSocketAddress(':9'));
  let log = '';
  for (let i = 0; i < count; i++) {
    push(a, queue, `ping ${i}`, '10.0.0.2:7');
    const operation = pop(a, queue);
    world.run(world.nowUs + 2000);
    if (operation.state !== OP_COMPLETE) queue.cancel(operation);
    else log += `${operation.array!.toBytes().length}@${world.nowUs} `;
    operation.array?.free();
    a.runtime.operations.retire(operation);
  }
  return { log, world };
}

describe('simulator', () => {
  it('echoes between two hosts and gives every slot back', () => {
    const { log, world } = pingPong(1, { delayUs: 10 }, 50);
    assert.equal(log.trim().split(' ').length, 50);
    world.runFor(1_000_000);
    world.close();
    for (const host of world.hosts) assert.equal(host.usedSlots, 0);
    for (const host of world.hosts) assert.equal(host.runtime.timers.armedCount, 0);
  });

  it('does the same on every run with the same seed', () => {
    const link = { lossRate: 0.1, reorderRate: 0.1, duplicateRate: 0.1, corruptRate: 0.1, jitterUs: 40 };
    const first = pingPong(5, link, 100).log;
    assert.equal(first, pingPong(5, link, 100).log);
    assert.notEqual(first, pingPong(6, link, 100).log);
  });

  it('moves the clock over nothing, and comes to rest', () => {
    const world = new SimulatedWorld();
    world.host('10.0.0.1/24');
    const { steps } = world;
    assert.equal(world.run(3_600_000_000), true);
    assert.ok(world.steps - steps < 100, `${world.steps}`);
    assert.equal(
      world.run(() => false),
      false,
    );
  });

  it('routes between hosts by their links only', () => {
    const world = new SimulatedWorld();
    const a = world.host('10.0.0.1/24', { gateway: '10.0.0.254' });
    world.host('10.0.1.1/24');
    const queue = a.libos.createSocket('datagram');
    push(a, queue, 'lost', '10.0.1.1:7');
    world.runFor(10_000_000);
    assert.equal(a.usedSlots, 0);
  });

  it('captures what a host sends and receives', () => {
    const blocks: Uint8Array[] = [];
    const world = new SimulatedWorld();
    const a = world.host('10.0.0.1/24', { capture: bytes => blocks.push(bytes.slice()) });
    echo(world.host('10.0.0.2/24'), 7);
    push(a, a.libos.createSocket('datagram'), 'x', '10.0.0.2:7');
    world.runFor(10_000);
    const packets = readPcapng(Buffer.concat(blocks))!;
    // Both announcements, request and reply, datagram and echo; the peer's announcement answers before its reply does.
    assert.deepEqual(
      packets.map(packet => packet.direction),
      [2, 2, 1, 2, 1, 1],
    );
  });
});
