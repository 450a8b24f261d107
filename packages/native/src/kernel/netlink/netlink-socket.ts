// A netlink socket (netlink(7)): requests with their replies, and multicast events. What is said over it is elsewhere.

import { DemiError } from '@demikernel/memory';
import { closeDescriptor } from '../descriptor.ts';
import { EAGAIN, EINTR, ENOBUFS, systemError } from '../errno.ts';
import { addressOf, errno, libc } from '../library.ts';
import {
  openSocket,
  SO_RCVBUF,
  SO_RCVTIMEO,
  SOCK_RAW,
  SOL_SOCKET,
  setSocketOption,
  setSocketOptionBytes,
} from '../socket.ts';
import type { MessageWriter, NetlinkMessage } from './encoding.ts';
import {
  Attributes,
  NLM_F_ACK_TLVS,
  NLM_F_CAPPED,
  NLM_F_DUMP_INTR,
  NLM_F_MULTI,
  NLMSG_DONE,
  NLMSG_ERROR,
  NLMSG_HEADER_BYTES,
  splitMessages,
} from './encoding.ts';

// include/uapi/linux/netlink.h
const AF_NETLINK = 16;
export const NETLINK_ROUTE = 0;
const SOL_NETLINK = 270;
const NETLINK_EXT_ACK = 11;
const NETLINK_GET_STRICT_CHK = 12;
const NLMSGERR_ATTR_MSG = 1;
const MSG_DONTWAIT = 0x40;
const MSG_TRUNC = 0x20;

/** The kernel sends dumps in pieces of at most this size to a reader that has room for it. */
const RECEIVE_BYTES = 64 * 1024;
const REPLY_TIMEOUT_S = 5;
/** How often a dump that the kernel marks as overtaken by a change is asked for again. */
const DUMP_ATTEMPTS = 5;
const EVENT_BUFFER_BYTES = 1024 * 1024;

export interface NetlinkOptions {
  /** Multicast groups to hear (RTMGRP_…), as a bit mask; default none. */
  groups?: number;
  /** Default NETLINK_ROUTE. */
  protocol?: number;
}

/**
 * A netlink socket in the network namespace of the thread that opens it; it stays there. To configure another
 * namespace, open it with `runInNamespace`.
 */
export class NetlinkSocket {
  readonly #buffer: Uint8Array;
  readonly #address: number;
  readonly #listens: boolean;
  #sequence: number;
  #fd: number;

  /** @throws DemiError `ERR_DEMI_SYSCALL`, `ERR_DEMI_PLATFORM` */
  constructor(options: NetlinkOptions = {}) {
    const fd = openSocket(AF_NETLINK, SOCK_RAW, options.protocol ?? NETLINK_ROUTE, { blocking: true });
    if (fd < 0) throw systemError('socket', { errno: fd, detail: 'opening a netlink socket' });
    this.#fd = fd;
    this.#buffer = new Uint8Array(RECEIVE_BYTES);
    this.#address = addressOf(this.#buffer);
    this.#listens = (options.groups ?? 0) !== 0;
    this.#sequence = 1;
    // No reply must not become a hang.
    setSocketOptionBytes(fd, SOL_SOCKET, SO_RCVTIMEO, BigInt64Array.of(BigInt(REPLY_TIMEOUT_S), 0n));
    // Best effort, older kernels lack them: an error text, and dumps filtered by the kernel.
    setSocketOption(fd, SOL_NETLINK, NETLINK_EXT_ACK, 1);
    setSocketOption(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, 1);
    if (options.groups !== undefined) setSocketOption(fd, SOL_SOCKET, SO_RCVBUF, EVENT_BUFFER_BYTES);
    // struct sockaddr_nl { u16 family; u16 pad; u32 pid; u32 groups; }; pid 0 lets the kernel choose.
    const name = new DataView(new ArrayBuffer(12));
    name.setUint16(0, AF_NETLINK, true);
    name.setUint32(8, options.groups ?? 0, true);
    if (libc().bindBuffer(fd, name, 12) === -1) {
      const error = systemError('bind', { detail: 'binding a netlink socket' });
      this.close();
      throw error;
    }
  }

  /** Readable when an event has arrived; -1 once closed. */
  get fd(): number {
    return this.#fd;
  }

