// The client of a moving connection: an unmodified kernel socket, non-blocking, driven by the benchmark's own loop. It checks every
// byte that it reads by its place in the stream.

import * as kernel from '@demikernel/native/kernel';
import { addressNumber, PORT, VIRTUAL_ADDRESS } from '../testbed/moving-addresses.ts';
import type { MovingPlace } from '../testbed/moving-place.ts';
import type { Client } from './stack-fleet.ts';

const CHUNK_BYTES = 64 * 1024;

/** The byte at a position of a stream. */
export function byteAt(position: number): number {
  return Math.imul(position + 1, 0x9e3779b1) >>> 24;
}

export class MovingClient implements Client {
  /** Bytes written and read so far. */
  sent: number;
  received: number;
  readonly fd: number;
  readonly #bytes: Buffer;

  /** Connects; the answer comes while the caller lets the backends work. */
  constructor(place: MovingPlace) {
    this.sent = 0;
    this.received = 0;
    this.#bytes = Buffer.alloc(CHUNK_BYTES);
    this.fd = kernel.runInNamespace(place.client, () =>
      kernel.openSocket(kernel.AF_INET, kernel.SOCK_STREAM),
    );
    const name = new kernel.SocketAddress();
    name.setIpv4(addressNumber(VIRTUAL_ADDRESS), PORT);
    const result = kernel.connectSocket(this.fd, name);
    name.close();
    if (result !== 0 && result !== -kernel.EINPROGRESS) throw new Error(`connect: errno ${-result}`);
    kernel.setSocketOption(this.fd, kernel.IPPROTO_TCP, kernel.TCP_NODELAY, 1);
  }

  /** Writes up to `count` bytes of its stream. */
  write(count: number): void {
    const length = Math.min(count, CHUNK_BYTES);
    for (let i = 0; i < length; i++) this.#bytes[i] = byteAt(this.sent + i);
    const wrote = kernel.libc().writeBuffer(this.fd, this.#bytes, length);
    if (wrote > 0) this.sent += wrote;
  }

  /** Reads what there is. @returns bytes read @throws Error when a byte is wrong, or the connection was reset */
  read(): number {
    const got = kernel.libc().readBuffer(this.fd, this.#bytes, CHUNK_BYTES);
    if (got <= 0) {
      const error = kernel.socketError(this.fd);
      if (got === 0 || error !== 0) throw new Error(`the connection has ended (errno ${error})`);
      return 0;
    }
    for (let i = 0; i < got; i++)
      if (this.#bytes[i] !== byteAt(this.received + i)) throw new Error(`byte ${this.received + i} is wrong`);
    this.received += got;
    return got;
  }

  close(): void {
    kernel.closeDescriptor(this.fd);
  }
}
