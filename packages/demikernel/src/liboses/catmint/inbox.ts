// What has arrived on a connection, in order: messages in the slots they came in, and messages that are read from the peer's memory.

import type { ScatterGatherArray } from '@demikernel/memory';
import { FLAG_MORE, PIECE_BYTES } from '../../rdma/wire.ts';
import type { RdmaHost } from './rdma-host.ts';
import type { SendQueue } from './send-queue.ts';

/** Something that has arrived: in `array`, or described in `pieces` and still to be read. */
export interface Arrival {
  array: ScatterGatherArray | undefined;
  more: boolean;
  /** Offset and length of every piece in the peer's memory. */
  pieces: Uint32Array | undefined;
  lengthBytes: number;
  /** The read that ends it, once all are posted. */
  lastRead: number;
}

/** Reads a message piece by piece into memory of our own. */
export class Reader {
  arrival: Arrival | undefined;
  private piece: number;
  private pieceAt: number;
  private segment: number;
  private segmentAt: number;
  private readonly host: RdmaHost;
  private readonly sends: SendQueue;
  private readonly base: bigint;
  private readonly key: number;

  constructor(host: RdmaHost, sends: SendQueue, base: bigint, key: number) {
    this.arrival = undefined;
    this.piece = 0;
    this.pieceAt = 0;
    this.segment = 0;
    this.segmentAt = 0;
    this.host = host;
    this.sends = sends;
    this.base = base;
    this.key = key;
  }

  /** Begins, if there is memory. */
  begin(arrival: Arrival): boolean {
    const array = this.host.pool.allocArray(arrival.lengthBytes);
    if (array === undefined) return false;
    arrival.array = array;
    this.arrival = arrival;
    this.piece = 0;
    this.pieceAt = 0;
    this.segment = 0;
    this.segmentAt = 0;
    return true;
  }

  /** Posts what there is room for. 0, or why it cannot be. */
  advance(): number {
    const arrival = this.arrival!;
    const pieces = arrival.pieces!;
    const { segments } = arrival.array!;
    while (arrival.lastRead < 0 && this.sends.hasRoom) {
      const from = pieces[this.piece]! + this.pieceAt;
      let left = pieces[this.piece + 1]! - this.pieceAt;
      while (left > 0 && this.sends.piecesLeft > 0) {
        const segment = segments[this.segment]!;
        const length = Math.min(left, segment.length - this.segmentAt);
        this.sends.add(segment.slot, segment.offset + this.segmentAt, length);
        left -= length;
        this.pieceAt += length;
        this.segmentAt += length;
        if (this.segmentAt === segment.length) {
          this.segment++;
          this.segmentAt = 0;
        }
      }
      const address = this.base + BigInt(from);
      const errno = this.sends.read(Number(address & 0xffff_ffffn) | 0, Number(address >> 32n), this.key);
      if (errno !== 0) return errno;
      if (left === 0) {
        this.piece += 2;
        this.pieceAt = 0;
        if (this.piece === pieces.length) arrival.lastRead = this.sends.last;
      }
    }
    return 0;
  }
}

/** The pieces that a description names, copied: what the peer changes afterwards changes nothing. */
export function readPieces(view: DataView, offset: number, lengthBytes: number): Uint32Array {
  const pieces = new Uint32Array((lengthBytes / PIECE_BYTES) * 2);
  for (let i = 0; i < pieces.length; i++) pieces[i] = view.getUint32(offset + 4 * i, true);
  return pieces;
}

/** A message that has arrived whole. Takes over the reference to the slot. */
export function arrived(host: RdmaHost, slot: number, lengthBytes: number, word: number): Arrival {
  const { pool } = host;
  const array = pool.array();
  array.append(pool.slice(slot, pool.slotOffset(slot), lengthBytes));
  return { array, more: (word & FLAG_MORE) !== 0, pieces: undefined, lengthBytes, lastRead: -1 };
}
