// A backend that says it is there: heartbeats, several a second, by way of the agent's socket.

import { randomInt } from 'node:crypto';
import { type Runtime, Timer } from 'demikernel/stack';
import { HEARTBEAT, MigrationHeader } from '../tcpmig/header.ts';
import { encodeHeartbeat, type Heartbeat } from '../tcpmig/heartbeat.ts';
import type { MigrationAgent } from './agent.ts';

/** What a backend says of itself beside what its agent knows. */
export interface AnnouncerOptions {
  agent: MigrationAgent;
  runtime: Runtime;
  /** Its own IPv4 address, as a number, and its MAC address, 6 bytes. */
  address: number;
  macAddress: Uint8Array;
  /** The key under which state travels. */
  fleetKey: Uint8Array;
  /** Share of new connections, 0.01 to 100; 1 by default. */
  weight?: number;
  /** Between two heartbeats, in µs; 100 ms by default. */
  intervalUs?: number;
  /** How long requests wait before they are read, in µs. */
  delayUs?: () => number;
  /** The time of day in µs since 1970; `Date.now` by default. */
  wallUs?: () => number;
}

const INTERVAL_US = 100_000;

/** Sends heartbeats from the loop's own timers, until it is closed. */
export class Announcer {
  readonly #options: AnnouncerOptions;
  readonly #heartbeat: Heartbeat;
  readonly #header: MigrationHeader;
  readonly #timer: Timer;
  readonly #wallUs: () => number;

  constructor(options: AnnouncerOptions) {
    const { agent, address, macAddress, weight = 1 } = options;
    this.#options = options;
    this.#heartbeat = {
      backend: agent.self,
      address,
      macAddress,
      accepting: true,
      draining: false,
      weight,
      connections: 0,
      delayUs: 0,
      incarnation: randomInt(2 ** 32),
      sequence: 0,
    };
    this.#header = new MigrationHeader();
    this.#timer = new Timer({ onTimer: () => this.#beat() }, 0);
    this.#wallUs = options.wallUs ?? (() => Date.now() * 1000);
    this.#beat();
  }

  /** Connections that may leave, as in the last heartbeat. */
  get connections(): number {
    return this.#heartbeat.connections;
  }

  /** Asks the controller to move everything elsewhere; `connections` falls to 0. */
  drain(): void {
    this.#heartbeat.draining = true;
    this.#send();
  }

  /** Whether new connections, and others', are welcome. */
  set accepting(accepting: boolean) {
    this.#heartbeat.accepting = accepting;
    this.#send();
  }

  /** Sends no more: the controller takes the backend out in a moment. */
  close(): void {
    this.#options.runtime.timers.cancel(this.#timer);
  }

  #beat(): void {
    this.#send();
    this.#options.agent.watchSwitch();
    this.#options.runtime.timers.arm(this.#timer, this.#options.intervalUs ?? INTERVAL_US);
  }

  #send(): void {
    const { agent, fleetKey, delayUs } = this.#options;
    const heartbeat = this.#heartbeat;
    heartbeat.connections = agent.connections.length;
    heartbeat.delayUs = delayUs?.() ?? 0;
    heartbeat.sequence = Math.max(Math.floor(this.#wallUs()), heartbeat.sequence + 1);
    this.#header.stage = HEARTBEAT;
    this.#header.origin = agent.self;
    this.#header.target = agent.self;
    this.#header.sender = agent.self;
    agent.socket.send(this.#header, encodeHeartbeat(heartbeat, fleetKey));
  }
}
