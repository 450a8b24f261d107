// A kernel TCP connection as a value, and as bytes that travel. How it is read out of a socket and put into another is
// export.ts and import.ts.

import { DemiError } from '@demikernel/memory';
import {
  formatIpAddress,
  parseIpAddress,
  TCP_CLOSE_WAIT,
  TCP_CLOSING,
  TCP_ESTABLISHED,
  TCP_FIN_WAIT1,
  TCP_FIN_WAIT2,
  TCP_LAST_ACK,
} from '@demikernel/native/kernel';

/** One end of a connection. */
export interface Endpoint {
  /** IPv4 or IPv6 address as text. */
  address: string;
  port: number;
}

/** Socket options that a service sets and a client can notice. Times in the units of their options: s, s, -, ms. */
export interface CarriedOptions {
  noDelay: number;
  keepAlive: number;
  keepIdleSeconds: number;
  keepIntervalSeconds: number;
  keepCount: number;
  userTimeoutMs: number;
  /** As the kernel tells them: twice what was asked for, tcp(7). */
  sendBufferBytes: number;
  receiveBufferBytes: number;
  /** Which of the two the application has chosen, so that the kernel does not: SO_BUF_LOCK. */
  bufferLock: number;
  /** TOS of IPv4, traffic class of IPv6. */
  trafficClass: number;
}

/** Everything of a kernel TCP connection that its peer can notice. Sequence numbers are uint32. */
export interface KernelConnection {
  local: Endpoint;
  remote: Endpoint;
  /** TCP_ESTABLISHED and so on, include/net/tcp_states.h. */
  state: number;
  /** What the peer announced, in bytes. */
  mss: number;
  timestamps: boolean;
  selectiveAcknowledgements: boolean;
  windowScaling: boolean;
  sendScale: number;
  receiveScale: number;
  /** The timestamp clock, in its own ticks. */
  timestamp: number;
  /** snd_wl1, snd_wnd, max_window, rcv_wnd, rcv_wup of struct tcp_repair_window. */
  window: Uint32Array;
  /** Of the first byte of `sent`. */
  sendSequence: number;
  /** Of the first byte of `received`. */
  receiveSequence: number;
  /** Sent and not acknowledged. */
  sent: Uint8Array;
  /** Written and not sent. */
  unsent: Uint8Array;
  /** Received and not read. */
  received: Uint8Array;
  options: CarriedOptions;
  /** Name of the congestion control. */
  congestionControl: string;
}

/** Whether we have sent our FIN, or owe it behind the data: every state but the two in which we may still write. */
export function hasClosedWriting(state: number): boolean {
  return state !== TCP_ESTABLISHED && state !== TCP_CLOSE_WAIT;
}

/** Whether the peer's FIN has arrived. */
export function hasPeerClosed(state: number): boolean {
  return state === TCP_CLOSE_WAIT || state === TCP_CLOSING || state === TCP_LAST_ACK;
}

// "DKTR", version, then fixed fields, then lengths and bytes. Little-endian.
const MAGIC = 0x5254_4b44;
const VERSION = 1;
const FIXED_BYTES = 152;
const AT_STATE = 6;
const AT_FLAGS = 7;
const AT_LOCAL = 8;
const AT_REMOTE = 26;
const AT_MSS = 44;
const AT_SCALES = 46;
const AT_TIMESTAMP = 48;
const AT_WINDOW = 52;
const WINDOW_WORDS = 5;
const AT_SEND_SEQUENCE = 72;
const AT_RECEIVE_SEQUENCE = 76;
const AT_OPTIONS = 80;
const AT_CONGESTION = 120;
const CONGESTION_BYTES = 16;
const AT_LENGTHS = 136;
const AT_TOTAL = 148;
const FLAG_IPV6 = 1;
const FLAG_TIMESTAMPS = 2;
const FLAG_SACK = 4;
const FLAG_SCALING = 8;
const KNOWN_FLAGS = 15;
/** RFC 7323 section 2.3. */
const MAX_SCALE = 14;
/** Least the kernel accepts for TCP_MAXSEG: TCP_MIN_MSS, include/net/tcp.h. */
const MIN_MSS = 88;

