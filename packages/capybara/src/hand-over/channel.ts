// Messages with a descriptor each, between the process that serves and its successor, over a UNIX socket. What they mean is
// predecessor.ts and successor.ts.
//
// SOCK_SEQPACKET keeps messages apart (unix(7)); a message is a word for its kind, a word for the connection it is about,
// then bytes.

import {
  AF_UNIX,
  acceptSocket,
  addressOf,
  bindSocket,
  check,
  closeDescriptor,
  connectSocket,
  type DescriptorWatch,
  EAGAIN,
  ECONNREFUSED,
  ENOENT,
  listenSocket,
  Message,
  MSG_CMSG_CLOEXEC,
  MSG_NOSIGNAL,
  openSocket,
  readRights,
  rightsBytes,
  SO_SNDBUF,
  SOCK_SEQPACKET,
  SOL_SOCKET,
  SocketAddress,
  setSocketOption,
  watchDescriptor,
  writeRights,
} from '@demikernel/native/kernel';
import { forThisUser, removeSocket, requireSocketPath } from '../node-socket/socket-path.ts';

/** The server's listening socket. Its descriptor travels with it. */
export const LISTENER = 1;
/** A connection: its descriptor, then the lengths of what follows it in {@link BYTES}. */
export const CONNECTION = 2;
/** A piece of the application's state, or of the bytes received and not read. */
export const BYTES = 3;
/** The successor has it. */
export const ADOPTED = 4;
/** No more connections will come. */
export const DONE = 5;

const HEADER_BYTES = 8;
/** Bytes of one message: well below the least of a socket buffer. */
export const MAX_PAYLOAD_BYTES: number = 32 * 1024;
const BUFFER_BYTES: number = 256 * 1024;

/** What has arrived. The descriptor, if there is one, is the receiver's. */
export interface Received {
  kind: number;
  id: number;
  payload: Uint8Array;
  fd: number | undefined;
}

/** One end, between two processes of the same user. */
export class Channel {
  /** Called with each message, until {@link close}. */
  onMessage: (received: Received) => void;
  /** Called once when the other end is gone, not by {@link close}. */
  onEnd: () => void;
  readonly #fd: number;
  readonly #incoming: Message;
  readonly #outgoing: Message;
  readonly #in: Buffer;
  readonly #out: Buffer;
  readonly #waiting: { bytes: Uint8Array; fd: number | undefined }[];
  #reading: DescriptorWatch;
  #blocked: boolean;
  #open: boolean;

  constructor(fd: number) {
    this.onMessage = () => {};
    this.onEnd = () => {};
    this.#fd = fd;
    setSocketOption(fd, SOL_SOCKET, SO_SNDBUF, BUFFER_BYTES);
    this.#incoming = new Message({ vectors: 1, controlBytes: rightsBytes(1) });
    this.#outgoing = new Message({ vectors: 1, controlBytes: rightsBytes(1) });
    this.#in = Buffer.alloc(HEADER_BYTES + MAX_PAYLOAD_BYTES);
    this.#out = Buffer.alloc(HEADER_BYTES + MAX_PAYLOAD_BYTES);
    this.#waiting = [];
    this.#blocked = false;
    this.#open = true;
    this.#reading = watchDescriptor(fd, { readable: true }, () => this.#receive());
  }

  /** Sends a message, now or as soon as there is room. A descriptor must stay open until the other end has answered. */
  send(kind: number, id: number, payload: Uint8Array = new Uint8Array(0), fd?: number): void {
    if (!this.#open) return;
    const bytes = Buffer.alloc(HEADER_BYTES + payload.length);
    bytes.writeUInt32LE(kind, 0);
    bytes.writeUInt32LE(id, 4);
    bytes.set(payload, HEADER_BYTES);
    this.#waiting.push({ bytes, fd });
    if (!this.#blocked) this.#flush();
  }

  /** Sends bytes of any length as {@link BYTES}. */
  sendBytes(id: number, bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at += MAX_PAYLOAD_BYTES) {
      this.send(BYTES, id, bytes.subarray(at, at + MAX_PAYLOAD_BYTES));
    }
  }

  /** Idempotent. What was not sent is dropped. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#reading.close();
    closeDescriptor(this.#fd);
    this.#incoming.close();
    this.#outgoing.close();
  }

  #flush(): void {
    while (this.#open && this.#waiting.length > 0) {
      const { bytes, fd } = this.#waiting[0]!;
      this.#out.set(bytes);
      this.#outgoing.setVector(0, addressOf(this.#out), 0, bytes.length);
      this.#outgoing.setCount(1);
      const control = fd === undefined ? 0 : writeRights(this.#outgoing.control, [fd]);
      const result = this.#outgoing.sendWithControl(this.#fd, MSG_NOSIGNAL, control);
      if (result === -EAGAIN) {
        this.#watchFor(true);
        return;
      }
      if (result < 0) {
        this.#end();
        return;
      }
      this.#waiting.shift();
    }
    if (this.#open && this.#blocked) this.#watchFor(false);
  }

  /** One watch per descriptor: for reading alone, or for both. */
  #watchFor(writable: boolean): void {
    if (this.#blocked === writable) return;
    this.#blocked = writable;
    this.#reading.close();
    this.#reading = watchDescriptor(this.#fd, { readable: true, writable }, () => {
      this.#receive();
      if (this.#open && this.#blocked) this.#flush();
    });
  }

