// Whether what a record says can be a connection: ranges of single fields, and what fields must mean to each other. A record comes
// from another host, and what passes here must not be able to crash, hang or corrupt this one.

import { MAX_WINDOW_BYTES } from '../congestion/new-reno.ts';
import { TIMER_PERSIST } from '../connection.ts';
import { MAX_WINDOW_SCALE } from '../options.ts';
import { MAX_BUFFER_BYTES, MIN_BUFFER_BYTES } from '../settings.ts';
import { CLOSE_WAIT, CLOSING, ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2, LAST_ACK, TIME_WAIT } from '../states.ts';
import { MINIMUM_MSS } from '../tcp-configuration.ts';
import { badRecord, type ConnectionRecord, type NumberField } from './record.ts';

const MAX_INT32 = 0x7fff_ffff;
const FLAG: readonly [number, number] = [0, 1];
const COUNT: readonly [number, number] = [0, MAX_INT32];
/** Of retransmissions, probes, back-off: numbers that only ever grow a little. */
const SMALL: readonly [number, number] = [0, 1000];

/** Lowest and highest value of a field; what is not here may be any int32: sequence numbers, moments, timestamps. */
const RANGES: Partial<Record<NumberField, readonly [number, number]>> = {
  localPort: [1, 0xffff],
  remotePort: [1, 0xffff],
  state: [ESTABLISHED, TIME_WAIT - 1],
  sndWnd: [0, MAX_WINDOW_BYTES],
  maxSndWnd: [0, MAX_WINDOW_BYTES],
  sndScale: [0, MAX_WINDOW_SCALE],
  rcvScale: [0, MAX_WINDOW_SCALE],
  mss: [MINIMUM_MSS - 12, 0xffff],
  peerMss: [MINIMUM_MSS, 0xffff],
  finQueued: FLAG,
  sndShut: FLAG,
  probeNow: FLAG,
  forceSend: FLAG,
  noDelay: FLAG,
  wsEnabled: FLAG,
  sackEnabled: FLAG,
  tsEnabled: FLAG,
  rcvFin: FLAG,
  rcvEnded: FLAG,
  rcvShut: FLAG,
  ackNow: FLAG,
  ackDelayed: FLAG,
  rttTiming: FLAG,
  inRecovery: FLAG,
  retransmitHead: FLAG,
  keepAlive: FLAG,
  sendBufferBytes: [MIN_BUFFER_BYTES, MAX_BUFFER_BYTES],
  receiveBufferBytes: [MIN_BUFFER_BYTES, MAX_BUFFER_BYTES],
  rcvMss: [0, 0xffff],
  unackedBytes: COUNT,
  unackedSegments: COUNT,
  srttUs8: COUNT,
  rttvarUs4: COUNT,
  rtoUs: [1, MAX_INT32],
  rtoFloorUs: COUNT,
  backoff: [0, 30],
  timerMode: [0, TIMER_PERSIST],
  retransmitCount: SMALL,
  probeCount: SMALL,
  retransmitTotal: COUNT,
  userTimeoutMs: COUNT,
  dupAcks: COUNT,
  cwnd: [1, MAX_WINDOW_BYTES],
  ssthresh: [0, MAX_WINDOW_BYTES],
  cwndCredit: [0, MAX_WINDOW_BYTES],
  undoCwnd: [0, MAX_WINDOW_BYTES],
  undoSsthresh: [0, MAX_WINDOW_BYTES],
  keepIdleMs: COUNT,
  keepIntervalMs: [0, MAX_INT32],
  keepProbes: [0, 127],
  keepProbesSent: [0, 127],
  lingerUs: [-1, MAX_INT32],
};

/** Socket options: the ranges that setsockopt has. */
const OPTION_RANGES: Readonly<Record<string, readonly [number, number]>> = {
  noDelay: FLAG,
  lingerUs: [-1, Number.MAX_SAFE_INTEGER],
  keepAlive: FLAG,
  keepAliveIdleUs: [1000, MAX_INT32 * 1000],
  keepAliveIntervalUs: [1000, MAX_INT32 * 1000],
  keepAliveProbes: [1, 127],
  userTimeoutUs: [0, MAX_INT32 * 1000],
  sendBufferBytes: [MIN_BUFFER_BYTES, MAX_BUFFER_BYTES],
  receiveBufferBytes: [MIN_BUFFER_BYTES, MAX_BUFFER_BYTES],
  reuseAddress: FLAG,
};

/** Segments that may lie out of order: as many as the connection's share of memory lets in (receive-slow.ts). */
export function pieceLimit(receiveBufferBytes: number): number {
  return (receiveBufferBytes >> 10) + 4;
}

