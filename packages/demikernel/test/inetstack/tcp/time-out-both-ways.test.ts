// Both ends lose everything at once, acknowledgements too, and both go back: their acknowledgements must still be believed.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Operation } from '../../../src/runtime/operation.ts';
import { connected, done, type Pair, pair, pattern } from './simulated-pair.ts';

const BYTES = 40_000;

function transferAcrossBreak(cutAfterSteps: number, receiveBufferBytes: number): void {
  const p: Pair = pair({ link: { delayUs: 5 } }, { tcp: { receiveBufferBytes, sendBufferBytes: 65_536 } });
  const { client, server, listener } = connected(p);
  const ends = [
    { peer: p.a, queue: client, popped: 0, pop: undefined as Operation | undefined },
    { peer: p.b, queue: server, popped: 0, pop: undefined as Operation | undefined },
  ];
  const pushes = ends.map(end => end.peer.push(end.queue, pattern(BYTES), 0, 1448)!);
  for (const end of ends) {
    end.peer.host.afterPoll = () => {
      end.pop ??= end.peer.pop(end.queue);
      if (end.popped === BYTES || !done(end.pop)) return 0;
      end.popped += end.peer.bytes(end.pop).length;
      end.pop = undefined;
      return 1;
    };
  }
  for (let i = 0; i < cutAfterSteps; i++) {
    p.world.step();
    p.world.advance();
  }
  for (const end of ends) end.peer.host.device.closed = true;
  p.world.runFor(8_000);
  for (const end of ends) end.peer.host.device.closed = false;
  const limitUs = p.world.nowUs + 5_000_000;
  p.world.run(() => p.world.nowUs > limitUs || ends.every(end => end.popped === BYTES));
  assert.deepEqual(
    ends.map(end => end.popped),
    [BYTES, BYTES],
    `cut after ${cutAfterSteps} steps`,
  );
  for (const end of ends) {
    end.peer.host.afterPoll = undefined;
    end.peer.close(end.queue);
    if (end.pop !== undefined) end.peer.finish(end.pop);
  }
  p.b.close(listener);
  p.world.runFor(60_000_000);
  for (const [i, push] of pushes.entries()) ends[i]!.peer.finish(push);
  p.a.assertClean();
  p.b.assertClean();
}

test('a break at any moment is survived when both ends have data under way', () => {
  for (let steps = 1; steps < 40; steps++) {
    for (const receiveBufferBytes of [6000, 65_536]) transferAcrossBreak(steps, receiveBufferBytes);
  }
});
