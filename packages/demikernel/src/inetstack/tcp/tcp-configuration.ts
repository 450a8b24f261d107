// What a user can set about TCP, and the defaults. The state these values govern is connection.ts.

/** Options of the TCP layer. Times in microseconds, sizes in bytes. */
export interface TcpOptions {
  /** Bytes queued for sending per connection before a push stays pending. Default 256 KiB. */
  sendBufferBytes?: number;
  /** Receive window per connection, and the memory its received slots may pin. Default 256 KiB. */
  receiveBufferBytes?: number;
  /** Largest segment we ask for in the MSS option; 0: from the route's MTU. Default 0. */
  maximumSegmentBytes?: number;
  /** Lower bound of the retransmission time-out. RFC 6298 says 1 s; a data centre's round trip is 1000 times shorter. Default 5 ms. */
  minimumRtoUs?: number;
  /**
   * How long peers may delay the acknowledgement of less than two segments: added to the time-out while no more is under
   * way. Default 45 ms, for Linux's 40; where every peer runs this stack, `delayedAckUs` of theirs is enough.
   */
  peerAckDelayUs?: number;
  /** Upper bound of the retransmission time-out (RFC 6298 (2.5)). Default 60 s. */
  maximumRtoUs?: number;
  /** Time-out before the first round trip was measured (RFC 6298 (2.1)). Default 1 s. */
  initialRtoUs?: number;
  /** Retransmissions of one segment before the connection is given up. Default 15. */
  maximumRetransmits?: number;
  /** Retransmissions of a SYN or SYN-ACK before it is given up. Default 6. */
  maximumSynRetransmits?: number;
  /** How long an acknowledgement may wait for data to ride on (RFC 9293 3.8.6.3 allows 500 ms). Default 500 µs. */
  delayedAckUs?: number;
  /** Segments that are acknowledged at once however small they are (peers count their window in segments). Default 4. */
  ackEverySegments?: number;
  /**
   * TIME-WAIT when timestamps are in use. Default 1 s: the state then only has to answer a retransmitted FIN, because
   * old duplicates fail PAWS: timestamps of one four-tuple never go back (RFC 6191, RFC 7323 section 5).
   */
  timeWaitUs?: number;
  /** TIME-WAIT without timestamps, where only time separates incarnations. Default 30 s. */
  timeWaitWithoutTimestampsUs?: number;
  /** Connections in TIME-WAIT at most; the oldest goes first. Default 16384. */
  maximumTimeWait?: number;
  /** How long a connection may live on after its queue was closed. Default 30 s. */
  orphanUs?: number;
  /** Connections without a queue at most; over it a close resets. Default 8192. */
  maximumOrphans?: number;
  /** Connections in all. Default 65536. */
  maximumConnections?: number;
  /** Half-open connections per listener at most. Default 1024. */
  synBacklog?: number;
  /**
   * Answer SYNs beyond `synBacklog`, or from neighbours we cannot ask for any more, with a cookie and without state (RFC 4987
   * section 3.6). Without cookies the oldest half-open connection gives way. Default true.
   */
  synCookies?: boolean;
  /** Least time between two challenge acknowledgements of one connection (RFC 5961 section 7). Default 10 ms. */
  challengeAckIntervalUs?: number;
  /** RSTs and other answers to unknown segments per second at most. Default 10000. */
  resetsPerSecond?: number;
  /** Offer and accept timestamps (RFC 7323). Default true. */
  timestamps?: boolean;
  /** Tell senders which bytes wait behind a hole (RFC 2018). Default true. */
  selectiveAcks?: boolean;
  /** Offer and accept window scaling (RFC 7323). Default true. */
  windowScaling?: boolean;
  /** Segments that one connection sends before the next one has its turn. Default 16. */
  transmitBurst?: number;
  /** First and last port that connect chooses from (RFC 6056). Default 49152 to 65535. */
  ephemeralFirst?: number;
  ephemeralLast?: number;
  /** Rows of the connection table that `ss` reads; 0 for none. Default 1024. */
  tableRows?: number;
  /** Congestion control of new connections. Default `newreno`. */
  congestionControl?: 'newreno' | 'none';
}

/** {@link TcpOptions} with every default filled in. */
export type TcpConfiguration = Required<TcpOptions>;

/** Smallest MSS we respect, whatever the peer or an ICMP message claims: smaller ones only serve attacks. */
export const MINIMUM_MSS = 88;
/** MSS of a peer that names none (RFC 9293 section 3.7.1). */
export const DEFAULT_PEER_MSS = 536;

export function tcpConfiguration(options: TcpOptions = {}): TcpConfiguration {
  return {
    sendBufferBytes: options.sendBufferBytes ?? 262_144,
    receiveBufferBytes: options.receiveBufferBytes ?? 262_144,
    maximumSegmentBytes: options.maximumSegmentBytes ?? 0,
    minimumRtoUs: options.minimumRtoUs ?? 5_000,
    peerAckDelayUs: options.peerAckDelayUs ?? 45_000,
    maximumRtoUs: options.maximumRtoUs ?? 60_000_000,
    initialRtoUs: options.initialRtoUs ?? 1_000_000,
    maximumRetransmits: options.maximumRetransmits ?? 15,
    maximumSynRetransmits: options.maximumSynRetransmits ?? 6,
    delayedAckUs: options.delayedAckUs ?? 500,
    ackEverySegments: options.ackEverySegments ?? 4,
    timeWaitUs: options.timeWaitUs ?? 1_000_000,
    timeWaitWithoutTimestampsUs: options.timeWaitWithoutTimestampsUs ?? 30_000_000,
    maximumTimeWait: options.maximumTimeWait ?? 16_384,
    orphanUs: options.orphanUs ?? 30_000_000,
    maximumOrphans: options.maximumOrphans ?? 8_192,
    maximumConnections: options.maximumConnections ?? 65_536,
    synBacklog: options.synBacklog ?? 1_024,
    synCookies: options.synCookies ?? true,
    challengeAckIntervalUs: options.challengeAckIntervalUs ?? 10_000,
    resetsPerSecond: options.resetsPerSecond ?? 10_000,
    timestamps: options.timestamps ?? true,
    selectiveAcks: options.selectiveAcks ?? true,
    windowScaling: options.windowScaling ?? true,
    transmitBurst: options.transmitBurst ?? 16,
    ephemeralFirst: options.ephemeralFirst ?? 49_152,
    ephemeralLast: options.ephemeralLast ?? 65_535,
    tableRows: options.tableRows ?? 1_024,
    congestionControl: options.congestionControl ?? 'newreno',
  };
}
