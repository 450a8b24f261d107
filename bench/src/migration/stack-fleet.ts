// Two backends of our own stack in this thread: one connection goes to and fro between them by the migration protocol, with a mark
// for each phase. Where they stand is a site: xdp-site.ts, wire-site.ts. The client is driven by whoever moves.

import { MigrationAgent, type OriginOutcome } from '@demikernel/capybara/host';
import type { Demikernel } from 'demikernel';
import type { RunOptions } from '../benchmark.ts';
import {
  addressNumber,
  backendAddress,
  HEADER_KEY,
  PORT,
  SWITCH_ADDRESS,
  VIRTUAL_ADDRESS,
} from '../testbed/moving-addresses.ts';

// Stages of docs/capybara-protocol.md that a backend sends.
const PREPARE = 1;
const STATE = 4;
const COMMIT = 6;

/** The connection goes to and fro between them. */
const BACKENDS = 2;

/** When each phase of a move began, in µs of one clock. */
export interface Marks {
  prepareSent: number;
  ackReceived: number;
  exported: number;
  stateSent: number;
  imported: number;
  committed: number;
}

/** A backend. */
export interface StackBackend {
  os: Demikernel;
  agent: MigrationAgent;
}

/** The client of the connection, at some site. */
export interface Client {
  /** Bytes of its stream that were taken. */
  readonly sent: number;
  readonly received: number;
  /** Offers up to `count` bytes more. */
  write(count: number): void;
  /** Takes what there is; returns how much. @throws Error when a byte is wrong, or the connection has ended */
  read(): number;
  close(): void;
}

/** Where backends and a client stand, with the switch between them. */
export interface Site {
  openBackend(id: number): Promise<Demikernel>;
  /** Begins to connect a client. */
  connect(): Client;
  /** One turn of everything but the client. */
  turn(): void;
  /** Idempotent. */
  close(): void;
}

/** What the service at a backend does with a connection that is new there. */
export type Serve = (backend: StackBackend, qd: number, arrived: boolean) => void;

export function nowUs(): number {
  return performance.now() * 1000;
}

/** The backends, and who has the connection. */
export class StackFleet {
  readonly site: Site;
  readonly backends: StackBackend[];
  readonly marks: Marks;
  /** Who has the connection; -1 before it is there. */
  owner: number;
  qd: number;
  readonly #serve: Serve;
  readonly #accepts: number[];
  #forget: () => void;
  /** Whether the service has been asked once in the move under way. */
  #asked: boolean;

  private constructor(site: Site, serve: Serve) {
    this.site = site;
    this.backends = [];
    this.marks = { prepareSent: 0, ackReceived: 0, exported: 0, stateSent: 0, imported: 0, committed: 0 };
    this.owner = -1;
    this.qd = -1;
    this.#serve = serve;
    this.#accepts = [];
    this.#forget = () => {};
    this.#asked = false;
  }

  /**
   * @param site the fleet's from here on
   * @param onExit registers what must be undone however the run ends
   */
  static async open(site: Site, serve: Serve, onExit: RunOptions['onExit']): Promise<StackFleet> {
    const fleet = new StackFleet(site, serve);
    fleet.#forget = onExit(() => fleet.#close());
    try {
      for (let id = 0; id < BACKENDS; id++) await fleet.#add(id);
    } catch (error) {
      fleet.close();
      throw error;
    }
    return fleet;
  }

  async #add(id: number): Promise<void> {
    const { marks } = this;
    const os = await this.site.openBackend(id);
    const listener = os.socket('stream');
    os.bind(listener, `${VIRTUAL_ADDRESS}:${PORT}`);
    os.listen(listener);
    const agent = new MigrationAgent({
      os,
      self: id,
      address: backendAddress(id),
      switchAddress: SWITCH_ADDRESS,
      addressOf: backend => addressNumber(backendAddress(backend)) | 0,
      headerKey: HEADER_KEY,
      fleetKey: new Uint8Array(32).fill(1),
    });
    const backend = { os, agent };
    this.backends.push(backend);
    const { socket } = agent;
    const send = socket.send.bind(socket);
    socket.send = (header, payload) => {
      const { stage } = header;
      // A claim leaves when the connection has been put together.
      if (stage === COMMIT) marks.imported = nowUs();
      send(header, payload);
      if (stage === PREPARE) marks.prepareSent = nowUs();
      else if (stage === STATE) marks.stateSent = nowUs();
    };
    this.#accepts.push(os.accept(listener));
    agent.serve(listener, {
      arrived: ({ qd }) => {
        marks.committed = nowUs();
        this.#has(id, qd, true);
      },
    });
  }

  #has(id: number, qd: number, arrived: boolean): void {
    const { agent, os } = this.backends[id]!;
    const { marks } = this;
    agent.migratable(qd, {
      mayLeave: () => {
        // Once when the move begins, and once more when the PREPARE_ACK is here.
        if (this.#asked) marks.ackReceived = nowUs();
        this.#asked = true;
        return true;
      },
      save: () => {
        marks.exported = nowUs();
        return new Uint8Array(0);
      },
      left: () => os.close(qd),
    });
    this.owner = id;
    this.qd = qd;
    this.#serve(this.backends[id]!, qd, arrived);
  }

  /** One turn of every backend. */
  turn(): void {
    this.site.turn();
    if (this.owner < 0) this.#accept();
  }

  #accept(): void {
    for (const [id, { os }] of this.backends.entries()) {
      const token = this.#accepts[id]!;
      if (os.isComplete(token)) this.#has(id, os.wait(token)!.acceptedQd, false);
    }
  }

  /** Begins to move the connection to the other backend. */
  move(done?: (outcome: OriginOutcome) => void): boolean {
    this.#asked = false;
    return this.backends[this.owner]!.agent.move(this.qd, 1 - this.owner, done);
  }

  /** Idempotent. */
  close(): void {
    this.#forget();
  }

  #close(): void {
    for (const { agent, os } of this.backends.splice(0)) {
      agent.close();
      os.shutDown();
    }
    this.site.close();
  }
}
