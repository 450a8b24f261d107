// Selective acknowledgements that we send (RFC 2018): which bytes wait behind a hole. Those we receive are advice that the
// sender does not take yet.

import type { TcpConnection } from './connection.ts';
import { seqLe } from './sequence.ts';

/** Blocks that fit beside timestamps (RFC 2018 section 3). */
export const MAX_SACK_BLOCKS = 3;
/** NOP NOP SACK; the length follows in the low byte. */
const SACK_WORD = 0x01010500;

/** Collects the blocks of one acknowledgement. One per layer, reused. */
export class SackBlocks {
  /** Left and right edges, in pairs. */
  readonly edges: Int32Array;
  count: number;

  constructor() {
    this.edges = new Int32Array(MAX_SACK_BLOCKS * 2);
    this.count = 0;
  }

  /**
   * Finds the blocks of a connection's out-of-order bytes: first the one that the latest segment is in, then others from
   * the oldest hole on (RFC 2018 section 4).
   *
   * @returns bytes that the option takes, padding included; 0 when nothing is out of order
   */
  collect(c: TcpConnection): number {
    const reassembly = c.reassembly;
    this.count = 0;
    if (reassembly === undefined) return 0;
    const total = reassembly.count;
    let others = 1;
    let found = 0;
    for (let i = 0; i < total; ) {
      const left = reassembly.startOf(i);
      let right = reassembly.endOf(i);
      for (i++; i < total && reassembly.startOf(i) === right; i++) right = reassembly.endOf(i);
      if (found === 0 && seqLe(left, reassembly.latest) && !seqLe(right, reassembly.latest)) {
        found = 1;
        this.set(0, left, right);
      } else if (others < MAX_SACK_BLOCKS) this.set(others++, left, right);
      else if (found !== 0) break;
    }
    if (found === 0) {
      // The latest segment brought nothing new, or was dropped: the others move up.
      others--;
      this.edges.copyWithin(0, 2, 2 + others * 2);
    }
    this.count = others;
    return others === 0 ? 0 : 4 + others * 8;
  }

  /** Writes the option; returns the partial checksum of what was written. */
  write(view: DataView, offset: number): number {
    const count = this.count;
    const word = SACK_WORD | (2 + count * 8);
    view.setInt32(offset, word);
    let sum = (word >>> 16) + (word & 0xffff);
    for (let i = 0; i < count * 2; i++) {
      const edge = this.edges[i]!;
      view.setInt32(offset + 4 + i * 4, edge);
      sum += (edge >>> 16) + (edge & 0xffff);
    }
    return sum;
  }

  private set(block: number, left: number, right: number): void {
    this.edges[block * 2] = left;
    this.edges[block * 2 + 1] = right;
  }
}
