// Two threads of one process and a MessagePort: buffers are transferred, not copied. The receiver sends each one back.

import { type MessagePort, Worker } from 'node:worker_threads';
import { type Client, ECHO, LAST, SINK } from './peer.ts';

/** Buffers on their way at most, so that neither event loop is flooded. */
const IN_FLIGHT = 64;

/** The service: runs in a worker. */
export function servePort(port: MessagePort): void {
  port.on('message', (buffer: ArrayBuffer) => {
    port.postMessage(buffer, [buffer]);
  });
}

export class PortClient implements Client {
  private readonly worker: Worker;
  private readonly buffers: ArrayBuffer[];
  private inFlight: number;
  private arrived: (() => void) | undefined;

  constructor(script: URL) {
    this.worker = new Worker(script, { argv: ['worker'] });
    this.buffers = [];
    this.inFlight = 0;
    this.arrived = undefined;
    this.worker.on('message', (buffer: ArrayBuffer) => {
      this.inFlight--;
      this.buffers.push(buffer);
      const { arrived } = this;
      this.arrived = undefined;
      arrived?.();
    });
  }

  private put(sizeBytes: number, what: number): void {
    let buffer = this.buffers.pop();
    if (buffer === undefined || buffer.byteLength !== sizeBytes) buffer = new ArrayBuffer(sizeBytes);
    new Int32Array(buffer, 0, 1)[0] = what;
    this.inFlight++;
    this.worker.postMessage(buffer, [buffer]);
  }

  private arrival(): Promise<void> {
    return new Promise(resolve => {
      this.arrived = resolve;
    });
  }

  roundTrip(sizeBytes: number): Promise<void> {
    this.put(sizeBytes, ECHO);
    return this.arrival();
  }

  async send(sizeBytes: number, last: boolean): Promise<void> {
    this.put(sizeBytes, last ? LAST : SINK);
    while (this.inFlight >= (last ? 1 : IN_FLIGHT)) await this.arrival();
  }

  close(): void {
    void this.worker.terminate();
  }
}
