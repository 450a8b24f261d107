// Hands a received IPv4 packet to another host of the link as it is, but for the hop it takes (RFC 791 section 3.2): what a host does
// with packets of a connection that has left it.

import { ETHERNET_HEADER_BYTES } from '../../ethernet.ts';
import type { TcpLayer } from '../tcp-layer.ts';

const ETHERTYPE_IPV4 = 0x0800;

/**
 * @param to address of the host on the link
 * @returns false when there is no way, no room, or no hop left: the packet is lost then, as packets may be
 */
export function forwardPacket(layer: TcpLayer, packet: Uint8Array, to: number): boolean {
  const { output, device, view, pool, builder } = layer;
  const route = output.route(to, 0);
  if (
    route === undefined ||
    device.transmitRoom() <= 0 ||
    packet.length < 20 ||
    packet.length > device.mtuBytes
  ) {
    return false;
  }
  if (!route.ready) {
    // The next one finds it.
    output.resolve(route, { routeReady: () => {}, routeFailed: () => {} });
    return false;
  }
  if (packet[8]! <= 1) return false;
  const start = builder.bare(ETHERNET_HEADER_BYTES + packet.length);
  if (start < 0) return false;
  const at = start + ETHERNET_HEADER_BYTES;
  const { neighbour } = route;
  const own = device.macAddress;
  view.setInt32(start, neighbour.macHigh);
  view.setUint16(start + 4, neighbour.macLow);
  pool.region.bytes.set(own, start + 6);
  view.setUint16(start + 12, ETHERTYPE_IPV4);
  pool.region.bytes.set(packet, at);
  // One hop less in the upper half of a word: its checksum grows by as much (RFC 1624 section 3).
  view.setUint8(at + 8, packet[8]! - 1);
  const sum = view.getUint16(at + 10) + 0x100;
  view.setUint16(at + 10, (sum & 0xffff) + (sum >>> 16));
  device.transmit(builder.frame);
  return true;
}
