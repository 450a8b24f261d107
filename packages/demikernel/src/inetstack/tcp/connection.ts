// The state of one connection (the TCB of RFC 9293 section 3.3.1). Which of it travels is state-fields.ts;
// what changes it is in receive.ts, acknowledge.ts, transmit.ts, timers.ts and lifecycle.ts.

import type { Operation } from '../../runtime/operation.ts';
import { OperationList } from '../../runtime/operation.ts';
import { Timer, type TimerOwner } from '../../runtime/timer-wheel.ts';
import type { Route, RouteListener } from '../ipv4/route.ts';
import type { ConnectionList } from './connection-list.ts';
import type { TcpListener } from './listener.ts';
import type { Reassembly } from './reassembly.ts';
import { ReceiveQueue } from './receive-queue.ts';
import { SendQueue } from './send-queue.ts';
import { CLOSED } from './states.ts';
import { DEFAULT_PEER_MSS } from './tcp-configuration.ts';
import type { TcpLayer } from './tcp-layer.ts';

/** Kinds of a connection's timers. */
export const TIMER_RETRANSMIT = 0;
export const TIMER_LIFE = 1;

/** What the retransmission timer is for (`timerMode`). */
export const TIMER_OFF = 0;
export const TIMER_RTO = 1;
export const TIMER_PERSIST = 2;
export const TIMER_TIME_WAIT = 3;

/** One connection. Every number is an int32: sequence numbers, bytes, microseconds of `Clock.micros32`, or as named. */
export class TcpConnection implements TimerOwner, RouteListener {
  readonly layer: TcpLayer;

  // Identity.
  readonly localAddress: number;
  readonly remoteAddress: number;
  readonly localPort: number;
  readonly remotePort: number;
  /** `(localPort << 16) | remotePort`: first word of our header, key of the table. */
  readonly ports: number;
  /** Partial checksum of the pseudo header without the length. */
  readonly pseudoSum: number;
  route: Route;
  /** 1 while `Ipv4Output.resolve` owes us an answer. */
  resolving: number;
  state: number;
  /** Why it ended; 0 while it lives or when it ended well. */
  error: number;
  /** A reason for failure that ICMP gave, used when the connection times out (RFC 1122 4.2.3.9). */
  softError: number;

  // Sending (RFC 9293 section 3.3.1).
  iss: number;
  sndUna: number;
  sndNxt: number;
  /** Highest SND.NXT so far: go-back-N moves `sndNxt` behind it. */
  sndMax: number;
  sndWnd: number;
  sndWl1: number;
  sndWl2: number;
  /** Largest window the peer has offered, for SWS avoidance (RFC 1122 4.2.3.4). */
  maxSndWnd: number;
  sndScale: number;
  /** Payload bytes of a full segment: Eff.snd.MSS (RFC 9293 section 3.7.1), timestamps taken off. */
  mss: number;
  peerMss: number;
  /** 1 once the application has closed its side: a FIN follows the queued bytes. */
  finQueued: number;
  /** 1 once the application will push no more; the FIN is queued when no push is pending. */
  sndShut: number;
  /** 1 to send a window or keepalive probe: an empty segment before SND.UNA, which must be answered. */
  probeNow: number;
  /** 1 to send a short segment although Nagle or SWS avoidance object: the override time-out. */
  forceSend: number;
  /** Bytes pushed and not acknowledged that are wanted before a push stays pending. */
  sendBufferBytes: number;
  noDelay: number;

  // Receiving.
  irs: number;
  rcvNxt: number;
  /** Right edge of the window we have advertised. */
  rcvAdv: number;
  rcvScale: number;
  /** 1 when both sides scale their windows. */
  wsEnabled: number;
  /** 1 when the peer takes selective acknowledgements. */
  sackEnabled: number;
  /** Largest payload received: what the peer's full segments look like. */
  rcvMss: number;
  receiveBufferBytes: number;
  /** SEG.ACK of the last segment we sent: Last.ACK.sent of RFC 7323. */
  lastAckSent: number;
  /** 1 when a FIN is known, at `rcvFinSeq`. */
  rcvFin: number;
  rcvFinSeq: number;
  /** 1 when the FIN has been reached: the stream has ended. */
  rcvEnded: number;
  /** 1 when the application wants no more data. */
  rcvShut: number;
  /** 1 to acknowledge in this turn. */
  ackNow: number;
  /** 1 when an acknowledgement is owed by `ackDeadline`. */
  ackDelayed: number;
  ackDeadline: number;
  /** 1 while it is on the layer's list of delayed acknowledgements. */
  ackListed: number;
  ackNext: TcpConnection | undefined;
  unackedBytes: number;
  unackedSegments: number;