  /**
   * Sends one request and returns the messages that answer it, without acknowledgement and end mark. Their payloads
   * are copies.
   *
   * @param what the operation, for the error
   * @throws DemiError with the kernel's errno and its own words; `ERR_DEMI_TIMEOUT` when nothing answers for 5 s;
   *   `ERR_DEMI_MISUSE` on a socket that hears events: the event of a change looks like an answer to it
   */
  request(writer: MessageWriter, what: string): NetlinkMessage[] {
    if (this.#listens) throw new DemiError('ERR_DEMI_MISUSE', 'A netlink socket either asks or hears events');
    for (let attempt = 1; ; attempt++) {
      const sequence = this.#sequence++ >>> 0;
      const bytes = writer.finish(sequence);
      if (libc().writeBuffer(this.#fd, bytes, bytes.length) === -1)
        throw systemError('write', { detail: what });
      const answer = this.#collect(sequence, what);
      const overtaken = answer.some(message => (message.flags & NLM_F_DUMP_INTR) !== 0);
      if (!overtaken || attempt === DUMP_ATTEMPTS)
        return answer.filter(message => message.type !== NLMSG_DONE);
    }
  }

  /**
   * Takes the events that have arrived, without waiting; empty when there are none. Payloads are copies.
   *
   * @throws DemiError `ERR_DEMI_OVERRUN` when the kernel dropped events: list everything anew
   */
  events(): NetlinkMessage[] {
    const found: NetlinkMessage[] = [];
    for (;;) {
      const length = this.#receive(MSG_DONTWAIT);
      if (length === -EAGAIN) return found;
      if (length === -ENOBUFS)
        throw new DemiError('ERR_DEMI_OVERRUN', 'Netlink events were lost: list again');
      if (length === -EINTR) continue;
      if (length < 0) throw systemError('recv', { errno: length, detail: 'reading netlink events' });
      found.push(...splitMessages(this.#buffer.slice(0, length)));
    }
  }

  close(): void {
    if (this.#fd === -1) return;
    closeDescriptor(this.#fd);
    // Not kept: the number may soon be another descriptor's.
    this.#fd = -1;
  }

  #receive(flags: number): number {
    const result = libc().recv(this.#fd, this.#address, RECEIVE_BYTES, flags | MSG_TRUNC);
    if (result === -1) return -errno();
    // With MSG_TRUNC the true length comes back; what did not fit is lost.
    return result > RECEIVE_BYTES ? -ENOBUFS : result;
  }

  #collect(sequence: number, what: string): NetlinkMessage[] {
    const answer: NetlinkMessage[] = [];
    for (;;) {
      const length = this.#receive(0);
      if (length === -EINTR) continue;
      if (length === -EAGAIN) throw new DemiError('ERR_DEMI_TIMEOUT', `No netlink answer while ${what}`);
      if (length < 0) throw systemError('recv', { errno: length, detail: what });
      for (const message of splitMessages(this.#buffer.slice(0, length))) {
        // Events, and answers to a request that was given up.
        if (message.sequence !== sequence) continue;
        if (message.type === NLMSG_ERROR || message.type === NLMSG_DONE) {
          const refusal = refusalIn(message, what);
          if (refusal !== undefined) throw refusal;
          if (message.type === NLMSG_DONE) answer.push(message);
          return answer;
        }
        answer.push(message);
        // A single answer to a request without NLM_F_ACK ends here.
        if ((message.flags & NLM_F_MULTI) === 0) return answer;
      }
    }
  }
}

/**
 * The refusal in an NLMSG_ERROR or NLMSG_DONE message, or `undefined` when it says that all went well.
 *
 * struct nlmsgerr { int error; struct nlmsghdr msg; }, the request's payload unless capped, then attributes.
 */
export function refusalIn(message: NetlinkMessage, what: string): DemiError | undefined {
  const { payload } = message;
  if (payload.length < 4) return undefined;
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const number = view.getInt32(0, true);
  if (number >= 0) return undefined;
  let detail = what;
  if ((message.flags & NLM_F_ACK_TLVS) !== 0) {
    let offset = 4;
    if (message.type === NLMSG_ERROR && payload.length >= 4 + NLMSG_HEADER_BYTES) {
      const echoed = (message.flags & NLM_F_CAPPED) !== 0 ? NLMSG_HEADER_BYTES : view.getUint32(4, true);
      offset += Math.ceil(echoed / 4) * 4;
    }
    const text = new Attributes(payload, offset).text(NLMSGERR_ATTR_MSG);
    if (text !== undefined) detail += ` (${text})`;
  }
  return systemError('netlink', { errno: number, detail, capabilities: ['CAP_NET_ADMIN'] });
}
