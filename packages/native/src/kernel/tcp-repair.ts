// TCP_REPAIR: reading and writing the state of the kernel's own TCP connections. One call per door; the order in which
// they must come is the caller's affair. Needs CAP_NET_ADMIN in the socket's network namespace.
//
// Source: include/uapi/linux/tcp.h, net/ipv4/tcp.c (do_tcp_setsockopt, do_tcp_getsockopt).

import { addressOf, errno, libc, type NativeBuffer } from './library.ts';
import { MSG_DONTWAIT, MSG_NOSIGNAL, MSG_PEEK } from './message.ts';
import {
  getSocketOptionBytes,
  IPPROTO_TCP,
  SOL_SOCKET,
  setSocketOption,
  setSocketOptionBytes,
  TCP_INFO,
} from './socket.ts';

const TCP_REPAIR = 19;
const TCP_REPAIR_QUEUE = 20;
const TCP_QUEUE_SEQ = 21;
const TCP_REPAIR_OPTIONS = 22;
const TCP_TIMESTAMP = 24;
const TCP_REPAIR_WINDOW = 29;
const SO_ATTACH_FILTER = 26;
const SO_DETACH_FILTER = 27;

/** Modes of {@link setRepair}. Leaving by 0 sends a window probe; leaving by -1 sends nothing. */
export const REPAIR_ON = 1;
export const REPAIR_OFF = 0;
export const REPAIR_OFF_SILENTLY = -1;

/** Queues of {@link selectRepairQueue}. */
export const REPAIR_NO_QUEUE = 0;
export const REPAIR_RECEIVE_QUEUE = 1;
export const REPAIR_SEND_QUEUE = 2;

// include/net/tcp_states.h
export const TCP_ESTABLISHED = 1;
export const TCP_FIN_WAIT1 = 4;
export const TCP_FIN_WAIT2 = 5;
export const TCP_CLOSE = 7;
export const TCP_CLOSE_WAIT = 8;
export const TCP_LAST_ACK = 9;
export const TCP_LISTEN = 10;
export const TCP_CLOSING = 11;

// struct tcp_info: tcpi_state@0, tcpi_options@5, window scales in the halves of the byte @6.
const INFO_BYTES = 8;
const INFO_TIMESTAMPS = 1;
const INFO_SACK = 2;
const INFO_WINDOW_SCALE = 4;

/** What was agreed on when the connection was made. */
export interface TcpNegotiated {
  /** TCP_ESTABLISHED and so on. */
  state: number;
  timestamps: boolean;
  selectiveAcknowledgements: boolean;
  windowScaling: boolean;
  /** Shift of the windows we receive, and of those we send. */
  sendScale: number;
  receiveScale: number;
}

const info = new Uint8Array(INFO_BYTES);
const word = new Uint32Array(1);

/** The part of TCP_INFO that does not change, and the state. Written to `out`. 0 or a negative errno. */
export function tcpNegotiated(fd: number, out: TcpNegotiated): number {
  const result = getSocketOptionBytes(fd, IPPROTO_TCP, TCP_INFO, info);
  if (result < 0) return result;
  const options = info[5]!;
  out.state = info[0]!;
  out.timestamps = (options & INFO_TIMESTAMPS) !== 0;
  out.selectiveAcknowledgements = (options & INFO_SACK) !== 0;
  out.windowScaling = (options & INFO_WINDOW_SCALE) !== 0;
  out.sendScale = info[6]! & 15;
  out.receiveScale = info[6]! >> 4;
  return 0;
}

/** Enters or leaves repair mode: REPAIR_…. 0 or a negative errno; -EPERM without CAP_NET_ADMIN. */
export function setRepair(fd: number, mode: number): number {
  return setSocketOption(fd, IPPROTO_TCP, TCP_REPAIR, mode);
}

/** The queue that sequence numbers, {@link peekQueue} and {@link fillQueue} mean from now on. */
export function selectRepairQueue(fd: number, queue: number): number {
  return setSocketOption(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, queue);
}

/** The selected queue's sequence number, into `out[0]`: `write_seq` of the send queue, `rcv_nxt` of the other. */
export function queueSequence(fd: number, out: Uint32Array): number {
  return getSocketOptionBytes(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, out);
}

/** Sets the selected queue's sequence number, on a socket that is not connected. */
export function setQueueSequence(fd: number, sequence: number): number {
  word[0] = sequence;
  return setSocketOptionBytes(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, word);
}

/** The connection's timestamp clock in its own ticks, into `out[0]`. */
export function tcpTimestamp(fd: number, out: Uint32Array): number {
  return getSocketOptionBytes(fd, IPPROTO_TCP, TCP_TIMESTAMP, out);
}

