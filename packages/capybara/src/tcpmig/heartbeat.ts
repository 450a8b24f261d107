// What a backend says of itself several times a second: the payload of a HEARTBEAT. It registers by it, and is missed without it.

import { createHmac, timingSafeEqual } from 'node:crypto';

/** A backend, as it describes itself. */
export interface Heartbeat {
  /** Its number. */
  backend: number;
  /** Its own IPv4 address, for control messages, as a number. */
  address: number;
  /** Its MAC address, 6 bytes. */
  macAddress: Uint8Array;
  /** It takes new connections, and others' connections. */
  accepting: boolean;
  /** It is to be emptied, and will end when it is empty. */
  draining: boolean;
  /** Share of new connections, 0.01 to 100. */
  weight: number;
  /** Connections that it has. */
  connections: number;
  /** How long requests wait before they are read, in µs; 0 when it does not measure that. */
  delayUs: number;
  /** Drawn when it started: another one is another process. */
  incarnation: number;
  /** Larger in every heartbeat of an incarnation. */
  sequence: number;
}

/** Bytes of the payload. */
export const HEARTBEAT_BYTES = 56;

const VERSION = 1;
const FLAG_ACCEPTING = 1;
const FLAG_DRAINING = 2;
const AT_FLAGS = 1;
const AT_WEIGHT = 2;
const AT_CONNECTIONS = 4;
const AT_DELAY = 8;
const AT_BACKEND = 12;
const AT_MAC_ADDRESS = 14;
const AT_ADDRESS = 20;
const AT_INCARNATION = 24;
const AT_SEQUENCE = 28;
const AT_RESERVED = 36;
const AT_TAG = 40;
const TAG_BYTES = 16;
const LABEL = Buffer.from('demikernel capybara heartbeat 1');
const MAX_WEIGHT = 100;
const MIN_WEIGHT = 0.01;

/**
 * Writes a heartbeat. Little-endian, but for the address, which is in network order; the tag is HMAC-SHA-256 under the fleet's
 * key, cut to 16 bytes (RFC 2104 section 5).
 *
 * @param fleetKey the key under which state travels
 */
export function encodeHeartbeat(heartbeat: Heartbeat, fleetKey: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(HEARTBEAT_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, VERSION);
  view.setUint8(
    AT_FLAGS,
    (heartbeat.accepting ? FLAG_ACCEPTING : 0) | (heartbeat.draining ? FLAG_DRAINING : 0),
  );
  view.setUint16(AT_WEIGHT, Math.round(heartbeat.weight * 100), true);
  view.setUint32(AT_CONNECTIONS, heartbeat.connections, true);
  view.setUint32(AT_DELAY, Math.min(Math.round(heartbeat.delayUs), 0xffff_ffff), true);
  view.setUint16(AT_BACKEND, heartbeat.backend, true);
  bytes.set(heartbeat.macAddress, AT_MAC_ADDRESS);
  view.setUint32(AT_ADDRESS, heartbeat.address >>> 0);
  view.setUint32(AT_INCARNATION, heartbeat.incarnation, true);
  view.setBigUint64(AT_SEQUENCE, BigInt(heartbeat.sequence), true);
  bytes.set(tagOf(bytes, fleetKey), AT_TAG);
  return bytes;
}

/** Reads a heartbeat; `undefined` for what nobody with the key has written, or what no backend says. */
export function decodeHeartbeat(bytes: Uint8Array, fleetKey: Uint8Array): Heartbeat | undefined {
  if (bytes.length !== HEARTBEAT_BYTES) return undefined;
  if (!timingSafeEqual(tagOf(bytes, fleetKey), bytes.subarray(AT_TAG))) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const weight = view.getUint16(AT_WEIGHT, true) / 100;
  const sequence = Number(view.getBigUint64(AT_SEQUENCE, true));
  if (view.getUint8(0) !== VERSION || weight < MIN_WEIGHT || weight > MAX_WEIGHT) return undefined;
  if (view.getUint32(AT_RESERVED, true) !== 0 || !Number.isSafeInteger(sequence)) return undefined;
  const flags = view.getUint8(AT_FLAGS);
  return {
    backend: view.getUint16(AT_BACKEND, true),
    address: view.getUint32(AT_ADDRESS),
    macAddress: bytes.slice(AT_MAC_ADDRESS, AT_MAC_ADDRESS + 6),
    accepting: (flags & FLAG_ACCEPTING) !== 0,
    draining: (flags & FLAG_DRAINING) !== 0,
    weight,
    connections: view.getUint32(AT_CONNECTIONS, true),
    delayUs: view.getUint32(AT_DELAY, true),
    incarnation: view.getUint32(AT_INCARNATION, true),
    sequence,
  };
}

function tagOf(bytes: Uint8Array, fleetKey: Uint8Array): Uint8Array {
  return createHmac('sha256', fleetKey)
    .update(LABEL)
    .update(bytes.subarray(0, AT_TAG))
    .digest()
    .subarray(0, TAG_BYTES);
}
