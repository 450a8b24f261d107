// Ethernet, IPv4 and UDP headers from our end of the pair to the far one, written by hand.

import { FAR_MAC, NEAR_MAC } from './af-veth.ts';
import { macBytes } from './kernel-udp.ts';

export const UDP_HEADERS_BYTES = 42;

/** Writes the headers at `at`; the UDP checksum field gets the folded pseudo-header sum. */
export function writeUdpHeaders(
  bytes: Uint8Array,
  view: DataView,
  at: number,
  payloadBytes: number,
  ports: { source: number; destination: number },
): void {
  bytes.set(macBytes(FAR_MAC), at);
  bytes.set(macBytes(NEAR_MAC), at + 6);
  view.setUint16(at + 12, 0x0800);
  view.setUint16(at + 14, 0x4500);
  view.setUint16(at + 16, 28 + payloadBytes);
  view.setUint32(at + 18, 0x00004000);
  view.setUint32(at + 22, 0x40110000);
  view.setUint32(at + 26, 0x0a4e0002);
  view.setUint32(at + 30, 0x0a4e0001);
  let sum = 0;
  for (let i = 0; i < 20; i += 2) sum += view.getUint16(at + 14 + i);
  sum = (sum & 0xffff) + (sum >>> 16);
  view.setUint16(at + 24, ~(sum + (sum >>> 16)) & 0xffff);
  view.setUint16(at + 34, ports.source);
  view.setUint16(at + 36, ports.destination);
  view.setUint16(at + 38, 8 + payloadBytes);
  let pseudo = 0x0a4e * 2 + 3 + 17 + 8 + payloadBytes;
  pseudo = (pseudo & 0xffff) + (pseudo >>> 16);
  view.setUint16(at + 40, pseudo);
}
