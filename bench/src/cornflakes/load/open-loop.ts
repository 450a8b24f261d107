// The client's loop: requests leave when they are due, whether or not earlier ones were answered, and a reply is as late as
// it is after the moment its request was due. Nothing is allocated per request.

import type { ScatterGatherArray, SlotPool } from '@demikernel/memory';
import { Clock } from '@demikernel/native/kernel';
import { type Demikernel, OP_POP, type Result, type WaitSet } from 'demikernel';
import type { Arrivals } from './arrivals.ts';
import { FrameCounter } from './frame-counter.ts';
import { Latencies, type LatencyFigures, piecesOf } from './latencies.ts';
import { type RequestRing, RING_REQUESTS } from './request-ring.ts';

/** Requests that may be under way on one connection: a power of two. Beyond, they wait at the client, and count as late. */
const WINDOW = 1024;
/** Requests that are due at once leave in one push, so many at most. */
const MOST_PER_PUSH = 16;
/** How long replies are awaited after the last request. */
const DRAIN_US = 2_000_000;
/** The beginning of a run does not count: queues fill, caches warm up. */
const DROPPED_SHARE = 0.1;

export interface RunRequest {
  /** Requests a second; 0: as many as are answered, `depth` of them under way on each connection. */
  ratePerSecond: number;
  depth: number;
  milliseconds: number;
}

/** Latencies count from the moment a request was due to its reply. */
export interface RunFigures extends LatencyFigures {
  /** Requests that were due in the time that counts, and replies that came in it, a second. */
  offeredPerSecond: number;
  achievedPerSecond: number;
  /** Time in turns of the loop that found nothing to do, as a share. */
  idleShare: number;
  replies: number;
  /** Replies of another length than the same request had before. */
  corrupted: number;
  /** Length of the time that counts. */
  elapsedUs: number;
  error?: string;
}

export class OpenLoop {
  private readonly os: Demikernel;
  private readonly pool: SlotPool;
  private readonly set: WaitSet;
  private readonly qds: readonly number[];
  /** By queue descriptor. */
  private readonly connectionOf: Int32Array;
  private readonly counters: readonly FrameCounter[];
  private readonly ring: RequestRing;
  private readonly arrivals: Arrivals;
  private readonly clock: Clock;
  private readonly latencies: Latencies;
  /** Per connection a ring of requests under way: when each was due, and which it was. */
  private readonly due: Float64Array;
  private readonly which: Int32Array;
  private readonly sent: Int32Array;
  private readonly answered: Int32Array;
  /** 0: when the next request is due. 1, 2: when the time that counts begins and ends. 3: time in idle turns. */
  private readonly moments: Float64Array;
  private nextRequest: number;
  private nextConnection: number;
  private underWay: number;
  private replies: number;
  private dueRequests: number;
  private corrupted: number;
  private broken: boolean;

  constructor(os: Demikernel, qds: readonly number[], ring: RequestRing, arrivals: Arrivals) {
    this.os = os;
    this.pool = os.libraryOs.pool;
    this.set = os.waitSet();
    this.qds = qds;
    this.connectionOf = new Int32Array(Math.max(...qds) + 1);
    for (const [i, qd] of qds.entries()) this.connectionOf[qd] = i;
    this.counters = qds.map(() => new FrameCounter(1 << 16));
    this.ring = ring;
    this.arrivals = arrivals;
    this.clock = new Clock();
    this.latencies = new Latencies();
    this.due = new Float64Array(qds.length * WINDOW);
    this.which = new Int32Array(qds.length * WINDOW);
    this.sent = new Int32Array(qds.length);
    this.answered = new Int32Array(qds.length);
    this.moments = new Float64Array(4);
    this.nextRequest = 0;
    this.nextConnection = 0;
    this.underWay = 0;
    this.replies = 0;
    this.dueRequests = 0;
    this.corrupted = 0;
    this.broken = false;
    for (const qd of qds) this.set.add(os.pop(qd));
  }

  /** One run, its replies awaited. `onCounted` is called when the time that counts begins and when it ends. */
  run({ depth, milliseconds, ratePerSecond }: RunRequest, onCounted: () => void): RunFigures {
    const { clock, moments } = this;
    this.begin();
    clock.read();
    const startUs = clock.us[0]!;
    moments[0] = startUs;
    moments[1] = startUs + milliseconds * 1000 * DROPPED_SHARE;
    moments[2] = startUs + milliseconds * 1000;
    this.turnUntil(moments[1]!, ratePerSecond, depth);
    this.reset();
    onCounted();
    const countedUs = moments[2]! - moments[1]!;
    const pieces = piecesOf(countedUs, ratePerSecond);
    const pieceUs = countedUs / pieces;
    for (let piece = 1; piece <= pieces; piece++) {
      this.turnUntil(moments[1]! + pieceUs * piece, ratePerSecond, depth);
      this.latencies.endPiece();
    }
    onCounted();
    const figures = this.figures(ratePerSecond);
    this.drain(moments[2]! + DRAIN_US);
    if (this.broken) figures.error = 'the service ended a connection';
    else if (this.underWay > 0) figures.error = `${this.underWay} requests were not answered in time`;
    return figures;
  }

  private begin(): void {
    this.corrupted = 0;
    this.reset();
  }

  private reset(): void {
    this.latencies.clear();
    this.replies = 0;
    this.dueRequests = 0;
    this.moments[3] = 0;
  }

