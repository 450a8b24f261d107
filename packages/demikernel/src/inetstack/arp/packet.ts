// The ARP packet for IPv4 over Ethernet (RFC 826): 28 bytes. What is done about it is arp.ts.
//
//   0  hardware type 1   2  protocol 0x0800   4  lengths 6, 4   6  opcode
//   8  sender MAC       14  sender IPv4      18  target MAC    24  target IPv4

export const PACKET_BYTES = 28;
export const ARP_REQUEST = 1;
export const ARP_REPLY = 2;

/** Whether the bytes are an ARP packet of any opcode for IPv4 over Ethernet. */
export function isArpForIpv4(view: DataView, offset: number, lengthBytes: number): boolean {
  return (
    lengthBytes >= PACKET_BYTES &&
    view.getInt32(offset) === 0x0001_0800 &&
    view.getUint16(offset + 4) === 0x0604
  );
}

/** Writes a packet of {@link PACKET_BYTES} bytes; MAC addresses are their first four and last two bytes. */
export function writeArp(
  view: DataView,
  offset: number,
  opcode: number,
  senderHigh: number,
  senderLow: number,
  sender: number,
  targetHigh: number,
  targetLow: number,
  target: number,
): void {
  view.setInt32(offset, 0x0001_0800);
  view.setUint16(offset + 4, 0x0604);
  view.setUint16(offset + 6, opcode);
  view.setInt32(offset + 8, senderHigh);
  view.setUint16(offset + 12, senderLow);
  view.setInt32(offset + 14, sender);
  view.setInt32(offset + 18, targetHigh);
  view.setUint16(offset + 22, targetLow);
  view.setInt32(offset + 24, target);
}
