// Closed-loop load: every connection has one request outstanding, and the next leaves when the reply is here.
// Nothing is allocated per request.

import { Clock, EPOLLIN, EpollSet } from '@demikernel/native/kernel';
import type { Histogram } from '../histogram.ts';
import { BROKEN, CORRUPTED, type Connection, LATE, REPLY } from './connection.ts';
import type { ClientMode, Protocol } from './round.ts';

/** A datagram unanswered for so long is lost; a stream silent for so long is broken. */
const DATAGRAM_TIMEOUT_US = 20_000;
const STREAM_TIMEOUT_US = 3_000_000;
/** Looks between two looks at the clock while nothing arrives. */
const POLLS_PER_CLOCK = 64;
const BLOCK_US = 10_000;

/** What runs a round, over kernel sockets or shared memory. */
export interface ClosedLoop {
  readonly requests: number;
  readonly lost: number;
  readonly late: number;
  readonly corrupted: number;
  readonly polls: number;
  readonly emptyPolls: number;
  readonly broken: boolean;
  begin(): void;
  reset(): void;
  run(milliseconds: number): number;
  close(): void;
}

export class Load implements ClosedLoop {
  requests: number;
  lost: number;
  late: number;
  corrupted: number;
  polls: number;
  emptyPolls: number;
  /** A connection that ended or fell silent stops the run. */
  broken: boolean;
  private readonly connections: readonly Connection[];
  private readonly latencies: Histogram;
  private readonly clock: Clock;
  private readonly epoll: EpollSet;
  private readonly blocks: boolean;
  private readonly single: boolean;
  private readonly timeoutUs: number;
  private readonly datagrams: boolean;
  private readonly sentUs: Float64Array;
  /** 0: when to stop. 1: when time-outs were last looked for. */
  private readonly moments: Float64Array;

  constructor(
    connections: readonly Connection[],
    latencies: Histogram,
    client: ClientMode,
    protocol: Protocol,
  ) {
    this.requests = 0;
    this.lost = 0;
    this.late = 0;
    this.corrupted = 0;
    this.polls = 0;
    this.emptyPolls = 0;
    this.broken = false;
    this.connections = connections;
    this.latencies = latencies;
    this.clock = new Clock();
    this.epoll = new EpollSet(Math.max(connections.length, 1));
    this.blocks = client === 'block';
    // One socket is asked directly; many are asked for by one epoll_wait.
    this.single = connections.length === 1 && !this.blocks;
    this.datagrams = protocol === 'udp';
    this.timeoutUs = this.datagrams ? DATAGRAM_TIMEOUT_US : STREAM_TIMEOUT_US;
    this.sentUs = new Float64Array(connections.length);
    this.moments = new Float64Array(2);
    for (let i = 0; i < connections.length; i++) this.epoll.add(connections[i]!.fd, EPOLLIN, i);
  }

  /** Sends the first request on every connection. */
  begin(): void {
    for (let i = 0; i < this.connections.length; i++) this.request(i);
  }

  /** Forgets what was counted so far: the end of the warm-up. */
  reset(): void {
    this.requests = 0;
    this.lost = 0;
    this.late = 0;
    this.corrupted = 0;
    this.polls = 0;
    this.emptyPolls = 0;
    this.latencies.clear();
  }

  /** Runs for `milliseconds`; returns the microseconds it took. */
  run(milliseconds: number): number {
    const { clock, moments } = this;
    clock.read();
    const startUs = clock.us[0]!;
    moments[0] = startUs + milliseconds * 1000;
    moments[1] = startUs;
    if (this.single) this.spinOnOne();
    else this.waitForMany();
    return clock.us[0]! - startUs;
  }

  private spinOnOne(): void {
    const connection = this.connections[0]!;
    const { clock, moments } = this;
    let idle = 0;
    while (!this.broken && clock.us[0]! < moments[0]!) {
      const result = connection.receive();
      this.polls++;
      if (result === REPLY) {
        idle = 0;
        this.reply(0);
        continue;
      }
      this.emptyPolls++;
      if (result !== 0) this.odd(0, result);
      if (++idle % POLLS_PER_CLOCK === 0) this.checkTimeouts();
    }
  }

  private waitForMany(): void {
    const { clock, epoll, moments } = this;
    const timeoutUs = this.blocks ? BLOCK_US : 0;
    let idle = 0;
    while (!this.broken && clock.us[0]! < moments[0]!) {
      const count = epoll.wait(timeoutUs);
      this.polls++;
      const before = this.requests;
      for (let n = 0; n < count; n++) {
        const i = epoll.key(n);
        const result = this.connections[i]!.receive();
        if (result === REPLY) this.reply(i);
        else if (result !== 0) this.odd(i, result);
      }
      if (this.requests !== before) idle = 0;
      else {
        this.emptyPolls++;
        if (this.blocks || ++idle % POLLS_PER_CLOCK === 0) this.checkTimeouts();
      }
      // A lost datagram among many that arrive would otherwise never be noticed.
      if (clock.us[0]! - moments[1]! > DATAGRAM_TIMEOUT_US) this.checkTimeouts();
    }
  }

  private reply(i: number): void {
    const { clock } = this;
    clock.read();
    this.latencies.record((clock.us[0]! - this.sentUs[i]!) * 1000);
    this.requests++;
    this.sentUs[i] = clock.us[0]!;
    if (!this.connections[i]!.send()) this.broken = true;
  }

  private request(i: number): void {
    this.clock.read();
    this.sentUs[i] = this.clock.us[0]!;
    if (!this.connections[i]!.send()) this.broken = true;
  }

  private odd(i: number, result: number): void {
    if (result === LATE) this.late++;
    else if (result === BROKEN) this.broken = true;
    else if (result === CORRUPTED) {
      this.corrupted++;
      this.request(i);
    }
  }

  private checkTimeouts(): void {
    const { clock } = this;
    clock.read();
    this.moments[1] = clock.us[0]!;
    for (let i = 0; i < this.connections.length; i++) {
      if (clock.us[0]! - this.sentUs[i]! < this.timeoutUs) continue;
      this.lost++;
      if (this.datagrams) this.request(i);
      else this.broken = true;
    }
  }

  close(): void {
    this.epoll.close();
    this.clock.close();
  }
}
