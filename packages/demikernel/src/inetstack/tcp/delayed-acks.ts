// Acknowledgements that wait for data to ride on. All wait equally long, so one list in order of time and one timer do.

import type { Clock } from '../../runtime/clock.ts';
import { Timer, type TimerOwner, type TimerWheel } from '../../runtime/timer-wheel.ts';
import type { TcpConnection } from './connection.ts';
import { count, DELAYED_ACK } from './counters.ts';
import { CLOSED } from './states.ts';
import type { TcpLayer } from './tcp-layer.ts';
import { markReady } from './transmit.ts';

/**
 * Connections that owe an acknowledgement, the earliest deadline first.
 *
 * A connection whose acknowledgement has gone out with data stays on the list until its place comes up: taking it off
 * would cost every segment what it now costs one in many.
 */
export class DelayedAcks implements TimerOwner {
  private readonly layer: TcpLayer;
  private readonly clock: Clock;
  private readonly timers: TimerWheel;
  private readonly timer: Timer;
  private head: TcpConnection | undefined;
  private tail: TcpConnection | undefined;

  constructor(layer: TcpLayer) {
    this.layer = layer;
    this.clock = layer.clock;
    this.timers = layer.timers;
    this.timer = new Timer(this, 0);
    this.head = undefined;
    this.tail = undefined;
  }

  /** Adds a connection that is not on the list; its `ackDeadline` is set. */
  add(c: TcpConnection): void {
    c.ackListed = 1;
    c.ackNext = undefined;
    if (this.tail === undefined) {
      this.head = c;
      this.timers.arm(this.timer, this.layer.configuration.delayedAckUs);
    } else this.tail.ackNext = c;
    this.tail = c;
  }

  onTimer(): void {
    const now = this.clock.micros32;
    for (let c = this.head; c !== undefined; c = this.head) {
      const left = (c.ackDeadline - now) | 0;
      if (c.ackDelayed !== 0 && c.state !== CLOSED && left > 0 && !this.behind(c)) {
        this.timers.arm(this.timer, left);
        return;
      }
      this.head = c.ackNext;
      if (this.head === undefined) this.tail = undefined;
      c.ackNext = undefined;
      c.ackListed = 0;
      if (c.ackDelayed === 0 || c.state === CLOSED) continue;
      if (left > 0) {
        this.add(c);
        continue;
      }
      count(this.layer.counters, DELAYED_ACK);
      c.ackDelayed = 0;
      c.ackNow = 1;
      markReady(this.layer, c);
    }
  }

  /** Whether a connection was delayed anew after it was listed, so that its place is further back. */
  private behind(c: TcpConnection): boolean {
    return c.ackNext !== undefined && ((c.ackDeadline - c.ackNext.ackDeadline) | 0) > 0;
  }

  close(): void {
    this.timers.cancel(this.timer);
    this.head = undefined;
    this.tail = undefined;
  }
}
