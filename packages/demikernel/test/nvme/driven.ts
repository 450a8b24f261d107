// A driver and a model of a controller in one clock: for tests.

import assert from 'node:assert/strict';
import {
  NVME_READY,
  NVME_STARTING,
  NvmeController,
  type NvmeControllerOptions,
} from '../../src/nvme/controller.ts';
import type { DmaMemory } from '../../src/nvme/door.ts';
import { type NvmeClient, NvmeRequest } from '../../src/nvme/request.ts';
import { ManualClock } from '../../src/runtime/clock.ts';
import { SeededRandom } from '../../src/runtime/random.ts';
import { ModelController, type ModelOptions } from './model-controller.ts';

export class Driven implements NvmeClient {
  readonly model: ModelController;
  readonly clock: ManualClock;
  readonly controller: NvmeController;
  /** Requests that have ended, in order. */
  readonly ended: NvmeRequest[];

  constructor(model: Partial<ModelOptions> = {}, options: Partial<NvmeControllerOptions> = {}) {
    this.model = new ModelController({ random: new SeededRandom(1), ...model });
    this.clock = new ManualClock(1000);
    this.controller = new NvmeController(this.model, { clock: this.clock, ...options });
    this.ended = [];
  }

  nvmeDone(request: NvmeRequest): void {
    this.ended.push(request);
  }

  /** One turn of both. */
  turn(deltaUs = 100): void {
    this.controller.flush();
    this.model.step();
    this.clock.advance(deltaUs);
    this.controller.poll();
  }

  until(what: string, condition: () => boolean, deltaUs = 100, limit = 200_000): void {
    for (let turns = 0; !condition(); turns++) {
      assert.ok(turns < limit, `waited in vain until ${what}`);
      this.turn(deltaUs);
    }
  }

  start(): this {
    this.until('it has started', () => this.controller.state !== NVME_STARTING);
    assert.equal(this.controller.state, NVME_READY, this.controller.failure?.message);
    return this;
  }

  request(): NvmeRequest {
    return new NvmeRequest(this);
  }

  /** Submits and waits for the end. Returns the errno. */
  finish(request: NvmeRequest, deltaUs = 100): number {
    this.controller.submit(request);
    this.until('the request has ended', () => !request.busy, deltaUs);
    return request.errno;
  }

  memory(lengthBytes: number): DmaMemory {
    return this.model.makeMemory(lengthBytes);
  }

  /** The model had nothing to complain about. */
  fair(): void {
    assert.deepEqual(this.model.complaints, []);
    assert.equal(this.model.memory.strays, 0);
  }
}