/** Sets the timestamp clock, so that the next segment does not go back in time (RFC 7323 section 5). */
export function setTcpTimestamp(fd: number, value: number): number {
  word[0] = value;
  return setSocketOptionBytes(fd, IPPROTO_TCP, TCP_TIMESTAMP, word);
}

/** `struct tcp_repair_window` as five words: snd_wl1, snd_wnd, max_window, rcv_wnd, rcv_wup. */
export function repairWindow(fd: number, out: Uint32Array): number {
  return getSocketOptionBytes(fd, IPPROTO_TCP, TCP_REPAIR_WINDOW, out);
}

/** Sets what {@link repairWindow} reads. */
export function setRepairWindow(fd: number, window: Uint32Array): number {
  return setSocketOptionBytes(fd, IPPROTO_TCP, TCP_REPAIR_WINDOW, window);
}

// struct tcp_repair_opt { __u32 opt_code; __u32 opt_val; }: TCPOPT_MSS, WINDOW, SACK_PERM, TIMESTAMP.
const OPTION_MSS = 2;
const OPTION_WINDOW = 3;
const OPTION_SACK = 4;
const OPTION_TIMESTAMP = 8;

/** Sets what was negotiated, on a connected socket in repair mode. `mss` is what the peer announced, in bytes. */
export function setRepairOptions(fd: number, negotiated: TcpNegotiated, mss: number): number {
  const options = [OPTION_MSS, mss];
  if (negotiated.windowScaling) {
    options.push(OPTION_WINDOW, negotiated.sendScale | (negotiated.receiveScale << 16));
  }
  if (negotiated.selectiveAcknowledgements) options.push(OPTION_SACK, 0);
  if (negotiated.timestamps) options.push(OPTION_TIMESTAMP, 0);
  return setSocketOptionBytes(fd, IPPROTO_TCP, TCP_REPAIR_OPTIONS, Uint32Array.from(options));
}

// include/uapi/asm-generic/ioctls.h (SIOCINQ is FIONREAD, SIOCOUTQ is TIOCOUTQ), include/uapi/linux/sockios.h
const SIOCINQ = 0x541b;
const SIOCOUTQ = 0x5411;
const SIOCOUTQNSD = 0x894b;
const count = new Int32Array(1);

function queued(fd: number, request: number): number {
  count[0] = 0;
  return libc().ioctl(fd, request, count) === -1 ? -errno() : count[0]!;
}

/** Bytes received and not read, a FIN not counted. Or a negative errno. */
export function unreadBytes(fd: number): number {
  return queued(fd, SIOCINQ);
}

/** Bytes written and not acknowledged, a FIN counted as one. Or a negative errno. */
export function unacknowledgedBytes(fd: number): number {
  return queued(fd, SIOCOUTQ);
}

/** Bytes written and never sent, a FIN counted as one. Or a negative errno. */
export function unsentBytes(fd: number): number {
  return queued(fd, SIOCOUTQNSD);
}

/** Copies the selected queue from its start; nothing is taken out. Bytes copied, or a negative errno. */
export function peekQueue(fd: number, into: NativeBuffer): number {
  const got = libc().recv(fd, addressOf(into), into.byteLength, MSG_PEEK | MSG_DONTWAIT);
  return got === -1 ? -errno() : got;
}

/**
 * Appends to the selected queue of a connected socket in repair mode: received bytes for the application to read, or sent
 * ones for the peer to acknowledge. Out of repair mode, sends. Bytes taken, or a negative errno.
 */
export function fillQueue(fd: number, bytes: Uint8Array): number {
  const taken = libc().send(fd, addressOf(bytes), bytes.byteLength, MSG_DONTWAIT | MSG_NOSIGNAL);
  return taken === -1 ? -errno() : taken;
}

// struct sock_filter { __u16 code; __u8 jt, jf; __u32 k; }: BPF_RET | BPF_K with 0, "accept no byte".
const DROP_ALL: BigUint64Array = BigUint64Array.of(0x06n);
// struct sock_fprog { unsigned short len; struct sock_filter *filter; }
const dropProgram = new BigUint64Array(2);

/**
 * Makes the socket deaf: every segment for it is dropped before TCP sees it, so that it neither changes nor answers. The
 * filter ends with the socket. 0 or a negative errno.
 */
export function deafen(fd: number): number {
  dropProgram[0] = 1n;
  dropProgram[1] = BigInt(addressOf(DROP_ALL));
  return setSocketOptionBytes(fd, SOL_SOCKET, SO_ATTACH_FILTER, dropProgram);
}

/** Undoes {@link deafen}. */
export function undeafen(fd: number): number {
  return setSocketOption(fd, SOL_SOCKET, SO_DETACH_FILTER, 0);
}
