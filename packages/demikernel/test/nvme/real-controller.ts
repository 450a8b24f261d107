// The guest's controller, taken by the driver: for tests in there.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { type Claim, claimController, listControllers } from '../../src/nvme/claim.ts';
import { NVME_READY, NVME_STARTING, NVME_STOPPED, NvmeController } from '../../src/nvme/controller.ts';
import { type NvmeClient, NvmeRequest } from '../../src/nvme/request.ts';
import { VfioDoor } from '../../src/nvme/vfio-door.ts';
import { MonotonicClock } from '../../src/runtime/monotonic-clock.ts';

const DEADLINE_US = 60_000_000;

/** PCI address of the controller that tests may write to: the guest's first, and on no other machine any. */
export function testController(): string {
  assert.equal(process.env['DEMIKERNEL_GUEST'], '1', 'these tests write to the disk: only in the guest');
  return listControllers()[0]!.address;
}

/** A controller between its taking and its giving back. */
export class RealController implements NvmeClient {
  readonly clock: MonotonicClock;
  readonly controller: NvmeController;
  readonly door: VfioDoor;
  /** Requests that have ended. */
  ended: number;
  private readonly claim: Claim;

  constructor(commandTimeoutMs = 10_000) {
    this.clock = new MonotonicClock();
    this.clock.update();
    this.claim = claimController(testController(), { namespaceId: 1, overwrite: true });
    this.door = new VfioDoor(this.claim.address, this.claim.iommuGroup);
    this.controller = new NvmeController(this.door, {
      clock: this.clock,
      commandTimeoutMs,
      queueEntries: 64,
    });
    this.ended = 0;
    this.until('it has started', () => this.controller.state !== NVME_STARTING);
    assert.equal(this.controller.state, NVME_READY, this.controller.failure?.message);
  }

  nvmeDone(): void {
    this.ended++;
  }

  request(): NvmeRequest {
    return new NvmeRequest(this);
  }

  until(what: string, condition: () => boolean): void {
    this.clock.update();
    const endUs = this.clock.micros[0]! + DEADLINE_US;
    while (!condition()) {
      this.controller.flush();
      this.controller.poll();
      this.clock.update();
      assert.ok(this.clock.micros[0]! < endUs, `waited in vain until ${what}`);
    }
  }

  finish(request: NvmeRequest): number {
    this.controller.submit(request);
    this.until('a request has ended', () => !request.busy);
    return request.errno;
  }

  /** Stops the controller and gives it to the kernel's driver, which makes its devices again. */
  async giveBack(): Promise<void> {
    this.stop();
    await kernelDevice('/dev/nvme0n1');
    await kernelDevice('/dev/nvme0n2');
  }

  /** Stops the controller and leaves it to whose it was. */
  stop(): void {
    this.controller.stop();
    this.until('it has stopped', () => this.controller.state >= NVME_STOPPED);
    this.door.close();
    this.claim.release();
  }
}

/** Waits until the kernel has made a block device. */
export async function kernelDevice(path: string): Promise<string> {
  for (let waitedMs = 0; !existsSync(path); waitedMs += 20) {
    assert.ok(waitedMs < 20_000, `${path} does not come`);
    await new Promise(resolve => setTimeout(resolve, 20));
  }
  return path;
}
