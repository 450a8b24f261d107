// An ICMP echo request as a frame.

import { foldChecksum, sumBytes } from '../../src/inetstack/checksum.ts';

export function echoRequest(
  toMac: Uint8Array,
  fromMac: Uint8Array,
  source: number,
  destination: number,
  sequence: number,
): Uint8Array {
  const bytes = new Uint8Array(98);
  const view = new DataView(bytes.buffer);
  bytes.set(toMac);
  bytes.set(fromMac, 6);
  view.setUint16(12, 0x0800);
  view.setUint32(14, 0x45000054);
  view.setUint32(22, 0x40010000);
  view.setInt32(26, source);
  view.setInt32(30, destination);
  view.setUint16(24, foldChecksum(sumBytes(view, 14, 20, 0)));
  view.setUint16(34, 0x0800);
  view.setUint32(38, 0x12340000 | sequence);
  view.setUint16(36, foldChecksum(sumBytes(view, 34, 64, 0)));
  return bytes;
}
