// What leaves and arrives, as those see it who move connections: by queue descriptor, one object per departure and arrival.
// What happens to the connection itself is frozen.ts and arrival.ts.

import { DemiError } from '@demikernel/memory';
import { EADDRNOTAVAIL, EEXIST, EOPNOTSUPP, errnoName } from '../../../runtime/errno.ts';
import { OP_POP } from '../../../runtime/operation.ts';
import type { Runtime } from '../../../runtime/runtime.ts';
import { count, EXPORTED } from '../counters.ts';
import type { TcpLayer } from '../tcp-layer.ts';
import { TcpQueue } from '../tcp-queue.ts';
import { arrive } from './arrival.ts';
import { forwardPacket } from './forward.ts';
import type { FrozenConnection } from './frozen.ts';
import { DEFAULT_HELD_PACKETS, type Holding, type PacketSink } from './holding.ts';
import { recordBytes, writeRecord } from './record.ts';
import { resetStranger as resetAt, type Stranger, type StrangerSink } from './stranger.ts';

/** A library OS, or a `Demikernel`'s `libraryOs`: whoever has the queues. */
export interface MovingHost {
  readonly runtime: Runtime;
}

/** The four-tuple, as this host sees it. Addresses are int32. */
export interface ConnectionName {
  localAddress: number;
  localPort: number;
  remoteAddress: number;
  remotePort: number;
}

export interface ExportOptions {
  /** Packets kept meanwhile, to be replayed or handed on. Default 256. */
  heldPackets?: number;
}

export interface ExpectOptions {
  /** Packets that may come before their connection. Default 256; what comes beyond is dropped and counted. */
  heldPackets?: number;
}

/** A connection that has been exported. Exactly one of `resume`, `release`, `discard` and `reset` ends it; later calls do nothing. */
export interface DepartingConnection extends ConnectionName {
  /** The connection as bytes: `Expected.import` makes it again elsewhere. */
  readonly record: Uint8Array;
  /** It goes on here, as if nothing had been: operations, timers, and the packets that came meanwhile. */
  resume(): void;
  /**
   * It lives elsewhere now. Its memory is given back, operations that wait are cancelled; packets that still come within
   * `graceUs` go to `sink`.
   */
  release(sink: PacketSink, graceUs: number): void;
  /** Hands a packet that the sink was given to another host of the link. False: it is lost, as packets may be. */
  forward(packet: Uint8Array, to: number): boolean;
  /** It is gone, and the peer is not told. */
  discard(): void;
  /** It is gone, and the peer is told. */
  reset(): void;
}

/** A connection that has been imported and waits for its release. Ended as a {@link DepartingConnection} is. */
export interface ArrivingConnection extends ConnectionName {
  /** The descriptor of its queue; good once it has been resumed. */
  readonly qd: number;
  /** It is ours: it takes the packets that came early, and sends. */
  resume(): void;
  discard(): void;
  reset(): void;
}

function queueOf(host: MovingHost, qd: number): TcpQueue {
  const queue = host.runtime.queues.lookup(qd);
  if (queue instanceof TcpQueue) return queue;
  throw new DemiError('ERR_DEMI_UNSUPPORTED', 'only TCP connections of our own stack move');
}

function refusal(what: string, errno: number): DemiError {
  return new DemiError('ERR_DEMI_NETWORK', `${what}: ${errnoName(errno)}`, { errno });
}

/** Bytes that the record of a connection has now; 0 when it cannot move now: not established yet, over, or moving. */
export function departable(host: MovingHost, qd: number): number {
  const c = queueOf(host, qd).state;
  return c === undefined || !queueOf(host, qd).mayFreeze ? 0 : recordBytes(c);
}

/** Whether a pop waits for bytes: whoever issued it has taken everything that came before. */
export function isReading(host: MovingHost, qd: number): boolean {
  return queueOf(host, qd).state?.waitingPop !== undefined && !hasUntaken(host, qd);
}

/**
 * Whether something that was popped waits to be taken by the application: its state is not what the connection's is, and the two
 * must not leave now. A turn later they may.
 */
export function hasUntaken(host: MovingHost, qd: number): boolean {
  return host.runtime.operations.hasUntaken(OP_POP, qd);
}

/**
 * Takes a connection out of its stack and makes a record of it. From here on this host sends nothing for it, not even an
 * acknowledgement, until it is resumed.
 *
 * Pushes that have not found room yet complete: their bytes travel. Pops and later pushes wait for what becomes of it.
 *
 * @throws ERR_DEMI_NETWORK with ENOTCONN, EALREADY (it is moving already) or EOPNOTSUPP (SYN-SENT, TIME-WAIT)
 */
export function exportConnection(
  host: MovingHost,
  qd: number,
  options: ExportOptions = {},
): DepartingConnection {
  const queue = queueOf(host, qd);
  const frozen = queue.freeze(options.heldPackets ?? DEFAULT_HELD_PACKETS);
  if (typeof frozen === 'number') throw refusal('export', frozen);
  const { layer, connection: c, state, holding } = frozen;
  count(layer.counters, EXPORTED);
  return {
    ...nameOf(holding),
    record: writeRecord(layer, c, state, queue.options),
    resume: () => frozen.resume(),
    release: (sink, graceUs) => frozen.release(sink, graceUs),
    forward: (packet, to) => forwardPacket(layer, packet, to),
    discard: () => frozen.discard(),
    reset: () => frozen.reset(),
  };
}

