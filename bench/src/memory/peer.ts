// What every pair of processes that is compared can do, and how its client is told. Nothing is measured here.

import { Histogram } from '../histogram.ts';

/** The first word of a message: what the service is to do with it. */
export const ECHO = 0;
/** Count it and forget it. */
export const SINK = 1;
/** The last of those: answer it. */
export const LAST = 2;
/** Bytes of a message's head: what, and how long the message is. */
export const HEAD_BYTES = 8;

/** What a client is asked to do. */
export interface Task {
  task: 'echo' | 'stream';
  sizeBytes: number;
  milliseconds: number;
}

/** Figures of one task. */
export interface Figures {
  /** Echo: round trips. Stream: messages one way, the last one answered. */
  messagesPerSecond: number;
  p50Us: number;
  p99Us: number;
}

/** The client's end. */
export interface Client {
  /** One message there and back. */
  roundTrip(sizeBytes: number): void | Promise<void>;
  /** Sends one message one way; `last` waits until the service has had everything. */
  send(sizeBytes: number, last: boolean): void | Promise<void>;
  close(): void;
}

/** Messages between two looks at the clock, by size: some microseconds' worth. */
function batchFor(sizeBytes: number): number {
  return sizeBytes <= 4096 ? 32 : 1;
}

/** Carries a task out on a client that never waits for Node's event loop. */
export async function carryOut(client: Client, { task, sizeBytes, milliseconds }: Task): Promise<Figures> {
  const latencies = new Histogram();
  const start = performance.now();
  const end = start + milliseconds;
  let messages = 0;
  if (task === 'echo') {
    for (let before = start; before < end; ) {
      const pending = client.roundTrip(sizeBytes);
      if (pending !== undefined) await pending;
      const now = performance.now();
      latencies.record((now - before) * 1e6);
      before = now;
      messages++;
    }
  } else {
    const batch = batchFor(sizeBytes);
    while (performance.now() < end) {
      for (let i = 0; i < batch; i++) {
        const pending = client.send(sizeBytes, false);
        if (pending !== undefined) await pending;
      }
      messages += batch;
    }
    await client.send(sizeBytes, true);
    messages++;
  }
  const seconds = (performance.now() - start) / 1000;
  return {
    messagesPerSecond: messages / seconds,
    p50Us: latencies.percentileUs(0.5),
    p99Us: latencies.percentileUs(0.99),
  };
}