  private figures(ratePerSecond: number): RunFigures {
    const { latencies, moments } = this;
    const elapsedUs = moments[2]! - moments[1]!;
    return {
      offeredPerSecond: ratePerSecond > 0 ? ratePerSecond : (this.dueRequests * 1e6) / elapsedUs,
      achievedPerSecond: (this.replies * 1e6) / elapsedUs,
      ...latencies.figures(),
      idleShare: moments[3]! / elapsedUs,
      replies: this.replies,
      corrupted: this.corrupted,
      elapsedUs,
    };
  }

  private turnUntil(endUs: number, ratePerSecond: number, depth: number): void {
    const { clock, moments } = this;
    const meanGapUs = ratePerSecond > 0 ? 1e6 / ratePerSecond : 0;
    clock.read();
    while (clock.us[0]! < endUs && !this.broken) {
      const startUs = clock.us[0]!;
      const before = this.replies + this.dueRequests;
      if (meanGapUs > 0) this.sendDue(meanGapUs, endUs);
      else this.keepUnderWay(depth);
      this.receive();
      clock.read();
      if (this.replies + this.dueRequests === before) moments[3] = moments[3]! + clock.us[0]! - startUs;
    }
  }

  private drain(untilUs: number): void {
    const { clock } = this;
    while (this.underWay > 0 && clock.us[0]! < untilUs && !this.broken) {
      clock.read();
      this.receive();
    }
  }

  private sendDue(meanGapUs: number, endUs: number): void {
    const { clock, moments } = this;
    while (moments[0]! <= clock.us[0]! && moments[0]! < endUs) {
      // When every connection is full the requests stay due: their time goes on.
      const connection = this.roomyConnection();
      if (connection < 0) return;
      const array = this.pool.array();
      let room = Math.min(MOST_PER_PUSH, WINDOW - this.underWayOn(connection));
      while (room-- > 0 && moments[0]! <= clock.us[0]! && moments[0]! < endUs) {
        this.append(array, connection, moments[0]!);
        moments[0] = moments[0]! + this.arrivals.nextGapUs(meanGapUs);
      }
      this.push(connection, array);
    }
  }

  private keepUnderWay(depth: number): void {
    let missing = depth * this.qds.length - this.underWay;
    while (missing > 0) {
      const connection = this.roomyConnection();
      if (connection < 0) return;
      const array = this.pool.array();
      let room = Math.min(MOST_PER_PUSH, WINDOW - this.underWayOn(connection), missing);
      missing -= room;
      while (room-- > 0) this.append(array, connection, this.clock.us[0]!);
      this.push(connection, array);
    }
  }

  private underWayOn(connection: number): number {
    return (this.sent[connection]! - this.answered[connection]!) >>> 0;
  }

  /** The connection whose turn it is to take a request; -1 when all are full. */
  private roomyConnection(): number {
    const count = this.qds.length;
    let connection = this.nextConnection;
    for (let tried = 0; this.underWayOn(connection) >= WINDOW; tried++) {
      if (tried === count) return -1;
      connection = connection + 1 === count ? 0 : connection + 1;
    }
    this.nextConnection = connection + 1 === count ? 0 : connection + 1;
    return connection;
  }

  /** Puts the next request into what is pushed on a connection. */
  private append(array: ScatterGatherArray, connection: number, dueUs: number): void {
    const request = this.nextRequest;
    this.nextRequest = (request + 1) & (RING_REQUESTS - 1);
    const at = connection * WINDOW + (this.sent[connection]! & (WINDOW - 1));
    this.due[at] = dueUs;
    this.which[at] = request;
    this.sent[connection] = (this.sent[connection]! + 1) | 0;
    this.underWay++;
    this.dueRequests++;
    const written = this.ring.arrays[request]!;
    for (let i = 0; i < written.count; i++) array.append(written.segments[i]!.share());
  }

  private push(connection: number, array: ScatterGatherArray): void {
    this.set.add(this.os.push(this.qds[connection]!, array));
    array.free();
  }

  private receive(): void {
    this.os.poll();
    let result = this.set.take();
    if (result === undefined) return;
    this.clock.read();
    for (; result !== undefined; result = this.set.take()) this.handle(result);
  }

  private handle(result: Result): void {
    const { array, errno, opcode, qd } = result;
    if (errno !== 0) this.broken = true;
    if (opcode !== OP_POP) return;
    if (array === undefined || array.count === 0) {
      array?.free();
      this.broken = true;
      return;
    }
    const connection = this.connectionOf[qd]!;
    const counter = this.counters[connection]!;
    counter.count(array);
    array.free();
    for (let i = 0; i < counter.ended; i++) this.replied(connection, counter.lengths[i]!);
    this.set.add(this.os.pop(qd));
  }

  private replied(connection: number, lengthBytes: number): void {
    const at = connection * WINDOW + (this.answered[connection]! & (WINDOW - 1));
    const request = this.which[at]!;
    const { replyBytes } = this.ring;
    if (replyBytes[request] !== lengthBytes) {
      if (replyBytes[request] !== 0) this.corrupted++;
      replyBytes[request] = lengthBytes;
    }
    this.latencies.record((this.clock.us[0]! - this.due[at]!) * 1000);
    this.answered[connection] = (this.answered[connection]! + 1) | 0;
    this.underWay--;
    this.replies++;
  }
}
