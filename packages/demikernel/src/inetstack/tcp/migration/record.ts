// The record of a connection: one run of bytes, generated from state-fields.ts, that another stack makes the connection from.
// What in it is plausible is record-checks.ts; memory for it arrival.ts.
//
//   0  magic "DTCP"   4  version u16, fields u16   8  layout u32   12  length of it all u32      all little-endian
//   16 the fields, int32 each, in the order of the list
//      the socket options, f64 each
//      words of congestion control: how many, and they
//      bytes of the send queue, of the receive queue, pieces out of order: u32 each
//      each piece: begin behind RCV.NXT, length: u32 each
//      the bytes, in this order

import { DemiError } from '@demikernel/memory';
import type { TcpConnection } from '../connection.ts';
import type { ConnectionSettings } from '../settings.ts';
import { type StateFieldKind, TCP_STATE_FIELDS } from '../state-fields.ts';
import type { TcpLayer } from '../tcp-layer.ts';

const MAGIC = 0x50435444;
const VERSION = 1;
const HEADER_BYTES = 16;

/** Fields that are one int32 in a record. */
export type NumberField = {
  [Name in keyof TcpConnection]: TcpConnection[Name] extends number ? Name : never;
}[keyof TcpConnection];

function isNumberKind(kind: StateFieldKind): boolean {
  return kind !== 'derived' && kind !== 'slices' && kind !== 'words';
}

/** The int32 fields of a record, in its order. */
export const RECORD_FIELDS: readonly NumberField[] = Object.entries(TCP_STATE_FIELDS)
  .filter(([, kind]) => isNumberKind(kind))
  .map(([name]) => name as NumberField);

/** The socket options of a record, in its order; booleans as 0 and 1. */
export const RECORD_OPTIONS: readonly (keyof ConnectionSettings & string)[] = [
  'noDelay',
  'lingerUs',
  'keepAlive',
  'keepAliveIdleUs',
  'keepAliveIntervalUs',
  'keepAliveProbes',
  'userTimeoutUs',
  'sendBufferBytes',
  'receiveBufferBytes',
  'reuseAddress',
];

/** Tells records of one list of fields from those of another: FNV-1a over names and kinds. */
function layoutHash(): number {
  let hash = 0x811c9dc5 | 0;
  const text = [
    ...Object.entries(TCP_STATE_FIELDS).map(([name, kind]) => `${name}:${kind}`),
    ...RECORD_OPTIONS,
  ].join();
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash;
}

const LAYOUT = layoutHash();

const FIELD_KINDS: readonly StateFieldKind[] = RECORD_FIELDS.map(name => TCP_STATE_FIELDS[name]);
// Copies of these have their properties already: V8 takes long to give an object sixty of them one by one.
const BLANK_FIELDS = Object.fromEntries(RECORD_FIELDS.map(name => [name, 0])) as Record<NumberField, number>;
const BLANK_OPTIONS: Readonly<Record<string, number>> = Object.fromEntries(
  RECORD_OPTIONS.map(name => [name, 0]),
);

/** What a record says, unbelieved. `fields` are in the terms of the clock of whoever reads it. */
export interface ConnectionRecord {
  readonly fields: Readonly<Record<NumberField, number>>;
  readonly options: Readonly<Record<string, number>>;
  readonly congestionWords: Int32Array | undefined;
  readonly sendBytes: Uint8Array;
  readonly receiveBytes: Uint8Array;
  readonly pieces: readonly { start: number; bytes: Uint8Array }[];
}

/** Length of the record of a connection in bytes. */
export function recordBytes(c: TcpConnection): number {
  const words = c.congestionWords?.length ?? 0;
  const pieces = c.reassembly?.count ?? 0;
  const head = HEADER_BYTES + RECORD_FIELDS.length * 4 + RECORD_OPTIONS.length * 8 + 4 + words * 4 + 12;
  return head + pieces * 8 + c.sendQueue.bytes + c.receiveQueue.bytes + (c.reassembly?.bytes ?? 0);
}

