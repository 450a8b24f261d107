// A service that outlives its processes: each new one takes the connections of the one before.

import { once } from 'node:events';
import type * as net from 'node:net';
import { type Channel, ChannelListener, connectChannel } from './channel.ts';
import type { Succession, SuccessionOptions } from './options.ts';
import { Predecessor } from './predecessor.ts';
import { Successor } from './successor.ts';

/** A service of which this process is the present one. */
export interface Succeeding {
  /** Connections taken over from the predecessor: resolves when it has no more to give. 0 without a predecessor. */
  readonly adopted: Promise<number>;
  /**
   * Resolves when a successor has taken over. Connections that stayed behind go on here: exit when they are done, or at once
   * to cut them off.
   */
  readonly handedOver: Promise<Succession>;
  /** Offers itself to no successor any more. The server is not closed. Idempotent. */
  close(): void;
}

/**
 * Starts serving, and hands the service over when a successor starts: run the new version of a program beside the old one,
 * and the old one ends, with no connection refused, reset or cut.
 *
 * ```ts
 * const server = http.createServer(answer);
 * const service = await succeed(server, { path: '/run/web.sock', listen: { port: 8080 } });
 * await service.handedOver;
 * process.exit(0);
 * ```
 *
 * If a process offers itself at `path`, this one takes its listening socket and its connections: those of `node:http` when
 * they are between a response and the next request, those of `node:net` at any byte, with the state that `save` returns and
 * the bytes that nobody has read. Otherwise it listens as `options.listen` says. Both processes run on one host as one user;
 * no privilege is needed. TLS connections and those that stay busy end where they are.
 *
 * Source: descriptors travel by SCM_RIGHTS, unix(7).
 *
 * @param server a `net.Server` or `http.Server` that does not listen yet
 * @throws DemiError `ERR_DEMI_ADDRESS`, `ERR_DEMI_PLATFORM`, `ERR_DEMI_PEER`; whatever `server.listen` fails with
 */
export async function succeed(server: net.Server, options: SuccessionOptions): Promise<Succeeding> {
  const sockets = new Set<net.Socket>();
  server.on('connection', (socket: net.Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  const channel = connectChannel(options.path);
  let adopted: Promise<number> = Promise.resolve(0);
  if (channel === undefined) {
    const listening = once(server, 'listening');
    server.listen(options.listen);
    await listening;
  } else {
    const successor = new Successor(server, channel, options);
    await successor.listening;
    adopted = successor.done;
  }
  let closed = false;
  let resolve: (result: Succession) => void = () => {};
  let reject: (reason: unknown) => void = () => {};
  const handedOver = new Promise<Succession>((...functions) => {
    [resolve, reject] = functions;
  });
  const serve = async (to: Channel): Promise<void> => {
    // The path is the successor's from here on.
    offer.close();
    // What is still on its way here cannot be given on before it has come.
    await adopted;
    const result = await new Predecessor(server, sockets, to, options).done;
    if (result.complete || closed) resolve(result);
    else offer = new ChannelListener(options.path, next => void serve(next).catch(reject));
  };
  let offer = new ChannelListener(options.path, to => void serve(to).catch(reject));
  // Who does not wait for it must not be ended by it.
  handedOver.catch(() => {});
  return {
    adopted,
    handedOver,
    close: () => {
      closed = true;
      offer.close();
    },
  };
}
