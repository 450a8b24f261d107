// The process that comes next: it receives the listening socket, then connections, and gives each to its server.

import type * as net from 'node:net';
import { DemiError } from '@demikernel/memory';
import { closeDescriptor } from '@demikernel/native/kernel';
import { adopt } from '../node-socket/parting.ts';
import { ADOPTED, BYTES, type Channel, CONNECTION, DONE, LISTENER, type Received } from './channel.ts';
import type { SuccessionOptions } from './options.ts';

/** More state of one connection than any application has: a damaged length must not take the memory. */
const MAX_STATE_BYTES: number = 256 << 20;

interface Arriving {
  fd: number;
  stateBytes: number;
  totalBytes: number;
  pieces: Uint8Array[];
  gotBytes: number;
}

/** Takes a service over from its predecessor. */
export class Successor {
  /** Resolves when this process listens: what the predecessor still has comes by and by. Rejects when that fails. */
  readonly listening: Promise<void>;
  /** Resolves with the number of connections taken over, when no more will come. */
  readonly done: Promise<number>;
  readonly #server: net.Server;
  readonly #channel: Channel;
  readonly #options: SuccessionOptions;
  readonly #arriving: Map<number, Arriving>;
  #adopted: number;
  #finish: (adopted: number) => void;

  constructor(server: net.Server, channel: Channel, options: SuccessionOptions) {
    this.#server = server;
    this.#channel = channel;
    this.#options = options;
    this.#arriving = new Map();
    this.#adopted = 0;
    this.#finish = () => {};
    this.done = new Promise(resolve => {
      this.#finish = resolve;
    });
    this.listening = new Promise((resolve, reject) => {
      channel.onMessage = received => {
        if (received.kind === LISTENER) this.#listen(received, resolve, reject);
        else this.#hear(received);
      };
      channel.onEnd = () => {
        this.#end();
        reject(
          new DemiError('ERR_DEMI_PEER', `The predecessor at ${options.path} ended before it gave anything`),
        );
      };
    });
  }

  #listen({ fd }: Received, resolve: () => void, reject: (reason: Error) => void): void {
    const server = this.#server;
    server.once('error', reject);
    server.listen({ fd: fd! }, () => {
      server.off('error', reject);
      this.#channel.send(ADOPTED, 0);
      resolve();
    });
  }

  #hear({ kind, id, payload, fd }: Received): void {
    if (kind === CONNECTION && fd !== undefined && payload.length >= 8) {
      const [stateBytes, leftoverBytes] = new Uint32Array(payload.buffer, 0, 2) as unknown as [
        number,
        number,
      ];
      const totalBytes = stateBytes + leftoverBytes;
      if (totalBytes > MAX_STATE_BYTES) closeDescriptor(fd);
      else this.#arriving.set(id, { fd, stateBytes, totalBytes, pieces: [], gotBytes: 0 });
    } else if (kind === BYTES) {
      const arriving = this.#arriving.get(id);
      arriving?.pieces.push(payload);
      if (arriving !== undefined) arriving.gotBytes += payload.length;
    } else if (kind === DONE) {
      this.#channel.close();
      this.#end();
      return;
    } else if (fd !== undefined) closeDescriptor(fd);
    const arriving = this.#arriving.get(id);
    if (arriving !== undefined && arriving.gotBytes >= arriving.totalBytes) this.#adopt(id, arriving);
  }

  #adopt(id: number, { fd, pieces, stateBytes, totalBytes }: Arriving): void {
    this.#arriving.delete(id);
    // Said before the first byte is read: should this process die in between, the predecessor knows whose it is.
    this.#channel.send(ADOPTED, id);
    this.#adopted++;
    const bytes = Buffer.concat(pieces);
    const socket = adopt(this.#server, fd, bytes.subarray(stateBytes, totalBytes));
    // Not a Buffer, whose `slice` shares, and with memory of its own: what an application takes bytes for.
    this.#options.restore?.(socket, Uint8Array.from(bytes.subarray(0, stateBytes)));
    this.#server.emit('connection', socket);
  }

  #end(): void {
    for (const { fd } of this.#arriving.values()) closeDescriptor(fd);
    this.#arriving.clear();
    this.#finish(this.#adopted);
  }
}