/** Writes the record of a connection, as of now. @param state what `state` says when the connection is not frozen */
export function writeRecord(
  layer: TcpLayer,
  c: TcpConnection,
  state: number,
  settings: ConnectionSettings,
): Uint8Array {
  const bytes = new Uint8Array(recordBytes(c));
  const view = new DataView(bytes.buffer);
  view.setInt32(0, MAGIC, true);
  view.setUint16(4, VERSION, true);
  view.setUint16(6, RECORD_FIELDS.length, true);
  view.setInt32(8, LAYOUT, true);
  view.setUint32(12, bytes.length, true);
  let at = HEADER_BYTES;
  for (let i = 0; i < RECORD_FIELDS.length; i++, at += 4) {
    const name = RECORD_FIELDS[i]!;
    const value = name === 'state' ? state : c[name];
    view.setInt32(at, toRecord(layer, FIELD_KINDS[i]!, value), true);
  }
  for (const name of RECORD_OPTIONS) {
    view.setFloat64(at, Number(settings[name]), true);
    at += 8;
  }
  const words = c.congestionWords;
  view.setUint32(at, words?.length ?? 0, true);
  at += 4;
  for (const word of words ?? []) {
    view.setInt32(at, word, true);
    at += 4;
  }
  view.setUint32(at, c.sendQueue.bytes, true);
  view.setUint32(at + 4, c.receiveQueue.bytes, true);
  view.setUint32(at + 8, c.reassembly?.count ?? 0, true);
  at += 12;
  for (let i = 0; i < (c.reassembly?.count ?? 0); i++) {
    const start = c.reassembly!.startOf(i);
    view.setUint32(at, start - c.rcvNxt, true);
    view.setUint32(at + 4, c.reassembly!.endOf(i) - start, true);
    at += 8;
  }
  at = c.sendQueue.copyTo(bytes, at);
  at = c.receiveQueue.copyTo(bytes, at);
  c.reassembly?.copyTo(bytes, at);
  return bytes;
}

/** A moment of the clock becomes its distance from now, so that two clocks need not agree. */
function toRecord(layer: TcpLayer, kind: StateFieldKind, value: number): number {
  if (kind === 'time32') return (value - layer.clock.micros32) | 0;
  if (kind === 'timeMs') return (value - layer.nowMs) | 0;
  if (kind === 'timeSeconds') return (value - layer.nowSeconds) | 0;
  return kind === 'timestampMs' ? (value + layer.nowMs) | 0 : value;
}

function fromRecord(layer: TcpLayer, kind: StateFieldKind, value: number): number {
  if (kind === 'time32') return (value + layer.clock.micros32) | 0;
  if (kind === 'timeMs') return (value + layer.nowMs) | 0;
  if (kind === 'timeSeconds') return (value + layer.nowSeconds) | 0;
  return kind === 'timestampMs' ? (value - layer.nowMs) | 0 : value;
}

/** The error of every record that cannot be taken. */
export function badRecord(why: string): DemiError {
  return new DemiError('ERR_DEMI_RECORD', `no connection can be made from this record: ${why}`);
}

/** Takes a record apart. @throws ERR_DEMI_RECORD when it is cut, of another version, or longer than it says */
export function readRecord(layer: TcpLayer, bytes: Uint8Array): ConnectionRecord {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = HEADER_BYTES;
  const fixed = RECORD_FIELDS.length * 4 + RECORD_OPTIONS.length * 8 + 4;
  if (bytes.length < at + fixed || view.getInt32(0, true) !== MAGIC) throw badRecord('it is none');
  if (view.getUint16(4, true) !== VERSION || view.getInt32(8, true) !== LAYOUT) {
    throw badRecord('it is of another version');
  }
  if (view.getUint32(12, true) !== bytes.length) throw badRecord('its length is not what it says');
  const fields = { ...BLANK_FIELDS };
  for (let i = 0; i < RECORD_FIELDS.length; i++, at += 4)
    fields[RECORD_FIELDS[i]!] = fromRecord(layer, FIELD_KINDS[i]!, view.getInt32(at, true));
  const options = { ...BLANK_OPTIONS };
  for (const name of RECORD_OPTIONS) {
    options[name] = view.getFloat64(at, true);
    at += 8;
  }
  const left = (): number => bytes.length - at;
  const take = (length: number): Uint8Array => {
    if (length > left()) throw badRecord('it is cut');
    at += length;
    return bytes.subarray(at - length, at);
  };
  const wordCount = view.getUint32(at, true);
  at += 4;
  if (wordCount > left() / 4) throw badRecord('it is cut');
  const words = wordCount === 0 ? undefined : new Int32Array(wordCount);
  for (let i = 0; i < wordCount; i++, at += 4) words![i] = view.getInt32(at, true);
  const lengths = view.byteOffset + at;
  take(12);
  const head = new DataView(view.buffer, lengths, 12);
  const pieceCount = head.getUint32(8, true);
  if (pieceCount > left() / 8) throw badRecord('it is cut');
  const table = new DataView(view.buffer, view.byteOffset + at, pieceCount * 8);
  at += pieceCount * 8;
  const sendBytes = take(head.getUint32(0, true));
  const receiveBytes = take(head.getUint32(4, true));
  const pieces: { start: number; bytes: Uint8Array }[] = [];
  for (let i = 0; i < pieceCount; i++) {
    pieces.push({ start: table.getUint32(i * 8, true), bytes: take(table.getUint32(i * 8 + 4, true)) });
  }
  if (left() !== 0) throw badRecord('there is something behind it');
  return {
    fields,
    options,
    congestionWords: words,
    sendBytes,
    receiveBytes,
    pieces,
  };
}
