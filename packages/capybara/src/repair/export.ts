// Reading a connection out of the kernel: freeze, take its state, and then either thaw or abandon it.
//
//   established --freeze--> frozen --export--> record --abandon--> gone, and the peer has heard nothing
//                             '-----------thaw----------> established again
//
// TCP_REPAIR alone keeps the socket answering: segments would be acknowledged that the record does not have. So a frozen
// socket is deaf as well: a filter that accepts nothing drops every segment before TCP sees it. Filter and repair mode are
// the socket's: they end with it, however the process ends.
//
// Nor does repair mode stop the timers: a pacing timer would go on sending, and the record would not know. It is the
// selected send queue that stops it, from the moment it is read. Retransmissions and acknowledgements may still leave;
// they say nothing that the record does not.

import { DemiError } from '@demikernel/memory';
import {
  AF_INET6,
  check,
  closeDescriptor,
  deafen,
  getSocketOption,
  IPPROTO_TCP,
  peekQueue,
  peerName,
  queueSequence,
  REPAIR_NO_QUEUE,
  REPAIR_OFF,
  REPAIR_ON,
  REPAIR_RECEIVE_QUEUE,
  REPAIR_SEND_QUEUE,
  repairWindow,
  SO_REUSEADDR,
  SOL_SOCKET,
  SocketAddress,
  selectRepairQueue,
  setRepair,
  setSocketOption,
  socketName,
  TCP_MAXSEG,
  type TcpNegotiated,
  tcpNegotiated,
  tcpTimestamp,
  unacknowledgedBytes,
  undeafen,
  unreadBytes,
  unsentBytes,
} from '@demikernel/native/kernel';
import {
  hasClosedWriting,
  hasPeerClosed,
  isMovable,
  type KernelConnection,
  MAX_QUEUE_BYTES,
} from './connection-record.ts';
import { congestionControl, readOptions } from './socket-options.ts';

const CAPABILITIES: readonly string[] = ['CAP_NET_ADMIN'];
const WINDOW_WORDS = 5;

/**
 * Freezes a connected socket: from now on it neither changes nor answers; segments that arrive are dropped. A peer that
 * sends into the gap sends again, so send its packets to the target first, where a `FlowHold` keeps them.
 *
 * @param fd a connected TCP socket, non-blocking
 * @throws DemiError `ERR_DEMI_PERMISSION` without CAP_NET_ADMIN; the socket is then as it was
 */
export function freeze(fd: number): void {
  check(deafen(fd), 'setsockopt(SO_ATTACH_FILTER)');
  const result = setRepair(fd, REPAIR_ON);
  if (result >= 0) return;
  undeafen(fd);
  check(result, 'setsockopt(TCP_REPAIR)', { capabilities: CAPABILITIES, detail: 'freezing a connection' });
}

/** Lets a frozen connection go on here. A window probe tells the peer, so that it sends again what was dropped. */
export function thaw(fd: number): void {
  undeafen(fd);
  selectRepairQueue(fd, REPAIR_NO_QUEUE);
  check(setRepair(fd, REPAIR_OFF), 'setsockopt(TCP_REPAIR)', { detail: 'thawing a connection' });
  // Entering repair mode turned it on, leaving it turned it off (do_tcp_setsockopt): most listeners want it on.
  setSocketOption(fd, SOL_SOCKET, SO_REUSEADDR, 1);
}

/**
 * Closes a frozen connection: the peer hears neither FIN nor RST. Not before its packets go elsewhere for certain: a
 * straggler that finds no socket draws a reset, which the frozen socket would have swallowed.
 */
export function abandon(fd: number): void {
  closeDescriptor(fd);
}

/**
 * The state of a frozen connection. It stays frozen.
 *
 * Segments received out of order are not in it: they were never acknowledged but selectively, and a receiver may forget
 * those (RFC 2018 section 8); the peer sends them again.
 *
 * @throws DemiError `ERR_DEMI_STATE` for a connection that is being made or is over, `ERR_DEMI_SYSCALL` for a socket that
 *   is not frozen
 */
