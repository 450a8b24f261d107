// The controller's end of heartbeats and orders: a UDP socket of the kernel, at the switch's address. The switch's program lets
// heartbeats pass to it; what else arrives here is not for a controller.

import { createSocket, type Socket } from 'node:dgram';
import {
  AF_INET,
  bindSocket,
  check,
  closeDescriptor,
  openSocket,
  SOCK_DGRAM,
  SocketAddress,
} from '@demikernel/native/kernel';
import { formatIpv4 } from 'demikernel';
import type { Flow } from '../switch/index.ts';
import {
  HEADER_BYTES,
  HEARTBEAT,
  type HeaderMac,
  MIGRATION_PORT,
  MigrationHeader,
  ORDER,
  parseHeader,
  writeHeader,
} from '../tcpmig/header.ts';
import { decodeHeartbeat, type Heartbeat } from '../tcpmig/heartbeat.ts';

/** What has come in. */
export interface ControlSocketCounters {
  /** Datagrams that are no message of the fleet's, or no heartbeat. */
  forged: number;
  /** Orders that the kernel did not take. */
  notSent: number;
}

export class ControllerSocket {
  readonly counters: ControlSocketCounters;
  readonly #socket: Socket;
  readonly #mac: HeaderMac;
  readonly #fleetKey: Uint8Array;
  readonly #header: MigrationHeader;

  /**
   * Binds the switch's address in the calling thread's network namespace.
   *
   * @param heard called with each heartbeat that somebody with the key has sent
   * @throws DemiError `ERR_DEMI_SYSCALL` with errno EADDRNOTAVAIL when the address is not this host's, EADDRINUSE
   */
  constructor(address: string, mac: HeaderMac, fleetKey: Uint8Array, heard: (heartbeat: Heartbeat) => void) {
    this.counters = { forged: 0, notSent: 0 };
    this.#mac = mac;
    this.#fleetKey = fleetKey;
    this.#header = new MigrationHeader();
    const fd = boundSocket(address);
    this.#socket = createSocket('udp4');
    this.#socket.on('message', bytes => {
      const heartbeat = this.#read(bytes);
      if (heartbeat === undefined) this.counters.forged++;
      else heard(heartbeat);
    });
    this.#socket.bind({ fd });
  }

  /** Tells a backend to move a connection of its own. */
  order(flow: Flow, owner: { address: number; id: number }, target: number): void {
    const h = this.#header;
    h.stage = ORDER;
    h.flags = 0;
    h.verdict = 0;
    h.clientAddress = flow.clientAddress | 0;
    h.clientPort = flow.clientPort;
    h.virtualAddress = flow.virtualAddress | 0;
    h.virtualPort = flow.virtualPort;
    h.epoch = flow.epoch;
    h.origin = owner.id;
    h.target = target;
    h.sender = target;
    h.payloadBytes = 0;
    const bytes = new Uint8Array(HEADER_BYTES);
    writeHeader(h, new DataView(bytes.buffer), 0, this.#mac);
    this.#socket.send(bytes, MIGRATION_PORT, formatIpv4(owner.address | 0), error => {
      if (error !== null) this.counters.notSent++;
    });
  }

  close(): void {
    this.#socket.close();
  }

  #read(bytes: Uint8Array): Heartbeat | undefined {
    const h = this.#header;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (!parseHeader(h, view, 0, bytes.length, this.#mac) || h.stage !== HEARTBEAT) return undefined;
    const heartbeat = decodeHeartbeat(
      bytes.subarray(HEADER_BYTES, HEADER_BYTES + h.payloadBytes),
      this.#fleetKey,
    );
    return heartbeat?.backend === h.sender ? heartbeat : undefined;
  }
}

/** Bound at once: `node:dgram` would come to it later, in whatever namespace the thread is in then. */
function boundSocket(address: string): number {
  const fd = check(openSocket(AF_INET, SOCK_DGRAM), 'socket');
  const name = new SocketAddress();
  try {
    name.setIp(address, MIGRATION_PORT);
    check(bindSocket(fd, name), 'bind', { detail: `listening for heartbeats at ${address}` });
    return fd;
  } catch (error) {
    closeDescriptor(fd);
    throw error;
  } finally {
    name.close();
  }
}