/** Bytes in one queue of a record at most: more than tcp_wmem and tcp_rmem allow by default. */
export const MAX_QUEUE_BYTES: number = 64 << 20;

const OPTION_FIELDS = [
  'noDelay',
  'keepAlive',
  'keepIdleSeconds',
  'keepIntervalSeconds',
  'keepCount',
  'userTimeoutMs',
  'sendBufferBytes',
  'receiveBufferBytes',
  'bufferLock',
  'trafficClass',
] as const satisfies readonly (keyof CarriedOptions)[];

/** The connection as bytes, to be read by {@link decodeConnection} on another host. */
export function encodeConnection(connection: KernelConnection): Uint8Array {
  const { received, sent, unsent } = connection;
  const bytes = new Uint8Array(FIXED_BYTES + received.length + sent.length + unsent.length);
  const view = new DataView(bytes.buffer);
  const local = parseIpAddress(connection.local.address);
  const remote = parseIpAddress(connection.remote.address);
  view.setUint32(0, MAGIC, true);
  view.setUint16(4, VERSION, true);
  view.setUint8(AT_STATE, connection.state);
  view.setUint8(
    AT_FLAGS,
    (local.length === 16 ? FLAG_IPV6 : 0) |
      (connection.timestamps ? FLAG_TIMESTAMPS : 0) |
      (connection.selectiveAcknowledgements ? FLAG_SACK : 0) |
      (connection.windowScaling ? FLAG_SCALING : 0),
  );
  bytes.set(local, AT_LOCAL);
  view.setUint16(AT_LOCAL + 16, connection.local.port, true);
  bytes.set(remote, AT_REMOTE);
  view.setUint16(AT_REMOTE + 16, connection.remote.port, true);
  view.setUint16(AT_MSS, connection.mss, true);
  view.setUint8(AT_SCALES, connection.sendScale);
  view.setUint8(AT_SCALES + 1, connection.receiveScale);
  view.setUint32(AT_TIMESTAMP, connection.timestamp, true);
  for (let i = 0; i < WINDOW_WORDS; i++) view.setUint32(AT_WINDOW + 4 * i, connection.window[i]!, true);
  view.setUint32(AT_SEND_SEQUENCE, connection.sendSequence, true);
  view.setUint32(AT_RECEIVE_SEQUENCE, connection.receiveSequence, true);
  for (const [i, field] of OPTION_FIELDS.entries()) {
    view.setUint32(AT_OPTIONS + 4 * i, connection.options[field], true);
  }
  bytes.set(Buffer.from(connection.congestionControl, 'latin1').subarray(0, CONGESTION_BYTES), AT_CONGESTION);
  view.setUint32(AT_LENGTHS, received.length, true);
  view.setUint32(AT_LENGTHS + 4, sent.length, true);
  view.setUint32(AT_LENGTHS + 8, unsent.length, true);
  view.setUint32(AT_TOTAL, bytes.length, true);
  bytes.set(received, FIXED_BYTES);
  bytes.set(sent, FIXED_BYTES + received.length);
  bytes.set(unsent, FIXED_BYTES + received.length + sent.length);
  return bytes;
}

/**
 * Reads what {@link encodeConnection} wrote. The queues of the result lie in `bytes`.
 *
 * @throws DemiError `ERR_DEMI_RECORD` for anything else: another version, a length that is not there, a value that no
 *   connection has
 */
