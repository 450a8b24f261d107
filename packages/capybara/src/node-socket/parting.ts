// Taking a socket's descriptor away from Node, at a moment when Node holds none of its bytes; and giving one back.
//
// Node says what it keeps of a socket in its streams; for the rest this file looks at the handle below (`_handle`, with
// `readStop`, `readStart`, `fd` and `writeQueueSize`, as lib/net.js uses them).

import type * as http from 'node:http';
import * as net from 'node:net';

/** The native handle of a socket, as far as it is needed here. */
interface Handle {
  readonly fd: number;
  readonly writeQueueSize: number;
  reading: boolean;
  readStart(): number;
  readStop(): number;
}

interface HttpParser {
  /** Milliseconds since the message being parsed began; 0 between messages. */
  duration?(): number;
}

/** `_httpMessage` is the response being written, if there is one. */
type Internals = net.Socket & { _handle: Handle | null; parser?: HttpParser | null; _httpMessage?: unknown };

/** A socket that is still and can leave; or stay, by {@link stay}. */
export interface Parted {
  readonly socket: net.Socket;
  readonly fd: number;
  /** Received and not yet read by the application. */
  readonly leftover: Uint8Array;
}

/**
 * Stops a socket, if it can leave now: it is connected, nothing waits to be written, no encoding has been set, and it is not
 * being closed. `undefined`: ask again later.
 */
export function part(socket: net.Socket): Parted | undefined {
  const { _handle: handle } = socket as Internals;
  if (handle === null || handle === undefined || socket.destroyed || socket.connecting) return undefined;
  // -1: a handle of another kind, TLS for example, whose state is not the descriptor's.
  if (!(handle.fd >= 0) || handle.writeQueueSize > 0 || socket.writableLength > 0) return undefined;
  // A decoder may hold half a character.
  if (socket.readableEncoding !== null) return undefined;
  // The peer, or the application, is about to be done with it.
  if (socket.readableEnded || socket.writableEnded) return undefined;
  handle.reading = false;
  handle.readStop();
  return { socket, fd: handle.fd, leftover: unread(socket) };
}

/** Takes what the stream has buffered. `read` would also show it to the listeners of `data`, who are not to have it. */
function unread(socket: net.Socket): Uint8Array {
  if (socket.readableLength === 0) return new Uint8Array(0);
  const { emit } = socket;
  socket.emit = (event: string | symbol, ...args: unknown[]): boolean =>
    event !== 'data' && (Reflect.apply(emit, socket, [event, ...args]) as boolean);
  try {
    const bytes = socket.read() as Buffer | null;
    return bytes ?? new Uint8Array(0);
  } finally {
    socket.emit = emit;
  }
}

/** The socket goes on here. */
export function stay(parted: Parted): void {
  const { socket, leftover } = parted;
  const { _handle: handle } = socket as Internals;
  if (handle === null || handle === undefined || socket.destroyed) return;
  if (leftover.length > 0) socket.unshift(leftover);
  handle.reading = true;
  handle.readStart();
}

/** The socket is another process's: this one's descriptor is closed, and its peer hears nothing of it. */
export function leave(parted: Parted): void {
  parted.socket.destroy();
}

/**
 * Whether an HTTP/1.1 connection is between a response and the next request: its parser's state cannot leave this process. `undefined` for a
 * connection that no HTTP parser reads, because it has been upgraded.
 */
export function isBetweenMessages(socket: net.Socket): boolean | undefined {
  const { parser, _httpMessage } = socket as Internals;
  if (parser === null || parser === undefined) return undefined;
  if (socket.bytesRead === 0) return true;
  const answering = _httpMessage !== null && _httpMessage !== undefined;
  return !answering && parser.duration?.() === 0;
}

/** Makes a socket of a descriptor and gives it to a server, as if the server had accepted it. */
export function adopt(server: net.Server, fd: number, leftover: Uint8Array): net.Socket {
  const { allowHalfOpen = false } = server as net.Server & { allowHalfOpen?: boolean };
  const socket = new net.Socket({ fd, readable: true, writable: true, allowHalfOpen });
  // What lib/net.js does with a connection that it accepts: `close` of the server waits for it.
  const counted = server as net.Server & { _connections: number };
  counted._connections++;
  Object.assign(socket, { server, _server: server });
  if (leftover.length > 0) socket.unshift(leftover);
  return socket;
}

/** Whether this server speaks HTTP/1.1 by Node's own parser. */
export function isHttpServer(server: net.Server): server is http.Server {
  return 'headersTimeout' in server && 'keepAliveTimeout' in server;
}
