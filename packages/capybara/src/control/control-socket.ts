// The controller's end of heartbeats and orders: a UDP socket of the kernel, at the switch's address. The switch's program lets
// heartbeats pass to it; what else arrives here is not for a controller.

import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
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
import { decodeHeartbeat, type Heartbeat } from './heartbeat.ts';

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

  private constructor(socket: Socket, mac: HeaderMac, fleetKey: Uint8Array) {
    this.counters = { forged: 0, notSent: 0 };
    this.#socket = socket;
    this.#mac = mac;
    this.#fleetKey = fleetKey;
    this.#header = new MigrationHeader();
  }

  /**
   * Binds the switch's address in the calling thread's network namespace.
   *
   * @param heard called with each heartbeat that somebody with the key has sent
   * @throws Error of `node:dgram` when the address is not this host's
   */
  static async open(
    address: string,
    mac: HeaderMac,
    fleetKey: Uint8Array,
    heard: (heartbeat: Heartbeat) => void,
  ): Promise<ControllerSocket> {
    const socket = createSocket('udp4');
    const controller = new ControllerSocket(socket, mac, fleetKey);
    socket.on('message', bytes => {
      const heartbeat = controller.#read(bytes);
      if (heartbeat === undefined) controller.counters.forged++;
      else heard(heartbeat);
    });
    socket.bind({ address, port: MIGRATION_PORT });
    await once(socket, 'listening');
    return controller;
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