function nameOf(holding: Holding): ConnectionName {
  const { localAddress, localPort, remoteAddress, remotePort } = holding;
  return { localAddress, localPort, remoteAddress, remotePort };
}

/**
 * Begins to keep the packets of a connection that is expected: nothing is answered for them.
 *
 * @param listenerQd the listening queue whose connection it will be
 * @throws ERR_DEMI_NETWORK with EADDRNOTAVAIL (it does not listen there) or EEXIST (there is such a connection, or it is
 *   expected or leaving already)
 */
export function expectConnection(
  host: MovingHost,
  listenerQd: number,
  name: ConnectionName,
  options: ExpectOptions = {},
): Expected {
  const queue = queueOf(host, listenerQd);
  const { owner: layer, listening } = queue;
  const { localAddress, localPort, remoteAddress, remotePort } = name;
  if (listening === undefined || layer.findListener(localAddress, localPort) !== listening) {
    throw refusal('expect', EADDRNOTAVAIL);
  }
  if (!layer.output.isLocal(localAddress)) throw refusal('expect', EADDRNOTAVAIL);
  const ports = (localPort << 16) | remotePort;
  // Packets of a connection that has left are handed on for a while: it may well come back meanwhile.
  layer.holdings.yieldForwarding(remoteAddress, localAddress, ports);
  if (
    layer.demultiplexer.find(remoteAddress, localAddress, ports) !== undefined ||
    layer.holdings.find(remoteAddress, localAddress, ports) !== undefined
  ) {
    throw refusal('expect', EEXIST);
  }
  warmRoute(layer, remoteAddress, localAddress);
  const packets = options.heldPackets ?? DEFAULT_HELD_PACKETS;
  const holding = layer.holdings.open(localAddress, localPort, remoteAddress, remotePort, packets);
  return new Expected(layer, queue, holding);
}

/** The first byte from here should not have to wait for the client's neighbour. */
function warmRoute(layer: TcpLayer, remoteAddress: number, localAddress: number): void {
  const route = layer.output.route(remoteAddress, localAddress);
  if (route === undefined || route.ready) return;
  layer.output.resolve(route, { routeReady: () => {}, routeFailed: () => {} });
}

/** Holds the place of a connection that is to arrive. */
export class Expected {
  private readonly layer: TcpLayer;
  private readonly listener: TcpQueue;
  private readonly holding: Holding;
  private used: boolean;

  /** Use {@link expectConnection}. */
  constructor(layer: TcpLayer, listener: TcpQueue, holding: Holding) {
    this.layer = layer;
    this.listener = listener;
    this.holding = holding;
    this.used = false;
  }

  /** Packets that have come early and are kept, and those that found no room. */
  get heldPackets(): number {
    return this.holding.held;
  }

  get droppedPackets(): number {
    return this.holding.dropped;
  }

  /**
   * Makes the connection of a record, frozen. After a failure nothing is left of it, and another record may be tried.
   *
   * @throws ERR_DEMI_RECORD for bytes that are no connection's, or another's; ERR_DEMI_NETWORK with EEXIST, EHOSTUNREACH,
   *   ENOBUFS or EMSGSIZE when this host cannot take it
   */
  import(record: Uint8Array): ArrivingConnection {
    if (this.used) throw refusal('import', EOPNOTSUPP);
    const { layer, holding } = this;
    const frozen = arrive(layer, holding, record, this.listener.options);
    if (typeof frozen === 'number') throw refusal('import', frozen);
    this.used = true;
    const { qd } = frozen.queue;
    return {
      ...nameOf(holding),
      qd,
      resume: () => frozen.resume(),
      discard: () => this.drop(frozen, () => frozen.discard()),
      reset: () => this.drop(frozen, () => frozen.reset()),
    };
  }

  private drop(frozen: FrozenConnection, end: () => void): void {
    if (frozen.ended) return;
    end();
    const { qd } = frozen.queue;
    frozen.queue.close();
    this.layer.runtime.queues.remove(qd);
  }

  /** It will not come: its packets are dropped. Does nothing after an import. */
  abandon(): void {
    if (!this.used) this.holding.close();
  }
}

/** The listening queue among `qds` that a connection to this address and port belongs to. */
export function listenFor(
  host: MovingHost,
  qds: Iterable<number>,
  address: number,
  port: number,
): number | undefined {
  for (const qd of qds) {
    const queue = queueOf(host, qd);
    const { listening } = queue;
    if (listening !== undefined && queue.owner.findListener(address, port) === listening) return qd;
  }
  return undefined;
}

/** Hears of segments for a virtual address that belong to no connection of the stack behind `qd`: they draw no answer. */
export function onStranger(host: MovingHost, qd: number, sink: StrangerSink | undefined): void {
  queueOf(host, qd).owner.onStranger = sink;
}

/** Answers a stranger with a reset: only for who knows that no host has its connection. */
export function resetStranger(host: MovingHost, qd: number, stranger: Stranger): void {
  resetAt(queueOf(host, qd).owner, stranger);
}
