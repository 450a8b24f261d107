// The floor on our AF_XDP code: a stateless echo. It knows no connections, no timers, no buffers; frames go back from
// the slot they came in.
//
// TCP: a SYN is answered with the client's own initial sequence number, so that from then on both directions count
// alike and a segment goes back with the sequence number it came with, whatever else is under way.

import { RedirectToSocket, XdpLink } from '@demikernel/ebpf';
import { linkIndex, parseMacAddress } from '@demikernel/native/kernel';
import { AfXdpDevice, Frame, foldChecksum, pseudoHeaderSum, ReceiveBurst, sumBytes } from 'demikernel/stack';
import { announceReady } from './ready.ts';

const IP = 14;
const L4 = 34;
const PROTOCOL_TCP = 6;
const PROTOCOL_UDP = 17;
// RFC 9293 section 3.1: header length and flags at byte 12, window at 14, checksum at 16.
const FIN = 1;
const SYN = 2;
const RST = 4;
const PSH = 8;
const ACK = 16;
const WINDOW = 65535;
const MAXIMUM_SEGMENT_BYTES = 1460;

const [interfaceName = '', macAddress = '', address = '', port = '7'] = process.argv.slice(2);
const servedPort = Number(port);
const servedAddress = address.split('.').reduce((value, byte) => value * 256 + Number(byte), 0);

const device = new AfXdpDevice({
  name: interfaceName,
  interfaceIndex: linkIndex(interfaceName),
  macAddress: parseMacAddress(macAddress),
  partialChecksums: true,
});
const redirect = new RedirectToSocket({ mode: 'address', address: servedAddress });
redirect.setSocket(0, device.socket.descriptor);
const link = new XdpLink({ program: redirect.program, ifindex: linkIndex(interfaceName), mode: 'native' });

const { pool } = device;
const { view } = pool.region;
const frame = new Frame();

function swap16(first: number, second: number): void {
  const value = view.getInt16(first);
  view.setInt16(first, view.getInt16(second));
  view.setInt16(second, value);
}

function swap32(first: number, second: number): void {
  const value = view.getInt32(first);
  view.setInt32(first, view.getInt32(second));
  view.setInt32(second, value);
}

/** Turns a frame around in its slot. Returns the length to send back, or 0 when there is nothing to answer. */
function reflect(at: number, lengthBytes: number): number {
  // IPv4 without options and in one piece is all that a benchmark's client sends.
  if (lengthBytes < L4 + 8 || view.getUint16(at + 12) !== 0x0800 || view.getUint8(at + IP) !== 0x45) return 0;
  const ipBytes = view.getUint16(at + IP + 2);
  if (ipBytes > lengthBytes - IP || view.getUint16(at + L4 + 2) !== servedPort) return 0;
  const protocol = view.getUint8(at + IP + 9);
  if (protocol === PROTOCOL_UDP) {
    // Zero means that there is no checksum (RFC 768): what arrived may be a partial one.
    view.setInt16(at + L4 + 6, 0);
    turnAround(at);
    return ipBytes + IP;
  }
  return protocol === PROTOCOL_TCP ? reflectSegment(at, ipBytes) : 0;
}

function turnAround(at: number): void {
  swap32(at, at + 6);
  swap16(at + 4, at + 10);
  swap32(at + IP + 12, at + IP + 16);
  swap16(at + L4, at + L4 + 2);
}

function reflectSegment(at: number, ipBytes: number): number {
  const headerBytes = (view.getUint8(at + L4 + 12) >> 4) * 4;
  const payloadBytes = ipBytes - 20 - headerBytes;
  const flags = view.getUint8(at + L4 + 13);
  if (headerBytes < 20 || payloadBytes < 0 || (flags & RST) !== 0) return 0;
  if (payloadBytes === 0 && (flags & (SYN | FIN)) === 0) return 0;
  const sequence = view.getInt32(at + L4 + 4);
  const taken = payloadBytes + (flags & FIN) + ((flags & SYN) >> 1);
  turnAround(at);
  const answerBytes = (flags & SYN) !== 0 ? answerSyn(at, headerBytes) : headerBytes + payloadBytes;
  view.setInt32(at + L4 + 8, (sequence + taken) | 0);
  view.setInt8(at + L4 + 13, (flags & (SYN | FIN | PSH)) | ACK);
  view.setInt16(at + L4 + 14, WINDOW);
  view.setInt32(at + L4 + 16, 0);
  const sum = pseudoHeaderSum(
    view.getInt32(at + IP + 12),
    view.getInt32(at + IP + 16),
    PROTOCOL_TCP,
    answerBytes,
  );
  view.setInt16(at + L4 + 16, foldChecksum(sumBytes(view, at + L4, answerBytes, sum)));
  return L4 + answerBytes;
}

/** Cuts a SYN down to its header and the MSS option (RFC 9293 section 3.7.1): no others are agreed on. */
function answerSyn(at: number, headerBytes: number): number {
  if (headerBytes < 24) return headerBytes;
  view.setInt32(at + L4 + 20, 0x0204_0000 | MAXIMUM_SEGMENT_BYTES);
  view.setInt8(at + L4 + 12, 0x60);
  setIpLength(at, 20 + 24);
  return 24;
}

function setIpLength(at: number, ipBytes: number): void {
  view.setInt16(at + IP + 2, ipBytes);
  view.setInt16(at + IP + 10, 0);
  view.setInt16(at + IP + 10, foldChecksum(sumBytes(view, at + IP, 20, 0)));
}

function turn(burst: ReceiveBurst): void {
  const count = device.receive(burst);
  for (let i = 0; i < count; i++) {
    const offset = burst.offset[i]!;
    const lengthBytes = reflect(offset, burst.length[i]!);
    if (lengthBytes === 0 || device.transmitRoom() === 0) {
      pool.release(offset >> pool.slotShift);
      continue;
    }
    frame.clear();
    frame.append(offset, lengthBytes);
    device.transmit(frame);
  }
  device.flush();
}

/** Turns between two looks at Node's event loop, where the signal to stop arrives. */
const TURNS_PER_LOOK = 1 << 14;

function run(burst: ReceiveBurst): void {
  for (let i = 0; i < TURNS_PER_LOOK; i++) turn(burst);
  setImmediate(run, burst);
}

function stop(): void {
  link.close();
  redirect.close();
  device.close();
  process.exit(0);
}

process.on('SIGTERM', stop);
process.on('SIGINT', stop);
announceReady();
run(new ReceiveBurst());
