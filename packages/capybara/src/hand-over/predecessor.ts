// The process that serves, when a successor comes: it gives away the listening socket, then each connection as it falls
// idle. A connection is the successor's once that has said so; if it dies before, the connection goes on here.

import * as net from 'node:net';
import { check, closeDescriptor, libc } from '@demikernel/native/kernel';
import { isBetweenMessages, isHttpServer, leave, type Parted, part, stay } from '../node-socket/parting.ts';
import { ADOPTED, type Channel, CONNECTION, DONE, LISTENER, type Received } from './channel.ts';
import type { Succession, SuccessionOptions } from './options.ts';

const DEFAULT_PATIENCE_MS = 30_000;
const ASK_AGAIN_MS = 5;
/** Connections on their way at one time. */
const MAX_UNDER_WAY = 64;

/** Gives a server's connections to one successor. */
export class Predecessor {
  /** Resolves when the listening socket and every connection that would leave is the successor's; rejects never. */
  readonly done: Promise<Succession>;
  readonly #server: net.Server;
  readonly #sockets: Set<net.Socket>;
  readonly #channel: Channel;
  readonly #options: SuccessionOptions;
  readonly #underWay: Map<number, Parted>;
  readonly #deadlineMs: number;
  #nextId: number;
  #moved: number;
  #timer: NodeJS.Timeout | undefined;
  #listening: number;
  #stoppedListening: boolean;
  #finish: (result: Succession) => void;

  /** @param sockets the server's connections, kept up to date by the caller */
  constructor(server: net.Server, sockets: Set<net.Socket>, channel: Channel, options: SuccessionOptions) {
    this.#server = server;
    this.#sockets = sockets;
    this.#channel = channel;
    this.#options = options;
    this.#underWay = new Map();
    this.#deadlineMs = Date.now() + (options.patienceMs ?? DEFAULT_PATIENCE_MS);
    this.#nextId = 1;
    this.#moved = 0;
    this.#timer = undefined;
    this.#finish = () => {};
    this.done = new Promise(resolve => {
      this.#finish = resolve;
    });
    channel.onMessage = received => this.#hear(received);
    channel.onEnd = () => this.#abandoned();
    const { fd } = (server as net.Server & { _handle: { fd: number } })._handle;
    // Kept until the end: should the successor die half-way, this process listens again.
    this.#listening = check(libc().dup(fd), 'dup');
    this.#stoppedListening = false;
    channel.send(LISTENER, 0, undefined, this.#listening);
  }

  #hear(received: Received): void {
    if (received.kind !== ADOPTED) return;
    if (received.id === 0) {
      // Both processes accept until now; the queue of connections is the socket's, and stays.
      net.Server.prototype.close.call(this.#server);
      this.#stoppedListening = true;
      this.#give();
      return;
    }
    const parted = this.#underWay.get(received.id);
    if (parted === undefined) return;
    this.#underWay.delete(received.id);
    this.#sockets.delete(parted.socket);
    this.#moved++;
    leave(parted);
    this.#give();
  }

  /** Sends whatever can leave, and comes back for the rest. */
  #give(): void {
    clearTimeout(this.#timer);
    const leaving = new Set([...this.#underWay.values()].map(parted => parted.socket));
    for (const socket of this.#sockets) {
      if (this.#underWay.size >= MAX_UNDER_WAY) return;
      if (!leaving.has(socket)) this.#tryToGive(socket);
    }
    if (this.#underWay.size > 0) return;
    if (this.#sockets.size === 0 || Date.now() >= this.#deadlineMs) {
      this.#channel.send(DONE, 0);
      closeDescriptor(this.#listening);
      this.#end(true);
      return;
    }
    this.#timer = setTimeout(() => this.#give(), ASK_AGAIN_MS);
  }

  #tryToGive(socket: net.Socket): void {
    // An upgraded connection is the application's: it moves like any other that `save` knows.
    const between = isHttpServer(this.#server) ? isBetweenMessages(socket) : undefined;
    if (between === false) return;
    if (isHttpServer(this.#server) && between === undefined && this.#options.save === undefined) return;
    const parted = part(socket);
    if (parted === undefined) return;
    const state = this.#options.save === undefined ? new Uint8Array(0) : this.#options.save(socket);
    if (state === undefined) {
      stay(parted);
      return;
    }
    const id = this.#nextId++;
    this.#underWay.set(id, parted);
    const lengths = new Uint8Array(Uint32Array.of(state.length, parted.leftover.length).buffer);
    this.#channel.send(CONNECTION, id, lengths, parted.fd);
    this.#channel.sendBytes(id, state);
    this.#channel.sendBytes(id, parted.leftover);
  }

  /** The successor has died: what it had not confirmed stays, and this process serves again. */
  #abandoned(): void {
    for (const parted of this.#underWay.values()) stay(parted);
    this.#underWay.clear();
    if (this.#stoppedListening) this.#server.listen({ fd: this.#listening });
    else closeDescriptor(this.#listening);
    this.#end(false);
  }

  #end(complete: boolean): void {
    clearTimeout(this.#timer);
    this.#channel.close();
    this.#finish({ complete, moved: this.#moved, kept: this.#sockets.size });
  }
}
