// A thousand peers made up: their frames, as a Linux client would send them (TCP with timestamps, RFC 7323).

import { foldChecksum, pseudoHeaderSum, sumBytes } from 'demikernel/stack';

export const FLOWS = 1000;
/** The stack's own address and TCP port; UDP has a port per flow from here on. */
export const LOCAL_ADDRESS = 0x0a63_0001;
export const LOCAL_PORT = 20_000;
const FIRST_PEER_ADDRESS = 0x0a64_0001;
const FIRST_PEER_PORT = 30_000;

export const ETHERNET_BYTES = 14;
const IP = ETHERNET_BYTES;
export const L4: number = IP + 20;
/** TCP's header with the timestamp option as Linux pads it. */
const TCP_BYTES = 32;
const UDP_BYTES = 8;
const PROTOCOL_TCP = 6;
const PROTOCOL_UDP = 17;
const SYN = 2;
const PSH = 8;
const ACK = 16;
const SYN_OPTIONS_BYTES = 20;

export function peerAddress(flow: number): number {
  return FIRST_PEER_ADDRESS + flow;
}

export function peerPort(flow: number): number {
  return FIRST_PEER_PORT + flow;
}

/** Writes frames of the peers into a region. */
export class Flows {
  /** Next sequence number of each peer, and what it acknowledges. */
  readonly sequence: Int32Array;
  readonly acknowledged: Int32Array;
  private readonly view: DataView;
  private readonly payloadBytes: number;
  private readonly payload: Uint8Array;
  private readonly bytes: Uint8Array;
  private readonly payloadSum: number;
  private timestamp: number;

  constructor(view: DataView, payloadBytes: number) {
    this.sequence = new Int32Array(FLOWS);
    this.acknowledged = new Int32Array(FLOWS);
    this.view = view;
    this.bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
    this.payloadBytes = payloadBytes;
    this.payload = Uint8Array.from({ length: payloadBytes }, (_, i) => (i * 7) & 255);
    this.payloadSum = sumBytes(new DataView(this.payload.buffer), 0, payloadBytes, 0);
    this.timestamp = 1;
    for (let flow = 0; flow < FLOWS; flow++) this.sequence[flow] = Math.imul(flow + 1, 0x9e37_79b1);
  }

  /** Time passes for the peers' timestamp clocks. */
  tick(): void {
    this.timestamp = (this.timestamp + 1) | 0;
  }

  /** A connection request with MSS, window scale and timestamps; returns the frame's length. */
  writeSyn(at: number, flow: number): number {
    const { view } = this;
    const options = at + L4 + 20;
    view.setInt32(options, 0x0204_05b4);
    view.setInt32(options + 4, 0x0402_080a);
    view.setInt32(options + 8, this.timestamp);
    view.setInt32(options + 12, 0);
    view.setInt32(options + 16, 0x0103_0307);
    this.writeTcp(at, flow, 20 + SYN_OPTIONS_BYTES, SYN);
    this.finishTcp(at, flow, 20 + SYN_OPTIONS_BYTES, 0, 0);
    this.sequence[flow] = this.sequence[flow]! + 1;
    return L4 + 20 + SYN_OPTIONS_BYTES;
  }

  /** The answer to a SYN-ACK, and afterwards data in order; returns the frame's length. */
  writeSegment(at: number, flow: number, data: boolean): number {
    const { view } = this;
    const options = at + L4 + 20;
    view.setInt32(options, 0x0101_080a);
    view.setInt32(options + 4, this.timestamp);
    view.setInt32(options + 8, 0);
    const payloadBytes = data ? this.payloadBytes : 0;
    this.writeTcp(at, flow, TCP_BYTES, data ? PSH | ACK : ACK);
    if (data) this.copyPayload(at + L4 + TCP_BYTES);
    this.finishTcp(at, flow, TCP_BYTES, payloadBytes, data ? this.payloadSum : 0);
    this.sequence[flow] = this.sequence[flow]! + payloadBytes;
    return L4 + TCP_BYTES + payloadBytes;
  }