// Listed once: a list of sixty pairs per connection is garbage that a move waits for.
const RANGE_LIST: readonly [string, readonly [number, number]][] = Object.entries(RANGES);
const OPTION_RANGE_LIST: readonly [string, readonly [number, number]][] = Object.entries(OPTION_RANGES);

/** @throws ERR_DEMI_RECORD naming the first thing that cannot be */
export function checkRecord(record: ConnectionRecord): void {
  const { fields, options } = record;
  for (const [name, range] of RANGE_LIST) {
    const value = fields[name as NumberField];
    if (value < range[0] || value > range[1]) throw badRecord(`${name} is ${value}`);
  }
  for (const [name, range] of OPTION_RANGE_LIST) {
    const value = options[name]!;
    // Also false for what is no number.
    if (!(value >= range[0] && value <= range[1])) throw badRecord(`option ${name} is ${value}`);
  }
  const why = sendingFault(record) ?? receivingFault(record) ?? finFault(record);
  if (why !== undefined) throw badRecord(why);
}

/** What of SND.UNA, SND.NXT, SND.MAX, the FIN and the bytes do not go together. */
function sendingFault(record: ConnectionRecord): string | undefined {
  const { fields: f, sendBytes } = record;
  const flight = (f.sndMax - f.sndUna) | 0;
  const next = (f.sndNxt - f.sndUna) | 0;
  if (next < 0 || flight < next) return 'SND.NXT is not between SND.UNA and SND.MAX';
  if (flight > sendBytes.length + f.finQueued) return 'more is under way than the send queue holds';
  if (f.maxSndWnd < f.sndWnd) return 'the largest window was larger';
  if (f.wsEnabled === 0 && (f.sndScale | f.rcvScale) !== 0) return 'windows are scaled and are not';
  if (f.keepAlive !== 0 && (f.keepIdleMs === 0 || f.keepIntervalMs === 0)) return 'keepalive never rests';
  return undefined;
}

function receivingFault(record: ConnectionRecord): string | undefined {
  const { fields: f, receiveBytes, pieces } = record;
  const window = (f.rcvAdv - f.rcvNxt) | 0;
  // A FIN takes its place whatever the window.
  if (window < -1 || window > MAX_WINDOW_BYTES) return 'the window we offered is none';
  if (f.rcvShut !== 0 && (receiveBytes.length > 0 || pieces.length > 0)) return 'bytes wait for nobody';
  if (receiveBytes.length > 2 * MAX_BUFFER_BYTES) return 'more was received than ever fits';
  if (pieces.length > pieceLimit(f.receiveBufferBytes)) return 'too much is out of order';
  let end = 0;
  for (const { start, bytes } of pieces) {
    if (bytes.length === 0 || start <= end - 1 || start === 0) return 'pieces overlap or begin in order';
    if (start + bytes.length > window) return 'a piece lies outside of the window';
    end = start + bytes.length;
  }
  if (f.rcvFin !== 0 && f.rcvEnded === 0 && end > ((f.rcvFinSeq - f.rcvNxt) | 0))
    return 'bytes lie behind the FIN';
  return undefined;
}

/** States, FINs and ends that contradict each other (RFC 9293 section 3.3.2). */
function finFault(record: ConnectionRecord): string | undefined {
  const { fields: f, sendBytes, pieces } = record;
  const { state } = f;
  const closedBySelf =
    state === FIN_WAIT_1 || state === FIN_WAIT_2 || state === CLOSING || state === LAST_ACK;
  if (closedBySelf !== (f.finQueued !== 0)) return 'the state and our FIN disagree';
  if (f.finQueued !== 0 && f.sndShut === 0) return 'a FIN is queued and more may be pushed';
  if (state === FIN_WAIT_2 && (f.sndMax !== f.sndUna || sendBytes.length > 0))
    return 'our FIN is not acknowledged';
  const closedByPeer = state === CLOSE_WAIT || state === CLOSING || state === LAST_ACK;
  if (closedByPeer !== (f.rcvEnded !== 0)) return 'the state and the peer’s FIN disagree';
  if (f.rcvEnded !== 0) {
    if (f.rcvFin === 0 || ((f.rcvFinSeq + 1) | 0) !== f.rcvNxt) return 'the stream ends elsewhere';
    if (pieces.length > 0) return 'something lies behind the end of the stream';
  } else if (f.rcvFin !== 0 && ((f.rcvFinSeq - f.rcvNxt) | 0) <= 0) return 'the FIN has been passed';
  return undefined;
}
