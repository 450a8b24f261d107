// One client connection: a connected kernel socket with one request outstanding, its bytes in memory of its own.
// When to look for the reply is load.ts's business.

import {
  AF_INET,
  AF_UNIX,
  closeDescriptor,
  connectSocket,
  errnoName,
  IPPROTO_TCP,
  type LibC,
  libc,
  type MemoryMap,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  mapAnonymous,
  openSocket,
  parseIpAddress,
  SO_SNDTIMEO,
  SOCK_DGRAM,
  SOCK_STREAM,
  SOL_SOCKET,
  SocketAddress,
  setSocketOption,
  setSocketOptionBytes,
  TCP_NODELAY,
} from '@demikernel/native/kernel';
import type { RoundRequest } from './round.ts';

const CONNECT_TIMEOUT_S = 3n;
const FLAGS: number = MSG_DONTWAIT | MSG_NOSIGNAL;
/** Every so many replies is compared whole; the others by first word, last word and length. */
const FULL_CHECK_EVERY = 64;

/** Results of {@link Connection.receive}. */
export const NOTHING_YET = 0;
export const REPLY = 1;
/** A datagram that answers an earlier request. */
export const LATE = 2;
export const CORRUPTED = 3;
export const BROKEN = 4;

export class Connection {
  readonly fd: number;
  readonly #libc: LibC;
  readonly #map: MemoryMap;
  readonly #datagrams: boolean;
  readonly #sizeBytes: number;
  readonly #words: number;
  readonly #sent: Int32Array;
  readonly #received: Int32Array;
  readonly #sendAddress: number;
  readonly #receiveAddress: number;
  #sequence: number;
  #receivedBytes: number;

  /** Connects, within {@link CONNECT_TIMEOUT_S}. @throws Error naming what the kernel said */
  constructor(request: RoundRequest) {
    const { sizeBytes } = request;
    this.#libc = libc();
    this.#datagrams = request.protocol === 'udp';
    this.#sizeBytes = sizeBytes;
    this.#words = sizeBytes >> 2;
    this.#map = mapAnonymous({ lengthBytes: 2 * sizeBytes });
    this.#sent = this.#map.signedWords(0, this.#words);
    this.#received = this.#map.signedWords(sizeBytes, this.#words);
    this.#sendAddress = this.#map.addressNumber;
    this.#receiveAddress = this.#map.addressNumber + sizeBytes;
    this.#sequence = 0;
    this.#receivedBytes = 0;
    for (let i = 0; i < this.#words; i++) this.#sent[i] = Math.imul(i + 1, 0x9e3779b1);
    const local = request.protocol === 'local';
    this.fd = openSocket(local ? AF_UNIX : AF_INET, this.#datagrams ? SOCK_DGRAM : SOCK_STREAM, 0, {
      blocking: true,
    });
    if (this.fd < 0) throw new Error(`socket: ${errnoName(-this.fd)}`);
    const address = new SocketAddress();
    if (local) address.setUnix(request.address);
    else {
      const bytes = parseIpAddress(request.address);
      address.setIpv4(new DataView(bytes.buffer, bytes.byteOffset).getInt32(0), request.port);
    }
    // SO_SNDTIMEO bounds connect(2) too.
    setSocketOptionBytes(this.fd, SOL_SOCKET, SO_SNDTIMEO, BigInt64Array.of(CONNECT_TIMEOUT_S, 0n));
    if (request.protocol === 'tcp') setSocketOption(this.fd, IPPROTO_TCP, TCP_NODELAY, 1);
    const result = connectSocket(this.fd, address);
    address.close();
    if (result === 0) return;
    this.close();
    throw new Error(`connect ${request.address}:${request.port}: ${errnoName(-result)}`);
  }

  /** Sends the next request; false when the socket is broken. */
  send(): boolean {
    this.#sequence = (this.#sequence + 1) | 0;
    this.#sent[0] = this.#sequence;
    this.#receivedBytes = 0;
    const sent = this.#libc.send(this.fd, this.#sendAddress, this.#sizeBytes, FLAGS);
    return sent === this.#sizeBytes || this.#sendRest(sent);
  }

  /** A stream took a part only, or a datagram no room was left for: rare, so it may wait. */
  #sendRest(sent: number): boolean {
    let done = Math.max(sent, 0);
    while (done < this.#sizeBytes) {
      const more = this.#libc.send(this.fd, this.#sendAddress + done, this.#sizeBytes - done, MSG_NOSIGNAL);
      if (more <= 0) return false;
      done += more;
    }
    return true;
  }

  /** Takes what is there. Never waits. */
  receive(): number {
    if (this.#datagrams) return this.#receiveDatagram();
    const wanted = this.#sizeBytes - this.#receivedBytes;
    const got = this.#libc.recv(this.fd, this.#receiveAddress + this.#receivedBytes, wanted, FLAGS);
    if (got > 0) {
      this.#receivedBytes += got;
      return got === wanted ? this.#check() : NOTHING_YET;
    }
    // Asking which errno it was would cost more than the call: a reset connection shows as silence, and times out.
    return got === 0 ? BROKEN : NOTHING_YET;
  }

  #receiveDatagram(): number {
    const got = this.#libc.recv(this.fd, this.#receiveAddress, this.#sizeBytes, FLAGS);
    if (got < 0) return NOTHING_YET;
    if (got !== this.#sizeBytes) return CORRUPTED;
    return this.#received[0] === this.#sequence ? this.#check() : LATE;
  }

  #check(): number {
    const last = this.#words - 1;
    const sent = this.#sent;
    const received = this.#received;
    if (received[0] !== sent[0] || received[last] !== sent[last]) return CORRUPTED;
    if (this.#sequence % FULL_CHECK_EVERY === 0) {
      for (let i = 0; i < last; i++) if (received[i] !== sent[i]) return CORRUPTED;
    }
    return REPLY;
  }

  close(): void {
    if (this.fd >= 0) closeDescriptor(this.fd);
    this.#map.release();
  }
}
