// A connection that is taken out of its stack: it sends nothing, not even an answer, until it goes on here or is gone.
// How it becomes bytes is record.ts, how bytes become one arrival.ts.

import { EAGAIN, ECANCELED, ECONNRESET, EPIPE } from '../../../runtime/errno.ts';
import type { Operation } from '../../../runtime/operation.ts';
import { type TcpConnection, TIMER_OFF, TIMER_RTO } from '../connection.ts';
import { orphan } from '../lifecycle.ts';
import {
  acceptPushes,
  failOperations,
  failPush,
  finishPush,
  holdPop,
  MAX_WAITING,
  movePush,
  queueFin,
  servePops,
} from '../operations.ts';
import { resetPeer } from '../reset.ts';
import { retransmissionTimeout } from '../rtt.ts';
import { setRetransmitTimer } from '../send.ts';
import { CLOSED } from '../states.ts';
import type { TcpLayer } from '../tcp-layer.ts';
import type { TcpQueue } from '../tcp-queue.ts';
import { armKeepAlive } from '../timers.ts';
import { acknowledgeNow, markReady } from '../transmit.ts';
import type { Holding, PacketSink } from './holding.ts';

/**
 * One connection between two stacks. While it is frozen the demultiplexer does not know it, its timers are off, and its packets
 * go to the holding; its state says CLOSED to everything that meets it, `state` here says what it will be again.
 *
 * Pops and pushes that the application issues meanwhile wait: they go on with the connection, or are cancelled when it is gone.
 */
export class FrozenConnection {
  readonly layer: TcpLayer;
  readonly connection: TcpConnection;
  readonly state: number;
  readonly holding: Holding;
  readonly queue: TcpQueue;
  /** Whether it has gone on, or is gone. */
  ended: boolean;
  /** The application has closed the queue meanwhile. */
  private queueClosed: boolean;

  constructor(layer: TcpLayer, connection: TcpConnection, state: number, holding: Holding, queue: TcpQueue) {
    this.layer = layer;
    this.connection = connection;
    this.state = state;
    this.holding = holding;
    this.queue = queue;
    this.ended = false;
    this.queueClosed = false;
    connection.state = CLOSED;
    holding.onClose = () => this.discard();
  }

  /** A push of the application's: it waits. */
  push(operation: Operation): void {
    const { layer, connection: c } = this;
    if (c.sndShut !== 0) failPush(layer, operation, EPIPE);
    else if (c.pushes.count >= MAX_WAITING) failPush(layer, operation, EAGAIN);
    else c.pushes.push(operation);
  }

  /** A pop of the application's: it waits. */
  pop(operation: Operation): void {
    holdPop(this.layer, this.connection, operation);
  }

  /** The application closes the queue: what it waits for is cancelled, the connection ends should it go on here. */
  close(): void {
    this.queueClosed = true;
    failOperations(this.layer, this.connection, ECANCELED);
  }

  /** The connection goes on here, with what has come for it meanwhile. */
  resume(): void {
    if (this.ended) return;
    this.ended = true;
    const { layer, connection: c, queue } = this;
    layer.readClock();
    c.state = this.state;
    layer.enterRetained(c);
    queue.thaw(c);
    this.armTimers();
    if (c.ackDelayed !== 0) {
      c.ackDelayed = 0;
      c.ackNow = 1;
    }
    c.mayHaveUnsent = 1;
    c.mayHaveUnread = 1;
    if (this.queueClosed) {
      this.holding.replay();
      orphan(layer, c);
      return;
    }
    servePops(layer, c);
    this.holding.replay();
    if (c.inTable === 0) return;
    acceptPushes(layer, c);
    markReady(layer, c);
  }

  private armTimers(): void {
    const { layer, connection: c } = this;
    const mode = c.timerMode;
    const probes = c.keepProbesSent;
    if (c.keepAlive !== 0) {
      armKeepAlive(layer, c);
      c.keepProbesSent = probes;
    }
    if (mode !== TIMER_OFF) {
      const leftUs = (c.timerDeadline - layer.clock.micros32) | 0;
      setRetransmitTimer(layer, c, mode, Math.max(leftUs, 0));
    }
    if (c.sndUna !== c.sndMax && mode !== TIMER_RTO) {
      setRetransmitTimer(layer, c, TIMER_RTO, retransmissionTimeout(c, layer.configuration));
    }
  }

  /**
   * The connection lives elsewhere: everything here is given back. Packets that still come are handed to `sink` for `graceUs`;
   * the stack does not answer them.
   */
  release(sink: PacketSink, graceUs: number): void {
    if (this.ended) return;
    this.holding.forward(sink, graceUs);
    this.end(ECANCELED);
  }

  /** Everything is given back, without a word to the peer. */
  discard(): void {
    if (this.ended) return;
    this.holding.close();
    this.end(ECANCELED);
  }

  /** No current copy is left anywhere: the peer is told, and the application. */
  reset(): void {
    if (this.ended) return;
    this.layer.readClock();
    resetPeer(this.layer, this.connection);
    this.holding.close();
    this.end(ECONNRESET);
  }

  /** Has the peer say again what it has and wants: on arrival, after the first byte may be sent. */
  greet(): void {
    const { layer, connection } = this;
    if (connection.inTable !== 0) acknowledgeNow(layer, connection);
  }

  private end(errno: number): void {
    this.ended = true;
    const { layer, connection: c, queue } = this;
    c.error = errno;
    c.sendQueue.clear();
    c.receiveQueue.clear();
    c.reassembly?.clear();
    c.reassembly = undefined;
    layer.ports.release(c.localPort);
    failOperations(layer, c, errno);
    queue.thaw(undefined);
  }
}

/** Takes a connection out of its stack. `c` is in a synchronized state, in the table, and has a queue. */
export function freeze(
  layer: TcpLayer,
  c: TcpConnection,
  queue: TcpQueue,
  packets: number,
): FrozenConnection {
  layer.readClock();
  // Pushes whose bytes wait for room complete now: the bytes travel. The order stays what the application made it.
  for (let push = c.pushes.shift(); push !== undefined; push = c.pushes.shift()) {
    movePush(layer, c, push, true);
    finishPush(layer, c, push);
  }
  if (c.sndShut !== 0) queueFin(layer, c);
  const { localAddress, localPort, remoteAddress, remotePort, state } = c;
  layer.timers.cancel(c.retransmitTimer);
  layer.timers.cancel(c.lifeTimer);
  if (c.resolving !== 0) {
    c.resolving = 0;
    layer.output.cancelResolve(c.route, c);
  }
  layer.demultiplexer.remove(c);
  layer.table.free(c);
  c.inTable = 0; // the use of the port stays taken
  const holding = layer.holdings.open(localAddress, localPort, remoteAddress, remotePort, packets);
  return new FrozenConnection(layer, c, state, holding, queue);
}
