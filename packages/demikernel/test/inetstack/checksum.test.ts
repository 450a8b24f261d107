// The Internet checksum: RFC 1071's example, and agreement with the plainest way to compute it.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  foldChecksum,
  foldSum,
  pseudoHeaderSum,
  sumBytes,
  sumFrame,
  swapSum,
} from '../../src/inetstack/checksum.ts';
import { Frame } from '../../src/runtime/packet-device.ts';
import { plainChecksum } from './frames.ts';

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

describe('Internet checksum', () => {
  it('sums the example of RFC 1071 section 3', () => {
    const bytes = Uint8Array.from(Buffer.from('0001f203f4f5f6f7', 'hex'));
    assert.equal(foldSum(sumBytes(viewOf(bytes), 0, 8, 0)), 0xddf2);
    assert.equal(foldChecksum(sumBytes(viewOf(bytes), 0, 8, 0)), 0x220d);
  });

  it('agrees with the plain sum at every length and place', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(7), (bytes, skip) => {
        const start = Math.min(skip, bytes.length);
        const part = bytes.slice(start);
        assert.equal(foldChecksum(sumBytes(viewOf(bytes), start, part.length, 0)), plainChecksum(part));
      }),
    );
  });

  it('does not overflow on 65535 bytes of 0xff', () => {
    const bytes = new Uint8Array(65535).fill(255);
    assert.equal(foldChecksum(sumBytes(viewOf(bytes), 0, bytes.length, 0)), plainChecksum(bytes));
    assert.equal(
      foldChecksum(sumBytes(viewOf(bytes), 0, bytes.length, 0x3ffff)),
      foldChecksum(sumBytes(viewOf(bytes), 0, bytes.length, 3 + 0xffff)),
    );
  });

  it('chains pieces of even length, and odd ones by swapping', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 200 }), fc.nat(200), (bytes, cut) => {
        const at = cut % bytes.length;
        const view = viewOf(bytes);
        const head = sumBytes(view, 0, at, 0);
        const tail = sumBytes(view, at, bytes.length - at, 0);
        const sum = at % 2 === 0 ? head + tail : head + swapSum(tail);
        assert.equal(foldChecksum(sum), plainChecksum(bytes));
      }),
    );
  });

  it('sums frames over segments of any length', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 40 }), { minLength: 1, maxLength: 6 }),
        fc.nat(40),
        (pieces, skip) => {
          const whole = Uint8Array.from(pieces.flatMap(piece => [...piece]));
          const start = Math.min(skip, pieces[0]!.length);
          const region = new Uint8Array(1024);
          const frame = new Frame();
          let at = 0;
          for (const piece of pieces) {
            region.set(piece, at);
            frame.append(at, piece.length);
            at += piece.length + 3;
          }
          assert.equal(
            ~sumFrame(viewOf(region), frame, start, 0) & 0xffff,
            plainChecksum(whole.slice(start)),
          );
        },
      ),
    );
  });

  it('sums the pseudo header of addresses above 127.255.255.255', () => {
    // 192.168.255.254 -> 255.255.255.255, UDP, 65535 bytes.
    const bytes = Buffer.from('c0a8fffeffffffff0011ffff', 'hex');
    assert.equal(foldChecksum(pseudoHeaderSum(0xc0a8fffe | 0, -1, 17, 65535)), plainChecksum(bytes));
  });
});
