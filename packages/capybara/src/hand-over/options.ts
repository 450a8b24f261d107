// What a service says of itself when it is to be succeeded.

import type * as net from 'node:net';

/** How a service moves from one process to the next. */
export interface SuccessionOptions {
  /** A path for a UNIX socket, the same in every process of the service. For this user alone. */
  path: string;
  /** Where to listen when there is no predecessor, as `server.listen` takes it. */
  listen: net.ListenOptions;
  /**
   * What the next process must know of this connection: bytes of the application's own. Called when the connection could
   * leave; `undefined` keeps it for now, and it is asked again. Without it, connections leave with no state.
   */
  save?: (socket: net.Socket) => Uint8Array | undefined;
  /** Called in the next process before the server's `connection` event, with what `save` returned. */
  restore?: (socket: net.Socket, state: Uint8Array) => void;
  /** How long connections that are busy may take to become idle before they stay behind, in ms; 30,000 by default. */
  patienceMs?: number;
}

/** What became of a process's connections. */
export interface Succession {
  /** `false`: the successor died half-way, and this process listens again. */
  complete: boolean;
  /** Connections that the successor has. */
  moved: number;
  /** Connections that stayed behind: TLS, busy for too long, or kept by `save`. They go on in the old process. */
  kept: number;
}
