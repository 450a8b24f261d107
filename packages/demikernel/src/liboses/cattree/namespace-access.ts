// A namespace read and written while one waits: for opening, before there is a loop.

import { DemiError } from '@demikernel/memory';
import type { NvmeController } from '../../nvme/controller.ts';
import type { Clock } from '../../runtime/clock.ts';
import { errnoName } from '../../runtime/errno.ts';
import type { Random } from '../../runtime/random.ts';
import { STORE_READ, STORE_WRITE, type StoreClient, StoreRequest } from '../../runtime/segment-store.ts';
import { COPY_BYTES } from './directory.ts';
import type { DeviceBuffer, Transfers } from './transfers.ts';

/** A controller that is ready, and what goes with it. */
export interface TreeDevice {
  controller: NvmeController;
  clock: Clock;
  random: Random;
  /** Gives the device back; it has been stopped. */
  release: () => void;
  /** Called while it waits for the device: for a device that is a model. */
  whileWaiting?: () => void;
}

export class NamespaceAccess implements StoreClient {
  readonly name: string;
  readonly lengthBytes: number;
  readonly blockBytes: number;
  /** As long as a copy of the directory. */
  readonly buffer: DeviceBuffer;
  /** A copy of some bytes. */
  readonly bytes: (offset: number, lengthBytes: number) => Uint8Array;
  private readonly device: TreeDevice;
  private readonly transfers: Transfers;
  private readonly request: StoreRequest;

  constructor(device: TreeDevice, transfers: Transfers) {
    const { blockBytes, id, lengthBytes } = transfers.namespace;
    this.blockBytes = blockBytes;
    this.name = `namespace ${id} of ${device.controller.door.name}`;
    this.lengthBytes = lengthBytes;
    this.buffer = transfers.makeBuffer(COPY_BYTES);
    this.bytes = (offset, length) => {
      // The last blocks may be asked for at any offset in them.
      const before = offset % blockBytes;
      return this.read(offset - before, length + before).bytes.slice(before, before + length);
    };
    this.device = device;
    this.transfers = transfers;
    this.request = new StoreRequest(this);
  }

  /** Whole blocks, as far as there are any; the buffer is valid until it is used again. @throws ERR_DEMI_DEVICE */
  read(offset: number, lengthBytes: number): DeviceBuffer {
    this.buffer.bytes.fill(0);
    return this.transfer(STORE_READ, offset, lengthBytes);
  }

  /** Writes the buffer's beginning, durably. @throws ERR_DEMI_DEVICE */
  write(offset: number, lengthBytes: number): void {
    this.transfer(STORE_WRITE, offset, lengthBytes);
  }

  /** Overwrites with zeros. @throws ERR_DEMI_DEVICE */
  clear(offset: number, lengthBytes: number): void {
    this.buffer.bytes.fill(0);
    this.transfer(STORE_WRITE, offset, lengthBytes);
  }

  private transfer(kind: number, offset: number, lengthBytes: number): DeviceBuffer {
    const { buffer, request } = this;
    const { blockBytes } = this;
    const { clock, controller, whileWaiting } = this.device;
    const blocks = Math.ceil(Math.min(lengthBytes, this.lengthBytes - offset) / blockBytes);
    if (blocks <= 0) return buffer;
    this.transfers.start(request.transfer(kind, -1, 0, blocks * blockBytes, buffer), offset);
    while (request.busy) {
      controller.flush();
      whileWaiting?.();
      clock.update();
      controller.poll();
    }
    if (request.errno === 0) return buffer;
    const what = kind === STORE_READ ? 'reading' : 'writing';
    throw new DemiError('ERR_DEMI_DEVICE', `${what} ${this.name}: ${errnoName(request.errno)}`);
  }

  storeDone(): void {}

  release(): void {
    this.buffer.release();
  }
}