export function exportConnection(fd: number): KernelConnection {
  const negotiated = {} as TcpNegotiated;
  check(tcpNegotiated(fd, negotiated), 'getsockopt(TCP_INFO)');
  const { state } = negotiated;
  if (!isMovable(state)) {
    throw new DemiError('ERR_DEMI_STATE', `A connection in state ${state} (tcp_states.h) does not move`);
  }
  const name = new SocketAddress();
  try {
    check(socketName(fd, name), 'getsockname');
    const ipv6 = name.family === AF_INET6;
    const local = { address: name.text(), port: name.port };
    check(peerName(fd, name), 'getpeername');
    const remote = { address: name.text(), port: name.port };
    const window = new Uint32Array(WINDOW_WORDS);
    check(repairWindow(fd, window), 'getsockopt(TCP_REPAIR_WINDOW)');
    const timestamp = new Uint32Array(1);
    check(tcpTimestamp(fd, timestamp), 'getsockopt(TCP_TIMESTAMP)');
    // The send queue last: while it is selected the kernel sends nothing new (tcp_write_xmit), and it stays selected.
    const received = receiveQueue(fd, state);
    const written = sendQueue(fd, state);
    return {
      local,
      remote,
      ...negotiated,
      mss: check(getSocketOption(fd, IPPROTO_TCP, TCP_MAXSEG), 'getsockopt(TCP_MAXSEG)'),
      timestamp: timestamp[0]!,
      window,
      ...received,
      ...written,
      options: readOptions(fd, ipv6),
      congestionControl: congestionControl(fd),
    };
  } finally {
    name.close();
  }
}

function receiveQueue(fd: number, state: number): Pick<KernelConnection, 'received' | 'receiveSequence'> {
  check(selectRepairQueue(fd, REPAIR_RECEIVE_QUEUE), 'setsockopt(TCP_REPAIR_QUEUE)');
  const received = peeked(fd, check(unreadBytes(fd), 'ioctl(SIOCINQ)'));
  // The sequence number behind the bytes, and behind the FIN.
  const end = sequence(fd) - (hasPeerClosed(state) ? 1 : 0);
  return { received, receiveSequence: (end - received.length) >>> 0 };
}

function sendQueue(fd: number, state: number): Pick<KernelConnection, 'sent' | 'unsent' | 'sendSequence'> {
  check(selectRepairQueue(fd, REPAIR_SEND_QUEUE), 'setsockopt(TCP_REPAIR_QUEUE)');
  const fin = hasClosedWriting(state) ? 1 : 0;
  const behindFin = check(unacknowledgedBytes(fd), 'ioctl(SIOCOUTQ)');
  const notSent = check(unsentBytes(fd), 'ioctl(SIOCOUTQNSD)');
  // A FIN takes one number of the sequence: acknowledged, or still counted by both.
  const length = Math.max(behindFin - fin, 0);
  const unsentLength = Math.min(Math.max(notSent - fin, 0), length);
  const bytes = peeked(fd, length);
  return {
    sendSequence: (sequence(fd) - fin - length) >>> 0,
    sent: bytes.subarray(0, length - unsentLength),
    unsent: bytes.subarray(length - unsentLength),
  };
}

const sequenceNumber = new Uint32Array(1);

function sequence(fd: number): number {
  check(queueSequence(fd, sequenceNumber), 'getsockopt(TCP_QUEUE_SEQ)');
  return sequenceNumber[0]!;
}

function peeked(fd: number, length: number): Uint8Array {
  if (length > MAX_QUEUE_BYTES) {
    throw new DemiError('ERR_DEMI_RANGE', `A queue of ${length} bytes: at most ${MAX_QUEUE_BYTES} move`);
  }
  const bytes = new Uint8Array(length);
  if (length === 0) return bytes;
  const got = check(peekQueue(fd, bytes), 'recv(MSG_PEEK)');
  if (got !== length)
    throw new DemiError('ERR_DEMI_STATE', `A queue of ${length} bytes gave ${got}: not frozen?`);
  return bytes;
}