  // Timestamps (RFC 7323).
  tsEnabled: number;
  tsOffset: number;
  tsRecent: number;
  tsRecentSeconds: number;

  // Round trip and retransmission (RFC 6298).
  srttUs8: number;
  rttvarUs4: number;
  rtoUs: number;
  /** Lower bound that spurious time-outs have taught: how long this peer delays acknowledgements. */
  rtoFloorUs: number;
  backoff: number;
  /** 1 while the segment that ends at `rttSeq`, sent at `rttStart`, is being timed. */
  rttTiming: number;
  rttSeq: number;
  rttStart: number;
  timerMode: number;
  /** When the time-out expires; the timer itself may fire earlier and look. */
  timerDeadline: number;
  /** When the armed timer fires. */
  timerAt: number;
  retransmitCount: number;
  probeCount: number;
  retransmitTotal: number;
  /** Milliseconds of the layer's clock when SND.UNA last moved, or data went out with none before it. */
  progressMs: number;
  userTimeoutMs: number;

  // Loss recovery (RFC 6582, RFC 3042) and congestion control (RFC 5681).
  dupAcks: number;
  inRecovery: number;
  recover: number;
  /** 1 to retransmit the oldest segment next. */
  retransmitHead: number;
  cwnd: number;
  ssthresh: number;
  cwndCredit: number;
  congestionWords: Int32Array | undefined;
  /** What to restore when a time-out was spurious (RFC 3522); `undoCwnd` 0 for nothing. */
  undoCwnd: number;
  undoSsthresh: number;
  undoTs: number;
  lastSendMs: number;

  // Keepalive and life.
  keepAlive: number;
  keepIdleMs: number;
  keepIntervalMs: number;
  keepProbes: number;
  keepProbesSent: number;
  lastReceiveMs: number;
  lastChallengeUs: number;
  lingerUs: number;
  /** 1 when the queue was closed: nobody reads, nobody is told. */
  orphan: number;
  /** 1 while it is in the demultiplexer. */
  inTable: number;
  /** Row of the connection table + 1, or 0. */
  row: number;

  // Ready list.
  inReady: number;
  moreToSend: number;
  readyNext: TcpConnection | undefined;

  // Data and operations.
  readonly sendQueue: SendQueue;
  /** 0 only while the send queue is empty, 1 when it may hold something: as `mayHaveUnread`. */
  mayHaveUnsent: number;
  readonly receiveQueue: ReceiveQueue;
  /** 0 only while the receive queue is empty, 1 when it may hold something: spares most pops a look at it. */
  mayHaveUnread: number;
  reassembly: Reassembly | undefined;
  /** The pop that the next bytes go to. One at a time is the usual case, and a list would be one more line of cache. */
  waitingPop: Operation | undefined;
  /** Pops behind `waitingPop`; made when there is one. */
  morePops: OperationList | undefined;
  /** Pushes whose bytes are not all in the send queue. */
  readonly pushes: OperationList;
  /** Pushes that complete when the peer has the bytes: `Operation.mark` is the sequence number behind them. */
  readonly ackedPushes: OperationList;
  connecting: Operation | undefined;

  // Who holds it.
  listener: TcpListener | undefined;
  list: ConnectionList | undefined;
  listPrevious: TcpConnection | undefined;
  listNext: TcpConnection | undefined;

  readonly retransmitTimer: Timer;
  readonly lifeTimer: Timer;

