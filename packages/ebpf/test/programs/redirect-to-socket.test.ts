// The redirect program in the kernel against the model: the same path for every frame, well-formed or not.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { XDP_PASS, XDP_REDIRECT } from '../../src/constants.ts';
import { DevMap } from '../../src/maps/redirect.ts';
import { RedirectToSocket } from '../../src/programs/redirect-to-socket.ts';
import { REDIRECT_PATHS } from '../../src/programs/redirect-to-socket-code.ts';
import { bpfRefusal } from '../privilege.ts';
import { Random, seedOfRun } from '../random.ts';
import { randomFrame } from './frames.ts';
import { type ModelOptions, modelPath, OURS } from './redirect-model.ts';

const FRAMES = 100_000;
const ADDRESS = [10, 99, 0, 1] as const;
const ADDRESS_NUMBER = 0x0a63_0001;
const TCP = new Set([7, 80, 8080, 65535, 31, 32]);
const UDP = new Set([7, 53, 0, 33333, 63, 64]);
const LOOPBACK_IFINDEX = 1;

const refusal = bpfRefusal();

for (const mode of ['address', 'ports'] as const) {
  test(`mode "${mode}" agrees with the model on ${FRAMES} frames`, { skip: refusal }, t => {
    const seed = seedOfRun();
    t.diagnostic(`DEMI_SEED=${seed}`);
    const random = new Random(seed);
    // A device map makes redirects visible without sockets; test runs never send.
    using devices = new DevMap({ name: 'demi_test', maxEntries: 1 });
    devices.update(0, LOOPBACK_IFINDEX);
    using redirect = new RedirectToSocket({ mode, address: ADDRESS_NUMBER, sockets: devices });
    if (mode === 'ports') {
      for (const port of TCP) redirect.ports.add('tcp', port);
      for (const port of UDP) redirect.ports.add('udp', port);
    }
    const model: ModelOptions = { mode, address: ADDRESS, tcp: TCP, udp: UDP };
    const choices = { address: ADDRESS, ports: [...TCP, ...UDP] };
    const buffer = new Uint8Array(512);
    const seen = new Map<string, number>(REDIRECT_PATHS.map(name => [name, 0]));
    for (let n = 0; n < FRAMES; n++) {
      const frame = buffer.subarray(0, randomFrame(random, buffer, choices));
      const path = modelPath(frame, model);
      const { action } = redirect.program.testRun(frame);
      const count = seen.get(path)! + 1;
      seen.set(path, count);
      const expected = OURS.has(path) ? XDP_REDIRECT : XDP_PASS;
      if (action !== expected || redirect.counters.sum(REDIRECT_PATHS.indexOf(path)) !== count) {
        const hex = Buffer.from(frame).toString('hex');
        assert.fail(`seed ${seed}, frame ${n}: want ${path} (${expected}), got ${action}; ${hex}`);
      }
    }
    // Each frame was counted once: the totals agree too.
    assert.deepEqual(redirect.readCounters(), Object.fromEntries(seen));
    for (const [path, count] of seen) {
      const reachable =
        mode === 'address' ? ADDRESS_PATHS.has(path) : !['arp', 'ipv4', 'noSocket'].includes(path);
      assert.equal(count > 0, reachable, `path ${path} was taken ${count} times`);
    }
    t.diagnostic(JSON.stringify(Object.fromEntries(seen)));
  });
}

const ADDRESS_PATHS = new Set([
  'arp',
  'ipv4',
  'truncated',
  'malformed',
  'vlan',
  'otherEtherType',
  'otherArp',
  'otherAddress',
]);

test('without a socket on the queue the kernel gets the frame', { skip: refusal }, () => {
  using redirect = new RedirectToSocket({ mode: 'address', address: ADDRESS_NUMBER });
  const frame = new Uint8Array(60);
  frame.set([8, 0, 0x45], 12);
  frame.set(ADDRESS, 30);
  assert.equal(redirect.program.testRun(frame).action, XDP_PASS);
  assert.equal(redirect.readCounters().noSocket, 1);
});

test('ports come and go while the program is loaded', { skip: refusal }, () => {
  using devices = new DevMap({ name: 'demi_test', maxEntries: 1 });
  devices.update(0, LOOPBACK_IFINDEX);
  using redirect = new RedirectToSocket({ mode: 'ports', address: ADDRESS_NUMBER, sockets: devices });
  const frame = new Uint8Array(60);
  frame.set([8, 0, 0x45], 12);
  frame.set(ADDRESS, 30);
  for (const [protocol, number] of [
    ['tcp', 6],
    ['udp', 17],
  ] as const) {
    frame[23] = number;
    for (const port of [0, 1, 31, 32, 255, 256, 32767, 32768, 65535]) {
      frame.set([port >> 8, port & 255], 36);
      assert.equal(redirect.program.testRun(frame).action, XDP_PASS);
      redirect.ports.add(protocol, port);
      assert.ok(redirect.ports.has(protocol, port));
      assert.equal(redirect.program.testRun(frame).action, XDP_REDIRECT, `${protocol} ${port}`);
      redirect.ports.delete(protocol, port);
      assert.equal(redirect.program.testRun(frame).action, XDP_PASS);
    }
  }
  assert.throws(() => redirect.ports.add('tcp', 65536), { code: 'ERR_DEMI_ARGUMENT' });
});
