// The transport checksum of a frame, for devices that promised one and cannot deliver it for this frame.
// The stack's own checksum, tuned for every packet, is inetstack's; this path is rare.

import type { Frame } from '../runtime/packet-device.ts';

/** Writes the Internet checksum (RFC 1071) that `frame.checksumStart` and `checksumOffset` ask for, over all segments. */
export function completeChecksum(view: DataView, frame: Frame): void {
  let sum = 0;
  let position = 0;
  for (let i = 0; i < frame.count; i++) {
    const offset = frame.offset[i]!;
    const length = frame.length[i]!;
    for (let j = 0; j < length; j++, position++) {
      if (position < frame.checksumStart) continue;
      const byte = view.getUint8(offset + j);
      sum += ((position - frame.checksumStart) & 1) === 0 ? byte << 8 : byte;
    }
    sum = (sum & 0xffff) + (sum >>> 16);
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  const field = frame.offset[0]! + frame.checksumStart + frame.checksumOffset;
  const checksum = ~sum & 0xffff;
  // RFC 768: a computed zero is sent as all ones; TCP's receivers take either.
  view.setUint16(field, checksum === 0 ? 0xffff : checksum);
}
