// A connection is made from a record, in memory of this host, frozen until it is known that it is ours. Nothing of it is left
// when something fails on the way.

import type { Slice, SlotPool } from '@demikernel/memory';
import { EEXIST, EHOSTUNREACH, EMSGSIZE, ENOBUFS } from '../../../runtime/errno.ts';
import { TcpConnection } from '../connection.ts';
import { count, IMPORT_REFUSED, IMPORTED } from '../counters.ts';
import { setMss } from '../handshake.ts';
import { isTaken } from '../ports.ts';
import { Reassembly } from '../reassembly.ts';
import type { ConnectionSettings } from '../settings.ts';
import type { TcpLayer } from '../tcp-layer.ts';
import { TcpQueue } from '../tcp-queue.ts';
import { FrozenConnection } from './frozen.ts';
import type { Holding } from './holding.ts';
import { badRecord, type ConnectionRecord, RECORD_FIELDS, readRecord } from './record.ts';
import { checkRecord } from './record-checks.ts';

/** Fields that the constructor sets, or that this host knows better. */
const OWN_FIELDS: ReadonlySet<string> = new Set([
  'localAddress',
  'remoteAddress',
  'localPort',
  'remotePort',
  'state',
]);

/**
 * Makes the connection of a record.
 *
 * @param holding what keeps its packets meanwhile: it must be for the same four-tuple
 * @returns the frozen connection, with a queue that has a descriptor; or an errno: EEXIST, EHOSTUNREACH, ENOBUFS, EMSGSIZE
 * @throws ERR_DEMI_RECORD when the record is none, or not a connection's
 */
export function arrive(
  layer: TcpLayer,
  holding: Holding,
  bytes: Uint8Array,
  defaults: ConnectionSettings,
): FrozenConnection | number {
  layer.readClock();
  let arrived: FrozenConnection | number | undefined;
  try {
    const record = readRecord(layer, bytes);
    checkRecord(record);
    const { localAddress, localPort, remoteAddress, remotePort } = record.fields;
    if (
      localAddress !== holding.localAddress ||
      localPort !== holding.localPort ||
      remoteAddress !== holding.remoteAddress ||
      remotePort !== holding.remotePort
    ) {
      throw badRecord('it is another connection’s');
    }
    arrived = build(layer, holding, record, defaults);
    return arrived;
  } finally {
    count(layer.counters, typeof arrived === 'object' ? IMPORTED : IMPORT_REFUSED);
  }
}

function build(
  layer: TcpLayer,
  holding: Holding,
  record: ConnectionRecord,
  defaults: ConnectionSettings,
): FrozenConnection | number {
  const { fields } = record;
  const { localAddress, localPort, remoteAddress, remotePort } = fields;
  if (isTaken(layer.demultiplexer, localAddress, localPort, remoteAddress, remotePort)) return EEXIST;
  if (layer.demultiplexer.count >= layer.configuration.maximumConnections) return ENOBUFS;
  const route = layer.output.isLocal(localAddress)
    ? layer.output.route(remoteAddress, localAddress)
    : undefined;
  if (route === undefined || route.broadcast) return EHOSTUNREACH;
  // A receive queue pins slots: more than its connection may is never imported either.
  if (record.receiveBytes.length > 2 * fields.receiveBufferBytes + 65_536) return EMSGSIZE;
  const c = new TcpConnection(layer, route, localAddress, localPort, remoteAddress, remotePort);
  for (const name of RECORD_FIELDS) {
    if (!OWN_FIELDS.has(name)) (c as unknown as Record<string, number>)[name] = fields[name];
  }
  adapt(layer, c, record);
  if (!fill(layer, c, record)) {
    empty(c);
    return ENOBUFS;
  }
  const errno = layer.ports.retain(localPort);
  if (errno !== 0) {
    empty(c);
    return errno;
  }
  const queue = new TcpQueue(layer);
  if (layer.runtime.queues.add(queue) < 0) {
    layer.ports.release(localPort);
    empty(c);
    return ENOBUFS;
  }
  takeOptions(queue.options, defaults, record.options);
  const frozen = new FrozenConnection(layer, c, fields.state, holding, queue);
  queue.adoptFrozen(frozen);
  return frozen;
}

