// Frames as tests write them: built by other code than the stack's, with the plainest checksum there is.

/** The Internet checksum, a byte at a time. */
export function plainChecksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i++) sum += i % 2 === 0 ? bytes[i]! * 256 : bytes[i]!;
  while (sum > 0xffff) sum = (sum % 65536) + Math.floor(sum / 65536);
  return 0xffff - sum;
}

export function u8(...values: number[]): Buffer {
  return Buffer.from(values);
}

export function u16(...values: number[]): Buffer {
  return Buffer.concat(values.map(value => Buffer.of(value >>> 8, value & 255)));
}

export function ip(text: string): Buffer {
  return Buffer.from(text.split('.').map(Number));
}

export const OUR_MAC = '02aabbccdd01';
export const PEER_MAC = '02aabbccdd02';
export const OUR_IP = '10.0.0.1';
export const PEER_IP = '10.0.0.2';

export interface PacketOptions {
  source?: string;
  destination?: string;
  protocol?: number;
  identification?: number;
  /** Flags and offset as in the header; default "don't fragment". */
  fragmentWord?: number;
  options?: Buffer;
  ttl?: number;
}

export function ipv4(payload: Uint8Array, options: PacketOptions = {}): Buffer {
  const { source = PEER_IP, destination = OUR_IP, protocol = 17, identification = 0, ttl = 64 } = options;
  const extra = options.options ?? Buffer.alloc(0);
  const headerBytes = 20 + extra.length;
  const header = Buffer.concat([
    u8(0x40 | (headerBytes / 4), 0),
    u16(headerBytes + payload.length, identification, options.fragmentWord ?? 0x4000),
    u8(ttl, protocol, 0, 0),
    ip(source),
    ip(destination),
    extra,
  ]);
  header.writeUInt16BE(plainChecksum(header), 10);
  return Buffer.concat([header, payload]);
}

export function ethernet(
  packet: Uint8Array,
  type = 0x0800,
  to: string = OUR_MAC,
  from: string = PEER_MAC,
): Buffer {
  return Buffer.concat([Buffer.from(to, 'hex'), Buffer.from(from, 'hex'), u16(type), packet]);
}

export interface UdpPacketOptions extends PacketOptions {
  sourcePort?: number;
  destinationPort?: number;
  /** Checksum field to write instead of the right one. */
  checksum?: number;
}

/** UDP header and payload. */
export function udp(payload: Uint8Array, options: UdpPacketOptions = {}): Buffer {
  const { source = PEER_IP, destination = OUR_IP, sourcePort = 4000, destinationPort = 7 } = options;
  const length = payload.length + 8;
  const segment = Buffer.concat([u16(sourcePort, destinationPort, length, 0), payload]);
  const pseudo = Buffer.concat([ip(source), ip(destination), u8(0, 17), u16(length)]);
  const sum = plainChecksum(Buffer.concat([pseudo, segment]));
  segment.writeUInt16BE(options.checksum ?? (sum === 0 ? 0xffff : sum), 6);
  return segment;
}

/** A whole frame with a UDP datagram. */
export function udpFrame(payload: Uint8Array, options: UdpPacketOptions = {}, to: string = OUR_MAC): Buffer {
  return ethernet(ipv4(udp(payload, options), { protocol: 17, ...options }), 0x0800, to);
}

/** An ICMP message with its checksum. */
export function icmp(type: number, code: number, rest: number, body: Uint8Array): Buffer {
  const message = Buffer.concat([u8(type, code, 0, 0), u16(rest >>> 16, rest & 0xffff), body]);
  message.writeUInt16BE(plainChecksum(message), 2);
  return message;
}

export function icmpFrame(message: Uint8Array, options: PacketOptions = {}): Buffer {
  return ethernet(ipv4(message, { protocol: 1, ...options }));
}

export function arp(
  opcode: number,
  senderMac: string,
  sender: string,
  targetMac: string,
  target: string,
): Buffer {
  return Buffer.concat([
    u16(1, 0x0800),
    u8(6, 4),
    u16(opcode),
    Buffer.from(senderMac, 'hex'),
    ip(sender),
    Buffer.from(targetMac, 'hex'),
    ip(target),
  ]);
}

/** Cuts a packet's payload into fragments of `bytes` each (a multiple of 8). */
export function fragments(payload: Uint8Array, bytes: number, options: PacketOptions = {}): Buffer[] {
  const cut: Buffer[] = [];
  for (let at = 0; at < payload.length; at += bytes) {
    const more = at + bytes < payload.length ? 0x2000 : 0;
    const piece = payload.subarray(at, at + bytes);
    cut.push(ethernet(ipv4(piece, { ...options, fragmentWord: more | (at / 8) })));
  }
  return cut;
}

/** Fields of a frame that the stack sent. */
export function parse(hex: string): {
  to: string;
  from: string;
  type: number;
  source: string;
  destination: string;
  protocol: number;
  ttl: number;
  fragmentWord: number;
  identification: number;
  headerIntact: boolean;
  payload: Buffer;
} {
  const bytes = Buffer.from(hex, 'hex');
  const packet = bytes.subarray(14);
  return {
    to: bytes.toString('hex', 0, 6),
    from: bytes.toString('hex', 6, 12),
    type: bytes.readUInt16BE(12),
    source: [...packet.subarray(12, 16)].join('.'),
    destination: [...packet.subarray(16, 20)].join('.'),
    protocol: packet[9] ?? 0,
    ttl: packet[8] ?? 0,
    fragmentWord: packet.readUInt16BE(6),
    identification: packet.readUInt16BE(4),
    headerIntact: plainChecksum(packet.subarray(0, 20)) === 0,
    payload: packet.subarray(20, packet.readUInt16BE(2)),
  };
}
