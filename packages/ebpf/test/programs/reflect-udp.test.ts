// The UDP reflector: what it sends back, byte for byte, and what it leaves alone.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { XDP_PASS, XDP_TX } from '../../src/constants.ts';
import { reflectUdp } from '../../src/programs/reflect-udp.ts';
import { bpfRefusal } from '../privilege.ts';
import { Random, seedOfRun } from '../random.ts';
import { randomFrame } from './frames.ts';

const refusal = bpfRefusal();
const PORT = 4242;

/** What should come out, or `undefined` for a frame that passes. */
function reflected(frame: Uint8Array): Uint8Array | undefined {
  if (frame.length < 34 || frame[12] !== 8 || frame[13] !== 0 || frame[14]! >> 4 !== 4) return undefined;
  const udp = 14 + (frame[14]! & 15) * 4;
  if (udp < 34 || frame.length < udp + 8 || frame[23] !== 17) return undefined;
  if ((frame[20]! & 0x3f) !== 0 || frame[21] !== 0) return undefined;
  if (frame[udp + 2]! * 256 + frame[udp + 3]! !== PORT) return undefined;
  const out = frame.slice();
  const swap = (a: number, b: number, bytes: number): void => {
    out.set(frame.subarray(a, a + bytes), b);
    out.set(frame.subarray(b, b + bytes), a);
  };
  swap(0, 6, 6);
  swap(26, 30, 4);
  swap(udp, udp + 2, 2);
  return out;
}

test('reflects its port and nothing else, on 20,000 frames', { skip: refusal }, t => {
  const seed = seedOfRun();
  t.diagnostic(`DEMI_SEED=${seed}`);
  const random = new Random(seed);
  using program = reflectUdp(PORT);
  const buffer = new Uint8Array(512);
  const out = new Uint8Array(512);
  let sent = 0;
  for (let n = 0; n < 20_000; n++) {
    const frame = buffer.subarray(
      0,
      randomFrame(random, buffer, { address: [10, 0, 0, 1], ports: [PORT, PORT, 7] }),
    );
    const want = reflected(frame);
    const { action, lengthBytes } = program.testRun(frame, { out });
    assert.equal(action, want === undefined ? XDP_PASS : XDP_TX, `seed ${seed}, frame ${n}`);
    assert.deepEqual(out.subarray(0, lengthBytes), want ?? frame);
    if (want !== undefined) sent++;
  }
  assert.ok(sent > 300, `only ${sent} were for the port`);
});

test('a port is a port', () => {
  for (const port of [0, 65536, 1.5, -1])
    assert.throws(() => reflectUdp(port), { code: 'ERR_DEMI_ARGUMENT' });
});
