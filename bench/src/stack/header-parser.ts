// Bare header parsing: the least that any receive path must do, as the measure for ours.

import { FLOWS, L4, LOCAL_ADDRESS, LOCAL_PORT, peerAddress, peerPort } from './flows.ts';

const IP = 14;
/** Twice as many places as flows, rounded up to a power of two. */
const PLACES = 2048;
const FIELDS = 3;

/** What it does, for people who want to know what they are compared with. */
export const HEADER_PARSING: string =
  'reads and checks the Ethernet type, IPv4 version, length, fragment and protocol fields, verifies the IPv4 header ' +
  'checksum, reads the TCP or UDP ports, sequence numbers, data offset and flags, and looks the 4-tuple up in an ' +
  'open-addressed table of the 1,000 flows; no transport checksum, no state, no memory given back';

export class HeaderParser {
  /** Sequence numbers and flags read, so that nothing is optimised away. */
  seen: number;
  private readonly view: DataView;
  // Address, ports, flow + 1; an empty place has flow 0.
  private readonly table: Int32Array;

  constructor(view: DataView, protocol: 'tcp' | 'udp') {
    this.seen = 0;
    this.view = view;
    this.table = new Int32Array(PLACES * FIELDS);
    for (let flow = 0; flow < FLOWS; flow++) {
      const localPort = protocol === 'tcp' ? LOCAL_PORT : LOCAL_PORT + flow;
      const ports = (peerPort(flow) << 16) | localPort | 0;
      let place = placeOf(peerAddress(flow), ports);
      while (this.table[place + 2] !== 0) place = (place + FIELDS) % (PLACES * FIELDS);
      this.table[place] = peerAddress(flow);
      this.table[place + 1] = ports;
      this.table[place + 2] = flow + 1;
    }
  }

  /** The flow of a frame, or -1. */
  parse(at: number, lengthBytes: number): number {
    const { view } = this;
    if (lengthBytes < L4 + 8 || view.getUint16(at + 12) !== 0x0800) return -1;
    const first = view.getInt32(at + IP);
    const ipBytes = first & 0xffff;
    if (first >>> 24 !== 0x45 || ipBytes > lengthBytes - IP || (view.getUint16(at + IP + 6) & 0x3fff) !== 0)
      return -1;
    if (!this.headerSumIsRight(at + IP) || view.getInt32(at + IP + 16) !== LOCAL_ADDRESS) return -1;
    const protocol = view.getUint8(at + IP + 9);
    const ports = view.getInt32(at + L4);
    if (protocol === 6) {
      if (ipBytes < 40) return -1;
      const offsetAndFlags = view.getUint16(at + L4 + 12);
      const headerBytes = (offsetAndFlags >> 12) << 2;
      if (headerBytes < 20 || headerBytes > ipBytes - 20 || (offsetAndFlags & 6) !== 0) return -1;
      this.seen = (this.seen + view.getInt32(at + L4 + 4) + view.getInt32(at + L4 + 8)) | 0;
    } else if (protocol !== 17 || view.getUint16(at + L4 + 4) !== ipBytes - 20) return -1;
    return this.lookUp(view.getInt32(at + IP + 12), ports);
  }

  private headerSumIsRight(at: number): boolean {
    const { view } = this;
    let sum = 0;
    for (let i = 0; i < 20; i += 4) {
      const word = view.getInt32(at + i);
      sum += (word >>> 16) + (word & 0xffff);
    }
    sum = (sum & 0xffff) + (sum >>> 16);
    return sum + (sum >>> 16) === 0xffff;
  }

  private lookUp(address: number, ports: number): number {
    const { table } = this;
    let place = placeOf(address, ports);
    while (table[place + 2] !== 0) {
      if (table[place] === address && table[place + 1] === ports) return table[place + 2]! - 1;
      place = place + FIELDS === PLACES * FIELDS ? 0 : place + FIELDS;
    }
    return -1;
  }
}

function placeOf(address: number, ports: number): number {
  const mixed = Math.imul(address ^ Math.imul(ports, 0x85eb_ca6b), 0xc2b2_ae35);
  return ((mixed ^ (mixed >>> 15)) & (PLACES - 1)) * FIELDS;
}
