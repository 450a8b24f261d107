// Frames for tests of the switch: well-formed ones, by parts, and random ones that meet each other's connections.

import { SipHash } from 'demikernel/migration';
import { SeededRandom } from 'demikernel/simulator';
import type { FlowKey } from '../../src/switch/flows.ts';
import * as H from '../../src/tcpmig/header.ts';

export type Connection = FlowKey;

/** Writes frames into one buffer; each method returns the length. */
export class FrameWriter {
  readonly bytes: Uint8Array;
  readonly view: DataView;

  constructor(sizeBytes = 512) {
    this.bytes = new Uint8Array(sizeBytes);
    this.view = new DataView(this.bytes.buffer);
  }

  ethernet(destination: Uint8Array, source: Uint8Array, type: number): void {
    this.bytes.fill(0);
    this.bytes.set(destination, 0);
    this.bytes.set(source, 6);
    this.view.setUint16(12, type);
  }

  ipv4(source: number, destination: number, protocol: number, payloadBytes: number, optionBytes = 0): number {
    const headerBytes = 20 + optionBytes;
    this.view.setUint8(14, 0x40 | (headerBytes >> 2));
    this.view.setUint16(16, headerBytes + payloadBytes);
    this.view.setUint8(22, 64);
    this.view.setUint8(23, protocol);
    this.view.setUint32(26, source >>> 0);
    this.view.setUint32(30, destination >>> 0);
    this.view.setUint16(24, 0);
    this.view.setUint16(24, checksum(this.view, 14, headerBytes));
    return 14 + headerBytes;
  }

  /** From the client, or to it. */
  tcp(c: Connection, flags: number, payloadBytes: number, toClient: boolean, optionBytes = 0): number {
    const at = toClient
      ? this.ipv4(c.virtualAddress, c.clientAddress, 6, 20 + payloadBytes, optionBytes)
      : this.ipv4(c.clientAddress, c.virtualAddress, 6, 20 + payloadBytes, optionBytes);
    this.view.setUint16(at, toClient ? c.virtualPort : c.clientPort);
    this.view.setUint16(at + 2, toClient ? c.clientPort : c.virtualPort);
    this.view.setUint8(at + 12, 0x50);
    this.view.setUint8(at + 13, flags);
    return at + 20 + payloadBytes;
  }

  /** An ICMP error about a segment that was on its way to the client. */
  icmpError(c: Connection, type: number, router: number): number {
    const at = this.ipv4(router, c.virtualAddress, 1, 8 + 28);
    this.view.setUint8(at, type);
    this.view.setUint8(at + 8, 0x45);
    this.view.setUint8(at + 8 + 9, 6);
    this.view.setUint32(at + 8 + 12, c.virtualAddress >>> 0);
    this.view.setUint32(at + 8 + 16, c.clientAddress >>> 0);
    this.view.setUint16(at + 28, c.virtualPort);
    this.view.setUint16(at + 30, c.clientPort);
    return at + 36;
  }

  arp(operation: number, senderMac: Uint8Array, sender: number, target: number): number {
    this.view.setUint32(14, 0x0001_0800);
    this.view.setUint16(18, 0x0604);
    this.view.setUint16(20, operation);
    this.bytes.set(senderMac, 22);
    this.view.setUint32(28, sender >>> 0);
    this.view.setUint32(38, target >>> 0);
    return 42;
  }

  /** A control message; its header is signed with `mac`. */
  control(h: H.MigrationHeader, mac: H.HeaderMac, source: number, destination: number): number {
    const datagramBytes = 8 + H.HEADER_BYTES + h.payloadBytes;
    const at = this.ipv4(source, destination, 17, datagramBytes);
    this.view.setUint16(at, 40_000);
    this.view.setUint16(at + 2, H.MIGRATION_PORT);
    this.view.setUint16(at + 4, datagramBytes);
    this.view.setUint16(at + 6, 0xbeef);
    H.writeHeader(h, this.view, at + 8, mac);
    return at + datagramBytes;
  }
}

/** RFC 1071 over an even number of bytes. */
export function checksum(view: DataView, at: number, lengthBytes: number): number {
  let sum = 0;
  for (let i = 0; i < lengthBytes; i += 2) sum += view.getUint16(at + i);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

/** The MAC of headers under a key of 16 bytes. */
export function headerMac(key: Uint8Array): H.HeaderMac {
  const view = new DataView(key.buffer, key.byteOffset, 16);
  return new H.HeaderMac(
    new SipHash(
      view.getInt32(0, true),
      view.getInt32(4, true),
      view.getInt32(8, true),
      view.getInt32(12, true),
    ),
  );
}

/** A seeded generator, so that a failing frame can be made again from the seed printed. */
export class Chance extends SeededRandom {
  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)]!;
  }
}
