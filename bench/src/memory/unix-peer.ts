// The same over a UNIX stream socket: a service on node:net as one would write it, and a client that is as quick as a
// client of the kernel's can be (it spins on the socket). With `spin`, the service's event loop never sleeps.

import { rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
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
