// Messages that somebody has tampered with: seeded mutations of well-formed ones, for the fuzzers.

import fc from 'fast-check';
import type { Message, MessageType, ReadOptions } from '../../src/index.ts';
import { Batch, Everything, GetResp, Point, Tick } from '../contract/contract.ts';
import { OldEverything } from '../contract/old-everything.ts';
import { everythingJson } from './support.ts';

/** Mulberry32: the same numbers for the same seed. */
export class Random {
  private state: number;

  constructor(seed: number) {
    this.state = seed | 0;
  }

  /** An integer from 0 to `limit - 1`. */
  below(limit: number): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % limit;
  }
}

const INTERESTING: readonly number[] = [
  0, 1, 2, 7, 8, 31, 32, 64, 0xff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0xffff_fff8, 0x2000_0001,
];

/** Changes one to three places of the `length` bytes at `start`; at least four bytes. */
export function mutate(random: Random, view: DataView, start: number, length: number): void {
  for (let i = 1 + random.below(3); i > 0; i--) {
    // Headers and tables stand in front: most mutations go there.
    const end = random.below(3) === 0 ? length : Math.min(length, 160);
    const at = start + (random.below(Math.max(1, end - 3)) & (random.below(2) === 0 ? ~3 : ~0));
    switch (random.below(5)) {
      case 0:
        view.setUint8(at, view.getUint8(at) ^ (1 << random.below(8)));
        break;
      case 1:
        view.setUint8(at, random.below(256));
        break;
      case 2:
        view.setUint32(at, INTERESTING[random.below(INTERESTING.length)]!, true);
        break;
      case 3:
        view.setUint32(at, random.below(length + 9), true);
        break;
      default:
        // An entry or offset from elsewhere: shares parts, crosses kinds.
        view.setUint32(at, view.getUint32(start + random.below(length - 3), true), true);
    }
  }
}

/** Well-formed messages to begin with: all kinds of fields, both versions, some nested. */
export function wellFormed(seed: number): Uint8Array[] {
  const wires = fc.sample(everythingJson, { numRuns: 60, seed }).map(json => {
    const message = Everything.fromJSON(json);
    const bytes = message.toBytes();
    message.release();
    return bytes;
  });
  const resp = GetResp.acquire();
  resp.id = 1;
  resp.val = new Uint8Array(100);
  wires.push(resp.toBytes());
  resp.release();
  const batch = Batch.acquire();
  for (let i = 0; i < 8; i++) {
    const inner = i < 4 ? batch : batch.mutableNext();
    inner.vals.add(new Uint8Array(10 * i));
    inner.points.add().x = i;
    inner.mutableFirst().y = i;
    inner.note = 'note';
    inner.when = -1;
    for (let j = 0; j < 8; j++) wires.push(batch.toBytes());
  }
  batch.release();
  return wires;
}

/** What the messages are read as, whatever they were; most often as one of the first two. */
export const READ_AS: readonly MessageType<Message>[] = [
  Everything.type,
  Batch.type,
  OldEverything.type,
  GetResp.type,
  Point.type,
  Tick.type,
];

export const READ_WITH: readonly (ReadOptions | undefined)[] = [
  undefined,
  undefined,
  { strict: true },
  { maxDepth: 2 },
];
