// A Node socket that leaves for another host: still in Node, frozen in the kernel, and a record of both.

import * as net from 'node:net';
import { leave, type Parted, part, stay } from '../node-socket/parting.ts';
import type { KernelConnection } from './connection-record.ts';
import { exportConnection, freeze, thaw } from './export.ts';
import type { ImportedConnection } from './import.ts';

/**
 * A `net.Socket` on its way out.
 *
 * ```ts
 * const moving = MovingSocket.start(socket);      // undefined: it has something to write, ask again
 * send(encodeConnection(moving.connection));
 * moving.left();                                  // the target has it
 * moving.stays();                                 // or: it goes on here
 * ```
 */
export class MovingSocket {
  /** What the target needs; bytes that Node had received and nobody had read are in it. */
  readonly connection: KernelConnection;
  readonly #parted: Parted;

  private constructor(parted: Parted, connection: KernelConnection) {
    this.#parted = parted;
    this.connection = connection;
  }

  /**
   * Stops a socket and freezes its connection. `undefined` when it cannot leave now: bytes wait to be written, or it is being
   * connected or closed. The application's own state is the caller's to carry.
   *
   * @throws DemiError as {@link freeze} and {@link exportConnection}; the socket then goes on here
   */
  static start(socket: net.Socket): MovingSocket | undefined {
    const parted = part(socket);
    if (parted === undefined) return undefined;
    try {
      freeze(parted.fd);
    } catch (error) {
      stay(parted);
      throw error;
    }
    try {
      return new MovingSocket(parted, unread(exportConnection(parted.fd), parted.leftover));
    } catch (error) {
      thaw(parted.fd);
      stay(parted);
      throw error;
    }
  }

  /** The target has it: the socket is destroyed here, and the peer hears nothing. See `abandon` for when. */
  left(): void {
    leave(this.#parted);
  }

  /** It goes on here. */
  stays(): void {
    thaw(this.#parted.fd);
    stay(this.#parted);
  }
}

/** Node's own buffer lies before the kernel's: one stretch of the stream again. */
function unread(connection: KernelConnection, leftover: Uint8Array): KernelConnection {
  if (leftover.length === 0) return connection;
  return {
    ...connection,
    received: Buffer.concat([leftover, connection.received]),
    receiveSequence: (connection.receiveSequence - leftover.length) >>> 0,
  };
}

/** Node's socket over a connection that has been resumed here. */
export function socketOf(
  imported: ImportedConnection,
  options: { allowHalfOpen?: boolean } = {},
): net.Socket {
  return new net.Socket({ ...options, fd: imported.fd, readable: true, writable: true });
}
