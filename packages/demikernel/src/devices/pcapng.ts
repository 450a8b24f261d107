// The pcapng file format (draft-ietf-opsawg-pcapng): the blocks a capture needs, written and read. Who captures: pcap-tap.ts.
//
//   section header   0x0a0d0d0a  length  magic 1a2b3c4d  version 1.0  section length -1  options  length
//   interface        1           length  link type 1     snap length  options (name, time resolution)  length
//   enhanced packet  6           length  interface  time high, low  captured  original  bytes  options (flags)  length

const SECTION_HEADER = 0x0a0d0d0a;
const BYTE_ORDER_MAGIC = 0x1a2b3c4d;
const INTERFACE_DESCRIPTION = 1;
const ENHANCED_PACKET = 6;
const LINKTYPE_ETHERNET = 1;
const OPTION_END = 0;
const OPTION_INTERFACE_NAME = 2;
const OPTION_TIME_RESOLUTION = 9;
const OPTION_PACKET_FLAGS = 2;

/** Directions of a packet, as its flags word says them. */
export const INBOUND = 1;
export const OUTBOUND = 2;

/** Bytes of an enhanced packet block beside the padded packet: header 28, flags option 8, end of options 4, length 4. */
const PACKET_BLOCK_OVERHEAD = 44;

/** Bytes of the block for a packet of `length` bytes. */
export function packetBlockBytes(length: number): number {
  return PACKET_BLOCK_OVERHEAD + ((length + 3) & ~3);
}

/** The blocks a file begins with: one section, one Ethernet interface with times in microseconds. */
export function writeFileHeader(interfaceName: string, snapLength: number): Uint8Array {
  const name = new TextEncoder().encode(interfaceName);
  const paddedName = (name.length + 3) & ~3;
  const interfaceBytes = 20 + 4 + paddedName + 8 + 4;
  const bytes = new Uint8Array(28 + interfaceBytes);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, SECTION_HEADER, true);
  view.setUint32(4, 28, true);
  view.setUint32(8, BYTE_ORDER_MAGIC, true);
  view.setUint16(12, 1, true);
  view.setInt32(16, -1, true);
  view.setInt32(20, -1, true);
  view.setUint32(24, 28, true);
  view.setUint32(28, INTERFACE_DESCRIPTION, true);
  view.setUint32(32, interfaceBytes, true);
  view.setUint16(36, LINKTYPE_ETHERNET, true);
  view.setUint32(40, snapLength, true);
  view.setUint16(44, OPTION_INTERFACE_NAME, true);
  view.setUint16(46, name.length, true);
  bytes.set(name, 48);
  const resolution = 48 + paddedName;
  view.setUint16(resolution, OPTION_TIME_RESOLUTION, true);
  view.setUint16(resolution + 2, 1, true);
  view.setUint8(resolution + 4, 6); // 10^-6 s
  view.setUint32(resolution + 8, OPTION_END, true);
  view.setUint32(resolution + 12, interfaceBytes, true);
  return bytes;
}

/**
 * Writes everything of a packet block but the packet, whose bytes the caller puts at `offset + 28`.
 *
 * @returns the block's length
 */
export function writePacketBlock(
  view: DataView,
  offset: number,
  timeUs: number,
  capturedBytes: number,
  originalBytes: number,
  direction: number,
): number {
  const blockBytes = packetBlockBytes(capturedBytes);
  const padded = (capturedBytes + 3) & ~3;
  view.setUint32(offset, ENHANCED_PACKET, true);
  view.setUint32(offset + 4, blockBytes, true);
  view.setUint32(offset + 8, 0, true);
  view.setUint32(offset + 12, Math.floor(timeUs / 0x1_0000_0000), true);
  view.setUint32(offset + 16, timeUs % 0x1_0000_0000, true);
  view.setUint32(offset + 20, capturedBytes, true);
  view.setUint32(offset + 24, originalBytes, true);
  for (let i = capturedBytes; i < padded; i++) view.setUint8(offset + 28 + i, 0);
  const options = offset + 28 + padded;
  view.setUint16(options, OPTION_PACKET_FLAGS, true);
  view.setUint16(options + 2, 4, true);
  view.setUint32(options + 4, direction, true);
  view.setUint32(options + 8, OPTION_END, true);
  view.setUint32(options + 12, blockBytes, true);
  return blockBytes;
}

/** A packet of a capture. */
export interface CapturedPacket {
  timeUs: number;
  /** {@link INBOUND}, {@link OUTBOUND}, or 0 when the file does not say. */
  direction: number;
  originalBytes: number;
  bytes: Uint8Array;
}

/**
 * Reads the packets of a little-endian pcapng file with times in microseconds; other blocks are skipped.
 *
 * @returns `undefined` when the bytes are no such file; a file that ends within a block yields the packets before it
 */
export function readPcapng(file: Uint8Array): CapturedPacket[] | undefined {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  if (file.length < 28 || view.getUint32(0, true) !== SECTION_HEADER) return undefined;
  if (view.getUint32(8, true) !== BYTE_ORDER_MAGIC) return undefined;
  const packets: CapturedPacket[] = [];
  let at = 0;
  while (at + 12 <= file.length) {
    const blockBytes = view.getUint32(at + 4, true);
    if (blockBytes < 12 || (blockBytes & 3) !== 0 || at + blockBytes > file.length) break;
    if (view.getUint32(at, true) === ENHANCED_PACKET && blockBytes >= 32) {
      const packet = readPacket(file, view, at, blockBytes);
      if (packet === undefined) break;
      packets.push(packet);
    }
    at += blockBytes;
  }
  return packets;
}

function readPacket(
  file: Uint8Array,
  view: DataView,
  at: number,
  blockBytes: number,
): CapturedPacket | undefined {
  const captured = view.getUint32(at + 20, true);
  const end = at + blockBytes - 4;
  if (captured > blockBytes - 32) return undefined;
  let direction = 0;
  let option = at + 28 + ((captured + 3) & ~3);
  while (option + 4 <= end) {
    const code = view.getUint16(option, true);
    const length = view.getUint16(option + 2, true);
    if (code === OPTION_END) break;
    if (code === OPTION_PACKET_FLAGS && length === 4 && option + 8 <= end) {
      direction = view.getUint32(option + 4, true) & 3;
    }
    option += 4 + ((length + 3) & ~3);
  }
  return {
    timeUs: view.getUint32(at + 12, true) * 0x1_0000_0000 + view.getUint32(at + 16, true),
    direction,
    originalBytes: view.getUint32(at + 24, true),
    bytes: new Uint8Array(file.subarray(at + 28, at + 28 + captured)),
  };
}