export function decodeConnection(bytes: Uint8Array): KernelConnection {
  if (bytes.length < FIXED_BYTES) throw refused(`${bytes.length} bytes are no connection`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0, true) !== MAGIC) throw refused('not a connection');
  const version = view.getUint16(4, true);
  if (version !== VERSION) throw refused(`version ${version}: this is version ${VERSION}`);
  const state = view.getUint8(AT_STATE);
  if (!isMovable(state)) throw refused(`a connection in state ${state} does not move`);
  const flags = view.getUint8(AT_FLAGS);
  if ((flags & ~KNOWN_FLAGS) !== 0) throw refused(`flags ${flags}`);
  const lengths = [0, 4, 8].map(at => view.getUint32(AT_LENGTHS + at, true));
  const [received, sent, unsent] = lengths as [number, number, number];
  // Each is below 2^32, so that the sum is exact.
  if (
    lengths.some(length => length > MAX_QUEUE_BYTES) ||
    FIXED_BYTES + received + sent + unsent !== bytes.length ||
    view.getUint32(AT_TOTAL, true) !== bytes.length
  ) {
    throw refused('its lengths do not add up');
  }
  const [sendScale, receiveScale] = [view.getUint8(AT_SCALES), view.getUint8(AT_SCALES + 1)];
  if (sendScale > MAX_SCALE || receiveScale > MAX_SCALE) throw refused('a window scale above 14');
  const mss = view.getUint16(AT_MSS, true);
  if (mss < MIN_MSS) throw refused(`a segment size of ${mss}`);
  const options = {} as CarriedOptions;
  for (const [i, field] of OPTION_FIELDS.entries()) {
    const value = view.getUint32(AT_OPTIONS + 4 * i, true);
    if (value > 0x7fff_ffff) throw refused(`option ${field} of ${value}`);
    options[field] = value;
  }
  const congestionControl = Buffer.from(bytes.subarray(AT_CONGESTION, AT_CONGESTION + CONGESTION_BYTES))
    .toString('latin1')
    .replace(/\0.*$/s, '');
  if (!/^[a-z0-9_-]{0,15}$/.test(congestionControl)) throw refused('its congestion control has no name');
  const ipv6 = (flags & FLAG_IPV6) !== 0;
  const sentAt = FIXED_BYTES + received;
  return {
    local: endpoint(bytes, view, AT_LOCAL, ipv6),
    remote: endpoint(bytes, view, AT_REMOTE, ipv6),
    state,
    mss,
    timestamps: (flags & FLAG_TIMESTAMPS) !== 0,
    selectiveAcknowledgements: (flags & FLAG_SACK) !== 0,
    windowScaling: (flags & FLAG_SCALING) !== 0,
    sendScale,
    receiveScale,
    timestamp: view.getUint32(AT_TIMESTAMP, true),
    window: Uint32Array.from({ length: WINDOW_WORDS }, (_, i) => view.getUint32(AT_WINDOW + 4 * i, true)),
    sendSequence: view.getUint32(AT_SEND_SEQUENCE, true),
    receiveSequence: view.getUint32(AT_RECEIVE_SEQUENCE, true),
    received: bytes.subarray(FIXED_BYTES, sentAt),
    sent: bytes.subarray(sentAt, sentAt + sent),
    unsent: bytes.subarray(sentAt + sent),
    options,
    congestionControl,
  };
}

/** Established, or half or wholly closing: not while it is being made, and not when it is over. */
export function isMovable(state: number): boolean {
  return (
    state === TCP_ESTABLISHED ||
    state === TCP_CLOSE_WAIT ||
    state === TCP_FIN_WAIT1 ||
    state === TCP_FIN_WAIT2 ||
    state === TCP_CLOSING ||
    state === TCP_LAST_ACK
  );
}

function endpoint(bytes: Uint8Array, view: DataView, at: number, ipv6: boolean): Endpoint {
  const port = view.getUint16(at + 16, true);
  if (port === 0) throw refused('port 0');
  return { address: formatIpAddress(bytes.subarray(at, at + (ipv6 ? 16 : 4)))!, port };
}

function refused(why: string): DemiError {
  return new DemiError('ERR_DEMI_RECORD', `Not a connection that can be restored: ${why}`);
}
