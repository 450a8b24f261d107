// The table that `ss` reads from outside: one row per connection, written in a bounded sweep, never per packet.

import type { Runtime } from '../../runtime/runtime.ts';
import type { TcpConnection } from './connection.ts';
import type { Demultiplexer } from './demultiplexer.ts';

/** Columns of the `connections` table. Addresses are unsigned; 0 in the first column is a free row. */
export const CONNECTION_COLUMNS = [
  'state',
  'localAddress',
  'localPort',
  'remoteAddress',
  'remotePort',
  'sendQueueBytes',
  'receiveQueueBytes',
  'srttUs',
  'rtoUs',
  'cwndBytes',
  'retransmits',
  'sendWindowBytes',
] as const;

const WIDTH = CONNECTION_COLUMNS.length;
/** Places of the demultiplexer looked at in one sweep, and the least time between two. */
const SWEEP_PLACES = 128;
const SWEEP_MS = 2;

/** Rows are given out as connections come, and written as the sweep passes. */
export class ConnectionTable {
  private readonly rows: Float64Array;
  private readonly freeRows: Int32Array;
  private freeCount: number;
  private place: number;
  private lastMs: number;

  constructor(runtime: Runtime, rows: number) {
    let values: Float64Array = new Float64Array(0);
    let count = rows;
    try {
      if (rows > 0) values = runtime.metrics.table('connections', CONNECTION_COLUMNS, rows);
    } catch {
      count = 0; // a small metrics memory has no room for the table: the stack works without
    }
    this.rows = values;
    this.freeRows = new Int32Array(count);
    for (let i = 0; i < count; i++) this.freeRows[i] = count - 1 - i;
    this.freeCount = count;
    this.place = 0;
    this.lastMs = 0;
  }

  /** Gives a connection a row, if one is free. */
  assign(c: TcpConnection): void {
    if (this.freeCount === 0) return;
    c.row = this.freeRows[--this.freeCount]! + 1;
    this.write(c);
  }

  free(c: TcpConnection): void {
    if (c.row === 0) return;
    this.rows[(c.row - 1) * WIDTH] = 0;
    this.freeRows[this.freeCount++] = c.row - 1;
    c.row = 0;
  }

  /** Refreshes some rows, at most every {@link SWEEP_MS}. */
  sweep(demultiplexer: Demultiplexer, nowMs: number): void {
    if (((nowMs - this.lastMs) | 0) < SWEEP_MS) return;
    this.lastMs = nowMs;
    const size = demultiplexer.size;
    const places = Math.min(size, SWEEP_PLACES);
    for (let i = 0; i < places; i++) {
      this.place = this.place + 1 >= size ? 0 : this.place + 1;
      const c = demultiplexer.at(this.place);
      if (c === undefined) continue;
      if (c.row === 0) this.assign(c);
      else this.write(c);
    }
  }

  private write(c: TcpConnection): void {
    const rows = this.rows;
    const at = (c.row - 1) * WIDTH;
    rows[at] = c.state;
    rows[at + 1] = c.localAddress >>> 0;
    rows[at + 2] = c.localPort;
    rows[at + 3] = c.remoteAddress >>> 0;
    rows[at + 4] = c.remotePort;
    rows[at + 5] = c.sendQueue.bytes;
    rows[at + 6] = c.receiveQueue.bytes;
    rows[at + 7] = c.srttUs8 >> 3;
    rows[at + 8] = c.rtoUs;
    rows[at + 9] = c.cwnd;
    rows[at + 10] = c.retransmitTotal;
    rows[at + 11] = c.sndWnd;
  }
}