  #receive(): void {
    while (this.#open) {
      this.#incoming.setVector(0, addressOf(this.#in), 0, this.#in.length);
      this.#incoming.setCount(1);
      const result = this.#incoming.receive(this.#fd, MSG_CMSG_CLOEXEC);
      if (result === -EAGAIN) return;
      const descriptors =
        result < 0 ? [] : readRights(this.#incoming.control, this.#incoming.controlLengthBytes);
      if (result < HEADER_BYTES) {
        for (const fd of descriptors) closeDescriptor(fd);
        this.#end();
        return;
      }
      this.onMessage({
        kind: this.#in.readUInt32LE(0),
        id: this.#in.readUInt32LE(4),
        payload: Uint8Array.prototype.slice.call(this.#in, HEADER_BYTES, result),
        fd: descriptors[0],
      });
    }
  }

  #end(): void {
    this.close();
    this.onEnd();
  }
}

/** Connects to the process that offers itself at `path`; `undefined` when there is none. @throws DemiError `ERR_DEMI_ADDRESS` */
export function connectChannel(path: string): Channel | undefined {
  requireSocketPath(path);
  const fd = check(openSocket(AF_UNIX, SOCK_SEQPACKET), 'socket');
  const name = new SocketAddress();
  try {
    name.setUnix(path);
    const result = connectSocket(fd, name);
    if (result >= 0) return new Channel(fd);
    closeDescriptor(fd);
    if (result === -ENOENT || result === -ECONNREFUSED) return undefined;
    check(result, 'connect', { detail: `looking for a predecessor at ${path}` });
    return undefined;
  } finally {
    name.close();
  }
}

/** Offers channels at a path, to one successor after another. */
export class ChannelListener {
  readonly #fd: number;
  readonly #path: string;
  readonly #watch: DescriptorWatch;
  readonly #exiting: () => void;
  #open: boolean;

  /**
   * Takes the path over: what lies there belongs to a predecessor, which serves no successor any more, or to nobody.
   *
   * @throws DemiError `ERR_DEMI_ADDRESS` for a path that is too long, `ERR_DEMI_SYSCALL`
   */
  constructor(path: string, onChannel: (channel: Channel) => void) {
    this.#path = path;
    this.#open = true;
    const fd = check(openSocket(AF_UNIX, SOCK_SEQPACKET), 'socket');
    const name = new SocketAddress();
    try {
      name.setUnix(path);
      removeSocket(path);
      // Connections may carry anybody's data: for this user alone.
      forThisUser(() => check(bindSocket(fd, name), 'bind', { detail: `offering connections at ${path}` }));
      check(listenSocket(fd, 1), 'listen');
    } catch (error) {
      closeDescriptor(fd);
      throw error;
    } finally {
      name.close();
    }
    this.#fd = fd;
    this.#exiting = () => this.close();
    process.once('exit', this.#exiting);
    // Offering must not keep a process alive that has nothing else to do.
    this.#watch = watchDescriptor(fd, { ref: false }, () => {
      const peer = new SocketAddress();
      const accepted = acceptSocket(fd, peer);
      peer.close();
      if (accepted >= 0) onChannel(new Channel(accepted));
    });
  }

  /** Idempotent. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    process.off('exit', this.#exiting);
    this.#watch.close();
    closeDescriptor(this.#fd);
    removeSocket(this.#path);
  }
}