  constructor(
    layer: TcpLayer,
    route: Route,
    localAddress: number,
    localPort: number,
    remoteAddress: number,
    remotePort: number,
  ) {
    // In this order they lie in memory, eight to a cache line. What a segment in order and the pop behind it touch:
    this.layer = layer;
    this.ports = (localPort << 16) | remotePort;
    this.remoteAddress = remoteAddress | 0;
    this.localAddress = localAddress | 0;
    this.state = CLOSED;
    this.rcvNxt = 0;
    this.tsEnabled = 0;
    this.tsRecent = 0;
    this.sndUna = 0;
    this.sndMax = 0;
    this.dupAcks = 0;
    this.inRecovery = 0;
    this.sndWnd = 0;
    this.rcvAdv = 0;
    this.rcvFin = 0;
    this.rcvShut = 0;
    this.orphan = 0;
    this.lastAckSent = 0;
    this.tsRecentSeconds = 0;
    this.sndScale = 0;
    this.sndWl1 = 0;
    this.sndWl2 = 0;
    this.maxSndWnd = 0;
    this.lastReceiveMs = 0;
    this.reassembly = undefined;
    this.waitingPop = undefined;
    this.morePops = undefined;
    this.mayHaveUnread = 1;
    this.receiveQueue = new ReceiveQueue();
    this.connecting = undefined;
    this.error = 0;
    this.rcvEnded = 0;
    this.rcvMss = DEFAULT_PEER_MSS;
    this.unackedBytes = 0;
    this.unackedSegments = 0;
    this.ackNow = 0;
    this.ackDelayed = 0;
    this.ackDeadline = 0;
    this.ackListed = 0;
    this.ackNext = undefined;
    this.inReady = 0;
    // What an acknowledgement sent touches:
    this.readyNext = undefined;
    this.moreToSend = 0;
    this.probeNow = 0;
    this.retransmitHead = 0;
    this.sndNxt = 0;
    this.route = route;
    this.mayHaveUnsent = 1;
    this.sendQueue = new SendQueue();
    this.finQueued = 0;
    this.pseudoSum =
      (localAddress >>> 16) + (localAddress & 0xffff) + (remoteAddress >>> 16) + (remoteAddress & 0xffff) + 6;
    this.rcvScale = 0;
    this.receiveBufferBytes = 0;
    this.mss = DEFAULT_PEER_MSS;
    this.tsOffset = 0;
    // What data sent and acknowledged touches:
    this.cwnd = 0;
    this.noDelay = 0;
    this.timerMode = TIMER_OFF;
    this.timerDeadline = 0;
    this.timerAt = 0;
    this.rttTiming = 0;
    this.rttSeq = 0;
    this.rttStart = 0;
    this.lastSendMs = 0;
    this.progressMs = 0;
    this.backoff = 0;
    this.rtoUs = 0;
    this.rtoFloorUs = 0;
    this.srttUs8 = 0;
    this.rttvarUs4 = 0;
    this.retransmitCount = 0;
    this.undoCwnd = 0;
    this.ssthresh = 0;
    this.cwndCredit = 0;
    this.pushes = new OperationList();
    this.ackedPushes = new OperationList();
    // The rest.
    this.localPort = localPort;
    this.remotePort = remotePort;
    this.resolving = 0;
    this.softError = 0;
    this.iss = 0;
    this.peerMss = DEFAULT_PEER_MSS;
    this.sndShut = 0;
    this.forceSend = 0;
    this.sendBufferBytes = 0;
    this.irs = 0;
    this.wsEnabled = 0;
    this.sackEnabled = 0;
    this.rcvFinSeq = 0;
    this.probeCount = 0;
    this.retransmitTotal = 0;
    this.userTimeoutMs = 0;
    this.recover = 0;
    this.congestionWords = undefined;
    this.undoSsthresh = 0;
    this.undoTs = 0;
    this.keepAlive = 0;
    this.keepIdleMs = 0;
    this.keepIntervalMs = 0;
    this.keepProbes = 0;
    this.keepProbesSent = 0;
    this.lastChallengeUs = 0;
    this.lingerUs = -1;
    this.inTable = 0;
    this.row = 0;
    this.listener = undefined;
    this.list = undefined;
    this.listPrevious = undefined;
    this.listNext = undefined;
    this.retransmitTimer = new Timer(this, TIMER_RETRANSMIT);
    this.lifeTimer = new Timer(this, TIMER_LIFE);
  }

  onTimer(kind: number): void {
    this.layer.onTimer(this, kind);
  }

  routeReady(): void {
    this.layer.onRouteReady(this);
  }

  routeFailed(_route: Route, errno: number): void {
    this.layer.onRouteFailed(this, errno);
  }
}
