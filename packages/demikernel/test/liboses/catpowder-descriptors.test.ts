// Catpowder on AF_XDP with frames of several descriptors: asked for by an option, or by what was calibrated for the driver.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Demikernel, open } from '../../src/index.ts';
import type { Catpowder } from '../../src/liboses/catpowder/catpowder.ts';
import { storeThresholds } from '../../src/pdpix/calibration-file.ts';
import { FAR_ADDRESS, NEAR_ADDRESS, NEAR_DEVICE, VethPair } from '../devices/af-veth.ts';
import { line, stop } from './kernel-peer.ts';

const ECHO = `
  import net from 'node:net';
  net.createServer(socket => socket.on('error', () => {}).pipe(socket)).listen(9000, '${FAR_ADDRESS}', () => console.log('up'));
`;

function openNear(
  pair: VethPair,
  options: { descriptorThresholdBytes?: number; calibration: string },
): Promise<Demikernel> {
  return open({
    libos: 'catpowder',
    interface: NEAR_DEVICE,
    address: `${NEAR_ADDRESS}/24`,
    namespace: pair.near,
    device: 'af-xdp',
    selfCheck: false,
    onNotice: () => {},
    ...options,
  });
}

/** Sends `lengths` as one array of shared pieces, and takes the echo. */
function echoed(
  os: Demikernel,
  qd: number,
  lengths: readonly number[],
): { sent: Uint8Array; got: Uint8Array } {
  const { pool } = os.libraryOs;
  const array = pool.array();
  for (const [i, length] of lengths.entries()) {
    const piece = pool.alloc(length)!;
    for (let at = 0; at < length; at++) pool.region.bytes[piece.offset + at] = at * 7 + i;
    array.append(piece);
  }
  const sent = array.toBytes();
  assert.equal(os.wait(os.push(qd, array), 5_000_000)?.errno, 0);
  const got = new Uint8Array(sent.length);
  for (let at = 0; at < got.length; ) {
    const result = os.wait(os.pop(qd), 5_000_000);
    assert.equal(result?.errno, 0);
    assert.ok(result!.lengthBytes > 0, 'the stream has ended');
    at += result!.array!.copyTo(got, at);
    result!.array!.free();
  }
  array.free();
  return { sent, got };
}

test('pieces leave by descriptors of their own, and the kernel receives them as they were', async t => {
  const pair = VethPair.create();
  if (typeof pair === 'string') {
    t.skip(pair);
    return;
  }
  const folder = mkdtempSync(join(tmpdir(), 'demi-descriptors-'));
  const file = join(folder, 'calibration.json');
  const peer = pair.node(ECHO);
  try {
    await line(peer);
    const driver = { libos: 'catpowder', device: 'af-xdp', interface: '', driver: 'veth' };
    storeThresholds(file, [
      { ...driver, copyThresholdBytes: 48, descriptorThresholdBytes: 100, measuredAt: '', machine: '' },
    ]);
    for (const [options, gathers] of [
      [{ descriptorThresholdBytes: 0, calibration: 'off' }, true],
      [{ calibration: file }, true],
      [{ descriptorThresholdBytes: Number.POSITIVE_INFINITY, calibration: file }, false],
      [{ calibration: 'off' }, false],
    ] as const) {
      const os = await openNear(pair, options);
      try {
        const { device, identity } = os.libraryOs as Catpowder;
        assert.deepEqual(identity, { ...driver, interface: NEAR_DEVICE });
        assert.equal(device.segmentLimit > 1, gathers);
        assert.equal(os.libraryOs.pool.copyThresholdBytes, options.calibration === file ? 48 : 512);
        const qd = os.socket('stream');
        assert.equal(os.wait(os.connect(qd, `${FAR_ADDRESS}:9000`), 5_000_000)?.errno, 0);
        for (const lengths of [
          [1],
          [200, 300],
          [1, 2, 3],
          [700, 1, 700],
          Array<number>(30).fill(101),
          [1920, 1920],
        ]) {
          const { got, sent } = echoed(os, qd, lengths);
          assert.deepEqual(got, sent, lengths.join());
        }
      } finally {
        os.shutDown();
      }
    }
  } finally {
    await stop(peer);
    pair.remove();
    rmSync(folder, { recursive: true });
  }
});
