// The right edge of what the peer has offered is not overstepped: a pure acknowledgement that lies beyond it is dropped by the peer,
// and two ends that both wait for acknowledgements then hear of each other only by time-outs.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TcpScript } from './tcp-script.ts';

const MSS = 1460;

function established(): TcpScript {
  const script = new TcpScript();
  script.options = Buffer.from('020405b4', 'hex');
  script.reach('ESTABLISHED');
  script.options = Buffer.alloc(0);
  script.queue.setOption('noDelay', true);
  return script;
}

function bytes(length: number): Uint8Array {
  return new Uint8Array(length).fill(0x55);
}

test('what is sent again into a shut window takes nothing new along', () => {
  const s = established();
  s.finish(s.push(s.queue, bytes(100)));
  assert.deepEqual(s.out(), ['PA 1(100) ack 1']);
  s.window = 0;
  s.inject('A 1 ack 1');
  s.finish(s.push(s.queue, bytes(500)));
  assert.deepEqual(s.out(), []);
  let sent: string[] = [];
  for (let ms = 0; sent.length === 0 && ms < 2000; ms++) sent = s.wait(1000);
  assert.deepEqual(sent, ['A 1(100) ack 1']);
  // Acknowledgements stand where the peer looks at them.
  s.inject(`A 1(${MSS}) ack 1`);
  assert.deepEqual(s.inject(`A ${1 + MSS}(${MSS}) ack 1`), [`A 101(0) ack ${1 + 2 * MSS}`]);
  s.window = 65_535;
  assert.deepEqual(s.inject(`A ${1 + 2 * MSS} ack 101`), [`PA 101(500) ack ${1 + 2 * MSS}`]);
  s.finishAll();
});

test('a window counts from the acknowledgement beside it, also on a segment that is sent again', () => {
  const s = established();
  s.window = 3000;
  s.inject('A 1 ack 1');
  s.finish(s.push(s.queue, bytes(3000), undefined, MSS));
  assert.equal(s.out().length, 3);
  // A later segment comes first and is remembered as the last word about the window.
  s.inject('A 11(10) ack 1 win 3000');
  assert.deepEqual(s.inject('A 1(10) ack 3001 win 100'), ['A 3001(0) ack 21']);
  s.finish(s.push(s.queue, bytes(1000)));
  const sent = [...s.out(), ...s.wait(8000)];
  assert.deepEqual(sent, ['A 3001(100) ack 21']);
  s.finishAll();
});
