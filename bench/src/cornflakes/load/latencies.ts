// Latencies of one run, as a whole and by pieces: a stall of the machine spoils the piece it falls into, and the median piece tells how
// the service does without.

import { Histogram } from '../../histogram.ts';
import { median } from '../../median.ts';

/** Length of a piece, unless too few replies would fall into it. */
const PIECE_US = 10_000;
/** A piece with fewer replies says nothing about a 99th percentile. */
const LEAST_REPLIES = 100;
/** Pieces are made for somewhat more, because arrivals are random. */
const WANTED_REPLIES = 150;

/** Pieces that a run of `durationUs` is cut into; `ratePerSecond` 0: as many as are answered. */
export function piecesOf(durationUs: number, ratePerSecond: number): number {
  const wantedUs = ratePerSecond > 0 ? (WANTED_REPLIES * 1e6) / ratePerSecond : 0;
  return Math.max(1, Math.round(durationUs / Math.max(PIECE_US, wantedUs)));
}

export interface LatencyFigures {
  /** Of the median piece. */
  p50Us: number;
  p99Us: number;
  /** Of the whole run, stalls included. */
  wholeP99Us: number;
}

export class Latencies {
  private readonly whole: Histogram;
  private readonly piece: Histogram;
  private readonly p50s: number[];
  private readonly p99s: number[];

  constructor() {
    this.whole = new Histogram();
    this.piece = new Histogram();
    this.p50s = [];
    this.p99s = [];
  }

  record(nanoseconds: number): void {
    this.whole.record(nanoseconds);
    this.piece.record(nanoseconds);
  }

  endPiece(): void {
    const { piece } = this;
    if (piece.count >= LEAST_REPLIES) {
      this.p50s.push(piece.percentileUs(0.5));
      this.p99s.push(piece.percentileUs(0.99));
    }
    piece.clear();
  }

  /** Without a piece that is long enough, of the whole run throughout. */
  figures(): LatencyFigures {
    const { p50s, p99s, whole } = this;
    const wholeP99Us = whole.percentileUs(0.99);
    if (p99s.length === 0) return { p50Us: whole.percentileUs(0.5), p99Us: wholeP99Us, wholeP99Us };
    return { p50Us: median(p50s), p99Us: median(p99s), wholeP99Us };
  }

  clear(): void {
    this.whole.clear();
    this.piece.clear();
    this.p50s.length = 0;
    this.p99s.length = 0;
  }
}
