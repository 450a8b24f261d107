// An echo request that came in fragments, answered in fragments (RFC 1122 section 3.2.2.6: all of its data goes back).
// Whether it deserves an answer is icmp.ts.

import { foldChecksum, foldSum, sumBytes } from '../checksum.ts';
import { type Ipv4Output, LINK_HEADERS_BYTES } from '../ipv4/output.ts';
import type { PartialDatagram } from '../ipv4/reassembly.ts';
import type { Route } from '../ipv4/route.ts';
import { ICMP_ECHO_REPLY, PROTOCOL_ICMP } from '../protocol.ts';

const MORE_FRAGMENTS = 0x2000;

/** Whether the message's checksum is right. Every fragment but the last is a multiple of eight bytes long. */
export function piecesValid(view: DataView, whole: PartialDatagram): boolean {
  let sum = 0;
  for (let i = 0; i < whole.count; i++) sum = sumBytes(view, whole.offset[i]!, whole.length[i]!, sum);
  return foldSum(sum) === 0xffff;
}

/** Whether the reply can leave now, cut as the request was: there is room, and no piece is too long for the way back. */
export function piecesFit(output: Ipv4Output, route: Route, whole: PartialDatagram): boolean {
  if (output.device.transmitRoom() < whole.count) return false;
  for (let i = 0; i < whole.count; i++) if (whole.length[i]! + 20 > route.mtuBytes) return false;
  return true;
}

/**
 * Sends the reply around the request's own bytes. The pieces stay the caller's.
 *
 * @returns false when a slot was missing: the receiver's reassembly will time out
 */
export function replyInPieces(output: Ipv4Output, route: Route, whole: PartialDatagram): boolean {
  const { builder, device, pool } = output;
  const { view } = pool.region;
  const first = whole.offset[0]!;
  view.setUint16(first, ICMP_ECHO_REPLY << 8);
  view.setUint16(first + 2, 0);
  let sum = 0;
  for (let i = 0; i < whole.count; i++) sum = sumBytes(view, whole.offset[i]!, whole.length[i]!, sum);
  view.setUint16(first + 2, foldChecksum(sum));
  const identification = route.identification;
  route.identification = (identification + 1) & 0xffff;
  for (let i = 0; i < whole.count; i++) {
    const offset = whole.offset[i]!;
    const length = whole.length[i]!;
    const slot = offset >> pool.slotShift;
    pool.retain(slot);
    const piece = pool.slice(slot, offset, length);
    // Copied: the frame's reference beside the reassembly's makes it shared.
    builder.open(LINK_HEADERS_BYTES, length, false);
    builder.add(piece, 0, length);
    const start = builder.close();
    piece.release();
    if (start < 0) return false;
    const word = (whole.place[i]! >> 3) | (i < whole.count - 1 ? MORE_FRAGMENTS : 0);
    output.writeHeadersOf(start, route, PROTOCOL_ICMP, length, identification, word);
    device.transmit(builder.frame);
  }
  return true;
}
