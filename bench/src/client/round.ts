// What the measuring client is asked for and answers, as JSON lines between it and the benchmark that started it.

import type { SparseHistogram } from '../histogram.ts';

/** `local`: streams inside the machine, over Unix sockets or shared memory. */
export type Protocol = 'tcp' | 'udp' | 'local';
/** How the client waits for a reply: asking again and again, or asleep in the kernel. */
export type ClientMode = 'spin' | 'block';

/** One round: open the connections, warm up, measure, close. */
export interface RoundRequest {
  protocol: Protocol;
  /** Dotted IPv4 address and port of the service; `local`: a path, or a name of Catmem, `@name`. */
  address: string;
  port: number;
  /** The service is on Catmem: so is the client. */
  shared?: boolean;
  sizeBytes: number;
  connections: number;
  client: ClientMode;
  warmUpMs: number;
  /** The warm-up goes on until so many requests were answered, for a second more at most. */
  warmUpRequests: number;
  measureMs: number;
  /** Process of the service, for its processor time; 0: none. */
  serverPid: number;
}

export interface RoundResult {
  requests: number;
  elapsedUs: number;
  latencies: SparseHistogram;
  /** Requests that were not answered in time (datagrams), and answers that came after that. */
  lost: number;
  late: number;
  /** Replies whose bytes were not the request's. */
  corrupted: number;
  /** Looks for a reply while measuring, and how many of them found none. */
  polls: number;
  emptyPolls: number;
  /** Processor time while measuring: of the whole machine (soft interrupts included), this client, the service. */
  machineCpuUs: number;
  clientCpuUs: number;
  serverCpuUs: number;
  /** What went wrong, when the round could not be measured. */
  error?: string;
}