  /** A datagram to the flow's port; returns the frame's length. */
  writeDatagram(at: number, flow: number): number {
    const { view, payloadBytes } = this;
    const lengthBytes = UDP_BYTES + payloadBytes;
    const udp = at + L4;
    this.writeLink(at, flow, PROTOCOL_UDP, lengthBytes);
    view.setInt16(udp, peerPort(flow));
    view.setInt16(udp + 2, LOCAL_PORT + flow);
    view.setInt16(udp + 4, lengthBytes);
    view.setInt16(udp + 6, 0);
    this.copyPayload(udp + UDP_BYTES);
    const pseudo = pseudoHeaderSum(peerAddress(flow), LOCAL_ADDRESS, PROTOCOL_UDP, lengthBytes);
    view.setInt16(udp + 6, foldChecksum(sumBytes(view, udp, UDP_BYTES, pseudo + this.payloadSum)));
    return L4 + lengthBytes;
  }

  private writeTcp(at: number, flow: number, headerBytes: number, flags: number): void {
    const { view } = this;
    const tcp = at + L4;
    view.setInt16(tcp, peerPort(flow));
    view.setInt16(tcp + 2, LOCAL_PORT);
    view.setInt32(tcp + 4, this.sequence[flow]!);
    view.setInt32(tcp + 8, (flags & ACK) === 0 ? 0 : this.acknowledged[flow]!);
    view.setInt8(tcp + 12, (headerBytes >> 2) << 4);
    view.setInt8(tcp + 13, flags);
    view.setInt16(tcp + 14, 501);
    view.setInt32(tcp + 16, 0);
  }

  private finishTcp(
    at: number,
    flow: number,
    headerBytes: number,
    payloadBytes: number,
    payloadSum: number,
  ): void {
    const lengthBytes = headerBytes + payloadBytes;
    this.writeLink(at, flow, PROTOCOL_TCP, lengthBytes);
    const pseudo = pseudoHeaderSum(peerAddress(flow), LOCAL_ADDRESS, PROTOCOL_TCP, lengthBytes);
    const sum = sumBytes(this.view, at + L4, headerBytes, pseudo + payloadSum);
    this.view.setInt16(at + L4 + 16, foldChecksum(sum));
  }

  private writeLink(at: number, flow: number, protocol: number, ipPayloadBytes: number): void {
    const { view } = this;
    view.setInt32(at, 0x0200_0000);
    view.setInt32(at + 4, 0x0001_0200);
    view.setInt32(at + 8, 2);
    view.setInt16(at + 12, 0x0800);
    view.setInt32(at + IP, 0x4500_0000 | (20 + ipPayloadBytes));
    view.setInt32(at + IP + 4, 0x4000);
    view.setInt32(at + IP + 8, 0x4000_0000 | (protocol << 16));
    view.setInt32(at + IP + 12, peerAddress(flow));
    view.setInt32(at + IP + 16, LOCAL_ADDRESS);
    view.setInt16(at + IP + 10, foldChecksum(sumBytes(view, at + IP, 20, 0)));
  }

  private copyPayload(at: number): void {
    this.bytes.set(this.payload, at);
  }
}

/** The flows in an order that changes from block to block. */
export class ShuffledOrder {
  readonly flows: Int32Array;
  private state: number;

  constructor() {
    this.flows = Int32Array.from({ length: FLOWS }, (_, i) => i);
    this.state = 0x2545_f491;
  }

  /** Fisher and Yates, on a xorshift generator. */
  shuffle(): void {
    const { flows } = this;
    let state = this.state;
    for (let i = flows.length - 1; i > 0; i--) {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      const j = (state & 0x7fff_ffff) % (i + 1);
      const flow = flows[i]!;
      flows[i] = flows[j]!;
      flows[j] = flow;
    }
    this.state = state;
  }
}
