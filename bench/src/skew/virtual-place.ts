// A fleet in virtual time: the same on every machine for a seed, and as fast as it can be computed.

import { setImmediate } from 'node:timers/promises';
import type { FlowTable } from '@demikernel/capybara';
import type { Demikernel } from 'demikernel';
import { type SimulatedHost, SimulatedWorld } from 'demikernel/stack';
import { SimulatedPlace, type SimulatedStack } from '../testbed/simulated-place.ts';
import type { Actor, Place } from './place.ts';

const LINK_DELAY_US = 5;
const SERVICE_US = 100;

export class VirtualPlace implements Place {
  readonly serviceUs: number;
  readonly #world: SimulatedWorld;
  readonly #place: SimulatedPlace;
  readonly #hosts: Map<Demikernel, SimulatedHost>;

  constructor(seed: number) {
    this.serviceUs = SERVICE_US;
    this.#world = new SimulatedWorld({ seed, link: { delayUs: LINK_DELAY_US } });
    this.#place = new SimulatedPlace(this.#world);
    this.#hosts = new Map();
  }

  get nowUs(): number {
    return this.#world.nowUs;
  }

  get flows(): FlowTable {
    return this.#place.balancer.flows;
  }

  async openBackend(id: number): Promise<Demikernel> {
    return this.#keep(this.#place.openBackend(id));
  }

  async openClient(): Promise<Demikernel> {
    return this.#keep(this.#place.openClient());
  }

  #keep({ os, host }: SimulatedStack): Demikernel {
    this.#hosts.set(os, host);
    return os;
  }

  attach(os: Demikernel, actor: Actor): void {
    const host = this.#hosts.get(os)!;
    const stackNextUs = host.untilNextUs.bind(host);
    host.afterPoll = () => actor.turn();
    host.untilNextUs = () => Math.min(stackNextUs(), actor.untilNextUs());
  }

  async run(until: number | (() => boolean)): Promise<boolean> {
    await setImmediate();
    return this.#world.run(until);
  }

  close(): void {
    this.#world.close();
  }
}
