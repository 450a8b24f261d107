// The peer's FIN, once more: repair mode fills queues but cannot say that the peer has closed. So its FIN is made again
// and enters this host as if it had just arrived, by way of the loopback interface.

import { type Program, passAll } from '@demikernel/ebpf';
import { linkIndex, parseIpAddress } from '@demikernel/native/kernel';
import { foldChecksum, sumBytes } from 'demikernel/stack';
import type { KernelConnection } from './connection-record.ts';

const ETHERNET_BYTES = 14;
const IPV4_BYTES = 20;
const IPV6_BYTES = 40;
const TCP_BYTES = 20;
const PROTOCOL_TCP = 6;
const FIN_ACK = 0x11;
const HOP_LIMIT = 64;

/** Injects FINs into the network namespace of this thread. Needs CAP_BPF and CAP_NET_ADMIN. */
export class FinInjector {
  readonly #program: Program;

  /** @throws DemiError `ERR_DEMI_PERMISSION` */
  constructor() {
    this.#program = passAll();
  }

  /** The FIN that follows the received bytes of a connection which is in this host by now. */
  inject(connection: KernelConnection): void {
    // A program run on live frames lets those that it passes go on into the stack (bpf_prog_run.rst).
    this.#program.testRun(finFrame(connection), {
      liveFrames: true,
      ingress: { ifindex: linkIndex('lo'), queue: 0 },
    });
  }

  [Symbol.dispose](): void {
    this.#program.close();
  }
}

/** Ethernet, IP and TCP, from the peer to us. Without a timestamp, which would be remembered as the peer's. */
export function finFrame(connection: KernelConnection): Uint8Array {
  const { local, remote, received, window, sendScale } = connection;
  const source = onWire(remote.address);
  const destination = onWire(local.address);
  const ipv4 = source.length === 4;
  const tcpAt = ETHERNET_BYTES + (ipv4 ? IPV4_BYTES : IPV6_BYTES);
  const frame = new Uint8Array(tcpAt + TCP_BYTES);
  const view = new DataView(frame.buffer);
  view.setUint16(12, ipv4 ? 0x0800 : 0x86dd);
  if (ipv4) {
    view.setUint16(ETHERNET_BYTES, 0x4500);
    view.setUint16(ETHERNET_BYTES + 2, IPV4_BYTES + TCP_BYTES);
    view.setUint8(ETHERNET_BYTES + 8, HOP_LIMIT);
    view.setUint8(ETHERNET_BYTES + 9, PROTOCOL_TCP);
    frame.set(source, ETHERNET_BYTES + 12);
    frame.set(destination, ETHERNET_BYTES + 16);
    view.setUint16(ETHERNET_BYTES + 10, foldChecksum(sumBytes(view, ETHERNET_BYTES, IPV4_BYTES, 0)));
  } else {
    view.setUint8(ETHERNET_BYTES, 0x60);
    view.setUint16(ETHERNET_BYTES + 4, TCP_BYTES);
    view.setUint8(ETHERNET_BYTES + 6, PROTOCOL_TCP);
    view.setUint8(ETHERNET_BYTES + 7, HOP_LIMIT);
    frame.set(source, ETHERNET_BYTES + 8);
    frame.set(destination, ETHERNET_BYTES + 24);
  }
  view.setUint16(tcpAt, remote.port);
  view.setUint16(tcpAt + 2, local.port);
  view.setUint32(tcpAt + 4, (connection.receiveSequence + received.length) >>> 0);
  view.setUint32(tcpAt + 8, connection.sendSequence);
  view.setUint8(tcpAt + 12, (TCP_BYTES / 4) << 4);
  view.setUint8(tcpAt + 13, FIN_ACK);
  view.setUint16(tcpAt + 14, Math.min(window[1]! >>> sendScale, 0xffff));
  // Pseudo-header (RFC 9293 section 3.1, RFC 8200 section 8.1): both addresses lie before the segment, the rest is a sum.
  const addressesAt = tcpAt - 2 * source.length;
  const sum = sumBytes(view, addressesAt, 2 * source.length, PROTOCOL_TCP + TCP_BYTES);
  view.setUint16(tcpAt + 16, foldChecksum(sumBytes(view, tcpAt, TCP_BYTES, sum)));
  return frame;
}

/** The address's bytes in a packet: ::ffff:a.b.c.d travels as IPv4 (RFC 4291 section 2.5.5.2). */
function onWire(address: string): Uint8Array {
  const bytes = parseIpAddress(address);
  const mapped =
    bytes.length === 16 && bytes.subarray(0, 12).every((byte, i) => byte === (i < 10 ? 0 : 0xff));
  return mapped ? bytes.subarray(12) : bytes;
}
