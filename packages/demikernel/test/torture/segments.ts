// TCP segments as a stranger would send them.

import { foldChecksum, pseudoHeaderSum, sumBytes } from '../../src/inetstack/checksum.ts';

/** A frame with a segment without options or payload. @param flags as in the header: SYN is 2 */
export function tcpFrame(
  toMac: Uint8Array,
  source: number,
  destination: number,
  sourcePort: number,
  destinationPort: number,
  sequence: number,
  flags: number,
): Uint8Array {
  const bytes = new Uint8Array(54);
  const view = new DataView(bytes.buffer);
  bytes.set(toMac);
  bytes.set([2, 0, 0, 0, 0, 0x99], 6);
  view.setUint16(12, 0x0800);
  view.setUint32(14, 0x45000028);
  view.setUint32(22, 0x40060000);
  view.setInt32(26, source);
  view.setInt32(30, destination);
  view.setUint16(24, foldChecksum(sumBytes(view, 14, 20, 0)));
  view.setUint16(34, sourcePort);
  view.setUint16(36, destinationPort);
  view.setInt32(38, sequence);
  view.setUint16(46, 0x5000 | flags);
  view.setUint16(48, 65_535);
  view.setUint16(50, foldChecksum(sumBytes(view, 34, 20, pseudoHeaderSum(source, destination, 6, 20))));
  return bytes;
}
