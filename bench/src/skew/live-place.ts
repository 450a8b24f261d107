// A fleet on this machine's interfaces: backends of our own stack on AF_XDP behind the real XDP switch, clients on the kernel's stack,
// each in a namespace, all turned by this thread.

import { setImmediate } from 'node:timers/promises';
import type { FlowTable } from '@demikernel/capybara';
import { type Demikernel, open } from 'demikernel';
import { MovingPlace } from '../testbed/moving-place.ts';
import type { Actor, Place } from './place.ts';

/** Ten times what a turn of everything takes: what this thread does is then small beside what its servers do. */
const SERVICE_US = 1000;
/** Between two looks at what the event loop has. */
const TURN_US = 2000;
/** For what must come, and does not. */
const PATIENCE_US = 20e6;

export class LivePlace implements Place {
  readonly serviceUs: number;
  readonly #place: MovingPlace;
  readonly #opened: Demikernel[];
  readonly #actors: Actor[];
  #running: boolean;

  /** @throws DemiError `ERR_DEMI_PERMISSION` */
  constructor(backends: number, connections: number) {
    this.serviceUs = SERVICE_US;
    this.#place = new MovingPlace({ kernelBackends: false, backends, connections });
    this.#opened = [];
    this.#actors = [];
    this.#running = true;
  }

  get nowUs(): number {
    return performance.now() * 1000;
  }

  get flows(): FlowTable {
    return this.#place.balancer.flows;
  }

  async openBackend(id: number): Promise<Demikernel> {
    return this.#keep(await this.#place.openStack(id));
  }

  async openClient(): Promise<Demikernel> {
    return this.#keep(await open({ libos: 'catnap', namespace: this.#place.client, wait: 'spin' }));
  }

  #keep(os: Demikernel): Demikernel {
    this.#opened.push(os);
    return os;
  }

  attach(_os: Demikernel, actor: Actor): void {
    this.#actors.push(actor);
  }

  async run(until: number | (() => boolean)): Promise<boolean> {
    const done = typeof until === 'number' ? () => this.nowUs >= until : until;
    const limitUs = (typeof until === 'number' ? until : this.nowUs) + PATIENCE_US;
    while (this.#running) {
      const turnEndsUs = this.nowUs + TURN_US;
      while (this.nowUs < turnEndsUs) {
        if (done()) return true;
        for (const os of this.#opened) os.poll();
        for (const actor of this.#actors) actor.turn();
      }
      if (this.nowUs > limitUs) return false;
      await setImmediate();
    }
    throw new Error('closed in the middle');
  }

  close(): void {
    this.#running = false;
    for (const os of this.#opened.splice(0)) os.shutDown();
    this.#place.close();
  }
}
