// The same over a UNIX stream socket: a service on node:net as one would write it, and a client that is as quick as a
// client of the kernel's can be (it spins on the socket). With `spin`, the service's event loop never sleeps.

import { rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import {
  AF_UNIX,
  closeDescriptor,
  connectSocket,
  libc,
  type MemoryMap,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  mapAnonymous,
  openSocket,
  SOCK_STREAM,
  SocketAddress,
} from '@demikernel/native/kernel';
import { type Client, ECHO, HEAD_BYTES, LAST, SINK } from './peer.ts';

const BUFFER_BYTES = 2 << 20;

export function serveUnix(path: string, spin: boolean, ready: () => void): void {
  const server = createServer(serveConnection);
  rmSync(path, { force: true });
  server.listen(path, ready);
  process.on('exit', () => rmSync(path, { force: true }));
  const turn = (): void => {
    setImmediate(turn);
  };
  if (spin) turn();
}

function serveConnection(socket: Socket): void {
  let what = ECHO;
  let left = 0;
  let head: Buffer = Buffer.alloc(0);
  socket.on('error', () => socket.destroy());
  socket.on('data', (bytes: Buffer) => {
    for (let at = 0; at < bytes.length; ) {
      if (left === 0) {
        const missing = HEAD_BYTES - head.length;
        head =
          head.length === 0
            ? bytes.subarray(at, at + missing)
            : Buffer.concat([head, bytes.subarray(at, at + missing)]);
        if (head.length < HEAD_BYTES) return;
        at += missing;
        what = head.readInt32LE(0);
        left = head.readInt32LE(4) - HEAD_BYTES;
        if (what !== SINK) socket.write(Buffer.from(head));
        head = Buffer.alloc(0);
      }
      const length = Math.min(left, bytes.length - at);
      if (what !== SINK && length > 0) socket.write(bytes.subarray(at, at + length));
      at += length;
      left -= length;
    }
  });
}

export class UnixClient implements Client {
  private readonly fd: number;
  private readonly map: MemoryMap;
  private readonly words: Int32Array;

  constructor(path: string) {
    this.map = mapAnonymous({ lengthBytes: 2 * BUFFER_BYTES, populate: true });
    this.words = this.map.signedWords(0, 2);
    this.fd = openSocket(AF_UNIX, SOCK_STREAM, 0, { blocking: true });
    const address = new SocketAddress();
    address.setUnix(path);
    const result = connectSocket(this.fd, address);
    address.close();
    if (result !== 0) throw new Error(`connect: errno ${-result}`);
  }

  roundTrip(sizeBytes: number): void {
    this.put(sizeBytes, ECHO);
    this.answer(sizeBytes);
  }

  send(sizeBytes: number, last: boolean): void {
    this.put(sizeBytes, last ? LAST : SINK);
    if (last) this.answer(sizeBytes);
  }

  private put(sizeBytes: number, what: number): void {
    this.words[0] = what;
    this.words[1] = sizeBytes;
    for (let done = 0; done < sizeBytes; ) {
      const sent = libc().send(this.fd, this.map.addressNumber + done, sizeBytes - done, MSG_NOSIGNAL);
      if (sent <= 0) throw new Error('the service is gone');
      done += sent;
    }
  }

  private answer(sizeBytes: number): void {
    for (let done = 0; done < sizeBytes; ) {
      const got = libc().recv(this.fd, this.map.addressNumber + BUFFER_BYTES, sizeBytes - done, MSG_DONTWAIT);
      if (got === 0) throw new Error('the service is gone');
      if (got > 0) done += got;
    }
  }

  close(): void {
    closeDescriptor(this.fd);
    this.map.release();
  }
}

/** A client on node:net as well, of which no event loop sleeps either with `spin`. */
export class NodeClient implements Client {
  private readonly socket: Socket;
  private readonly buffer: Buffer;
  private missing: number;
  private arrived: (() => void) | undefined;

  constructor(path: string, spin: boolean) {
    this.buffer = Buffer.alloc(BUFFER_BYTES);
    this.missing = 0;
    this.arrived = undefined;
    this.socket = connect(path);
    this.socket.on('data', bytes => this.receive(bytes.length));
    const turn = (): void => {
      setImmediate(turn);
    };
    if (spin) turn();
  }

  private receive(lengthBytes: number): void {
    this.missing -= lengthBytes;
    if (this.missing > 0) return;
    const { arrived } = this;
    this.arrived = undefined;
    arrived?.();
  }

  private put(sizeBytes: number, what: number): boolean {
    // What was written before may still lie in the socket's queue: a head of its own.
    const head = Buffer.allocUnsafe(HEAD_BYTES);
    head.writeInt32LE(what, 0);
    head.writeInt32LE(sizeBytes, 4);
    this.socket.cork();
    let room = this.socket.write(head);
    if (sizeBytes > HEAD_BYTES) room = this.socket.write(this.buffer.subarray(HEAD_BYTES, sizeBytes));
    this.socket.uncork();
    return room;
  }

  roundTrip(sizeBytes: number): Promise<void> {
    return this.ask(sizeBytes, ECHO);
  }

  private ask(sizeBytes: number, what: number): Promise<void> {
    this.missing = sizeBytes;
    return new Promise(resolve => {
      this.arrived = resolve;
      this.put(sizeBytes, what);
    });
  }

  send(sizeBytes: number, last: boolean): void | Promise<void> {
    if (last) return this.ask(sizeBytes, LAST);
    if (this.put(sizeBytes, SINK)) return undefined;
    return new Promise(resolve => {
      this.socket.once('drain', resolve);
    });
  }

  close(): void {
    this.socket.destroy();
  }
}
