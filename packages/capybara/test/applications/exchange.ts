// One client's exchange with a service on a simulated fleet of two backends, cut where a test wants it, with a move at each cut or
// without: what comes back must be the same.

import assert from 'node:assert/strict';
import type { Demikernel } from 'demikernel';
import { type SimulatedHostOptions, SimulatedWorld } from 'demikernel/stack';
import {
  configure,
  openBackend,
  openClient,
  openSwitch,
  type SimulatedBackend,
  VIRTUAL,
} from '../tcpmig/simulated-fleet.ts';

/** What a backend does whenever its host runs; its connections come and go by the backend's agent. */
export type Service = (backend: SimulatedBackend) => () => number;

/** Where a service listens. */
export const ADDRESS: string = VIRTUAL;

/** How an exchange goes. */
export interface Course {
  /** Places at which the client's bytes are cut; ascending. */
  cuts: readonly number[];
  /** Whether the connection moves to the other backend at each cut. */
  moves: boolean;
  /** Read only when everything has been sent and moved: windows shut. */
  late?: boolean;
}

const LIMIT_US = 60e6;

/** Two backends with the same service, and a client. */
export class MovingTown {
  readonly world: SimulatedWorld;
  readonly backends: SimulatedBackend[];
  /** Moves so far. */
  moved: number;
  private readonly client: Demikernel;

  constructor(
    service: Service,
    hostOptions: SimulatedHostOptions = {},
    clientOptions: SimulatedHostOptions = hostOptions,
  ) {
    this.world = new SimulatedWorld({ seed: 11, link: { delayUs: 5 } });
    const balancer = openSwitch(this.world);
    this.backends = [0, 1].map(id => openBackend(this.world, balancer, id, {}, hostOptions));
    configure(balancer, this.backends);
    this.client = openClient(this.world, balancer, clientOptions).os;
    this.moved = 0;
    for (const backend of this.backends) {
      backend.os.close(backend.listener);
      const turn = service(backend);
      const before = backend.host.afterPoll;
      backend.host.afterPoll = () => (before?.() ?? 0) + turn();
    }
  }

  /** Sends bytes and returns everything that comes back until the service ends the connection. */
  run(bytes: Uint8Array, { cuts, late = false, moves }: Course): Buffer {
    const { client } = this;
    const qd = client.socket('stream');
    // Each piece is a packet of its own.
    client.setsockopt(qd, 'noDelay', true);
    this.complete(client.connect(qd, VIRTUAL));
    const back: Uint8Array[] = [];
    const pushes: number[] = [];
    let pop = late ? -1 : client.pop(qd);
    let ended = false;
    const read = (): void => {
      while (pushes.length > 0 && client.isComplete(pushes[0]!)) client.wait(pushes.shift()!);
      while (!ended && pop >= 0 && client.isComplete(pop)) {
        const { array, errno } = client.wait(pop)!;
        assert.equal(errno, 0);
        back.push(array!.toBytes());
        ended = array!.count === 0;
        array!.free();
        pop = ended ? -1 : client.pop(qd);
      }
    };
    let from = 0;
    for (const to of [...cuts, bytes.length]) {
      // What does not fit is on its way when the connection moves.
      if (to > from) pushes.push(client.push(qd, bytes.slice(from, to)));
      this.world.runFor(100);
      read();
      if (to < bytes.length || late) this.move(moves);
      from = to;
    }
    if (pop < 0 && !ended) pop = client.pop(qd);
    const limitUs = this.world.nowUs + LIMIT_US;
    while (!ended) {
      assert.ok(this.world.nowUs < limitUs, `${Buffer.concat(back).length} bytes came, and no end`);
      this.world.runFor(50);
      read();
    }
    client.close(qd);
    for (const token of pushes) client.wait(token);
    this.world.runFor(50);
    return Buffer.concat(back);
  }

  private move(moves: boolean): void {
    const from = this.backends.find(({ agent }) => agent.connections.length > 0);
    if (!moves || from === undefined) return;
    let outcome = '';
    const [qd] = from.agent.connections;
    if (!from.agent.move(qd!, 1 - from.id, how => (outcome = how))) return;
    assert.ok(this.world.run(() => outcome !== '' && this.backends.every(({ agent }) => agent.moving === 0)));
    assert.equal(outcome, 'moved', `${JSON.stringify(from.agent.counters)}`);
    this.moved++;
  }

  private complete(token: number): void {
    assert.equal(this.client.wait(token)!.errno, 0);
  }

  close(): void {
    for (const { agent } of this.backends) assert.equal(agent.counters.hookErrors, 0);
    for (const { agent } of this.backends) agent.close();
    this.world.close();
  }
}

/** The switch of a town has few places, and nobody clears them: so many clients, and a new town. */
const CLIENTS = 20;

/** Calls `run` for each cut, with a town that is new now and then; returns how often connections moved. */
export function forEachCut(
  cuts: readonly number[],
  found: () => MovingTown,
  run: (town: MovingTown, cut: number) => void,
): number {
  let moved = 0;
  for (let i = 0; i < cuts.length; i += CLIENTS) {
    const town = found();
    for (const cut of cuts.slice(i, i + CLIENTS)) run(town, cut);
    moved += town.moved;
    town.close();
  }
  return moved;
}

/** Places from `step` on, `step` apart. */
export function every(step: number, lengthBytes: number): number[] {
  return Array.from({ length: Math.ceil(lengthBytes / step) - 1 }, (_, i) => (i + 1) * step);
}
