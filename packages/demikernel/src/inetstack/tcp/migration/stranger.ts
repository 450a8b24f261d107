// Segments for a virtual address that belong to no connection here. Another host may have the connection, so that a reset is
// nobody's to send who has not asked; who asks is told of each.

import { count, STRANGER } from '../counters.ts';
import { sendReset } from '../reset.ts';
import { type Segment, Segment as SegmentState } from '../segment.ts';
import type { TcpLayer } from '../tcp-layer.ts';

/** What a reset needs to know of the segment that it answers. */
export interface Stranger {
  readonly localAddress: number;
  readonly localPort: number;
  readonly remoteAddress: number;
  readonly remotePort: number;
  readonly seq: number;
  readonly ack: number;
  readonly flags: number;
  readonly payloadBytes: number;
}

/** Hears of strangers. For unusual segments only: an object is made for each. */
export type StrangerSink = (stranger: Stranger) => void;

export function meetStranger(layer: TcpLayer, s: Segment, source: number, destination: number): void {
  count(layer.counters, STRANGER);
  layer.onStranger?.({
    localAddress: destination,
    localPort: s.destinationPort,
    remoteAddress: source,
    remotePort: s.sourcePort,
    seq: s.seq,
    ack: s.ack,
    flags: s.flags,
    payloadBytes: s.payloadBytes,
  });
}

/** Tells a stranger that its connection is nowhere: at once, or when its neighbour is known. Lost without a way or without room. */
export function resetStranger(layer: TcpLayer, stranger: Stranger): void {
  const { localAddress, localPort, remoteAddress, remotePort } = stranger;
  const ports = (localPort << 16) | remotePort;
  const isHere = (): boolean =>
    layer.demultiplexer.find(remoteAddress, localAddress, ports) !== undefined ||
    layer.holdings.find(remoteAddress, localAddress, ports) !== undefined;
  const route = layer.output.route(remoteAddress, localAddress);
  if (route === undefined) return;
  const send = (): void => {
    if (isHere()) return;
    const { seq, ack, flags, payloadBytes } = stranger;
    const segment = Object.assign(new SegmentState(), { seq, ack, flags, payloadBytes });
    sendReset(layer, route, ports, segment);
  };
  if (route.ready) send();
  else layer.output.resolve(route, { routeReady: send, routeFailed: () => {} });
}