/** What this host limits otherwise than the one it comes from. */
function adapt(layer: TcpLayer, c: TcpConnection, record: ConnectionRecord): void {
  const { configuration, congestion } = layer;
  const travelled = c.mss;
  setMss(c);
  if (travelled < c.mss) c.mss = travelled;
  c.rtoUs = Math.min(Math.max(c.rtoUs, configuration.minimumRtoUs), configuration.maximumRtoUs);
  c.rtoFloorUs = Math.min(c.rtoFloorUs, configuration.maximumRtoUs);
  // No time-out of ours is longer than this, whatever the record says.
  const latest = (layer.clock.micros32 + configuration.maximumRtoUs) | 0;
  if (((c.timerDeadline - latest) | 0) > 0) c.timerDeadline = latest;
  const words = record.congestionWords?.length ?? 0;
  if (words === congestion.words) {
    c.congestionWords = record.congestionWords;
    return;
  }
  // Another algorithm's: it begins anew.
  c.congestionWords = congestion.words > 0 ? new Int32Array(congestion.words) : undefined;
  congestion.begin(c);
}

/** Copies the bytes into slots; false when there are too few. */
function fill(layer: TcpLayer, c: TcpConnection, record: ConnectionRecord): boolean {
  const { pool } = layer;
  const { sendBytes, receiveBytes, pieces } = record;
  const sent = eachSlice(pool, sendBytes, slice => c.sendQueue.append(slice));
  if (!sent || !eachSlice(pool, receiveBytes, slice => c.receiveQueue.append(slice))) return false;
  const distance = (c.sndNxt - c.sndUna) | 0;
  c.sendQueue.seek(Math.min(distance, c.sendQueue.bytes));
  if (pieces.length === 0) return true;
  const reassembly = new Reassembly();
  c.reassembly = reassembly;
  for (const { start, bytes } of pieces) {
    const done = eachSlice(pool, bytes, (slice, at) => {
      reassembly.insert((c.rcvNxt + start + at) | 0, slice, Number.POSITIVE_INFINITY);
    });
    if (!done) return false;
  }
  return true;
}

/** Calls `take` with slices that hold a copy of `bytes`, each its own to keep; false when memory ends. */
function eachSlice(pool: SlotPool, bytes: Uint8Array, take: (slice: Slice, at: number) => void): boolean {
  for (let at = 0; at < bytes.length; ) {
    const length = Math.min(bytes.length - at, pool.capacityBytes);
    const slice = pool.alloc(length);
    if (slice === undefined) return false;
    pool.region.bytes.set(bytes.subarray(at, at + length), slice.offset);
    take(slice, at);
    at += length;
  }
  return true;
}

function empty(c: TcpConnection): void {
  c.sendQueue.clear();
  c.receiveQueue.clear();
  c.reassembly?.clear();
}

function takeOptions(
  settings: ConnectionSettings,
  defaults: ConnectionSettings,
  options: Readonly<Record<string, number>>,
): void {
  settings.copyFrom(defaults);
  settings.noDelay = options.noDelay !== 0;
  settings.lingerUs = options.lingerUs!;
  settings.keepAlive = options.keepAlive !== 0;
  settings.keepAliveIdleUs = options.keepAliveIdleUs!;
  settings.keepAliveIntervalUs = options.keepAliveIntervalUs!;
  settings.keepAliveProbes = options.keepAliveProbes! | 0;
  settings.userTimeoutUs = options.userTimeoutUs!;
  settings.sendBufferBytes = options.sendBufferBytes! | 0;
  settings.receiveBufferBytes = options.receiveBufferBytes! | 0;
  settings.reuseAddress = options.reuseAddress !== 0;
}
