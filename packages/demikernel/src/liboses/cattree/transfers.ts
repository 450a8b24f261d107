// From requests of logs to commands of the device: cut to what one command can carry, and put together again at their ends.

import type { Region, Slice } from '@demikernel/memory';
import { FORCE_UNIT_ACCESS, NVM_FLUSH, NVM_READ, NVM_WRITE } from '../../nvme/commands.ts';
import type { NvmeController } from '../../nvme/controller.ts';
import type { DmaMemory } from '../../nvme/door.ts';
import type { NvmeNamespace } from '../../nvme/identify.ts';
import { type NvmeClient, NvmeRequest } from '../../nvme/request.ts';
import { STORE_READ, type StoreBuffer, type StoreRequest } from '../../runtime/segment-store.ts';

/** Shorter pieces are cheaper copied than described and fetched on their own. */
const GATHER_BYTES = 256;

/** Memory of a log's that the device sees; released ones go back to a list. */
export class DeviceBuffer implements StoreBuffer {
  readonly lengthBytes: number;
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
  readonly view: DataView;
  readonly address: number;
  readonly memory: DmaMemory;
  private readonly idle: DeviceBuffer[];

  constructor(memory: DmaMemory, lengthBytes: number, idle: DeviceBuffer[]) {
    const { buffer, byteOffset } = memory.bytes;
    this.lengthBytes = lengthBytes;
    this.bytes = new Uint8Array(buffer, byteOffset, lengthBytes);
    this.words = new Int32Array(buffer, byteOffset, lengthBytes >> 2);
    this.view = new DataView(buffer, byteOffset, lengthBytes);
    this.address = memory.address;
    this.memory = memory;
    this.idle = idle;
  }

  release(): void {
    this.idle.push(this);
  }
}

/** A command, and the request that it is a part of. */
class Part extends NvmeRequest {
  whole: StoreRequest | undefined;

  constructor(client: NvmeClient) {
    super(client);
    this.whole = undefined;
  }
}

export class Transfers implements NvmeClient {
  readonly controller: NvmeController;
  readonly namespace: NvmeNamespace;
  private readonly maxBytes: number;
  private readonly writeFlags: number;
  private readonly gatherMask: number;
  private readonly idleParts: Part[];
  private readonly idleBuffers: Map<number, DeviceBuffer[]>;

  constructor(controller: NvmeController, namespace: NvmeNamespace) {
    this.controller = controller;
    this.namespace = namespace;
    const { blockBytes } = namespace;
    // A command counts its blocks in 16 bits, and begins and ends with whole ones.
    this.maxBytes = Math.min(controller.maxTransferBytes, 65536 * blockBytes);
    // Without a volatile cache what has been written is durable.
    this.writeFlags = controller.identity.hasVolatileWriteCache ? FORCE_UNIT_ACCESS : 0;
    this.gatherMask = controller.identity.gatherAlignBytes - 1;
    this.idleParts = [];
    this.idleBuffers = new Map();
  }

  makeBuffer(lengthBytes: number): DeviceBuffer {
    let idle = this.idleBuffers.get(lengthBytes);
    if (idle === undefined) this.idleBuffers.set(lengthBytes, (idle = []));
    return idle.pop() ?? new DeviceBuffer(this.controller.door.makeMemory(lengthBytes), lengthBytes, idle);
  }

  /** As `Storage.register`. */
  register(region: Region): boolean {
    try {
      return this.controller.register(region);
    } catch (error) {
      const why = (error as Error).message;
      process.emitWarning(`${this.controller.door.name}: records will be copied: ${why}`, 'DemikernelNotice');
      return false;
    }
  }

  /**
   * As `SegmentStore.takes`. Not what a lender, who may be another process, can write to: a record's checksum is made before
   * the device reads it.
   */
  takes(slice: Slice, before: number): boolean {
    const { controller, gatherMask } = this;
    const { length, offset, pool } = slice;
    if (length < GATHER_BYTES || pool.lender !== undefined || ((offset | length | before) & gatherMask) !== 0)
      return false;
    return controller.regions.keyOf(pool.region) >= 0;
  }

  /** Starts the transfer that a request describes, `start` bytes from the namespace's beginning. */
  start(request: StoreRequest, start: number): void {
    const { blockBytes, id } = this.namespace;
    const read = request.kind === STORE_READ;
    const { memory } = request.buffer as DeviceBuffer;
    const { pieces } = request;
    request.busy = true;
    request.errno = 0;
    request.mark = Math.ceil(request.lengthBytes / this.maxBytes);
    for (let at = 0; at < request.lengthBytes; at += this.maxBytes) {
      const lengthBytes = Math.min(this.maxBytes, request.lengthBytes - at);
      const part = this.part(request);
      part.transfer(
        read ? NVM_READ : NVM_WRITE,
        id,
        (start + at) / blockBytes,
        lengthBytes / blockBytes,
        memory,
        request.bufferOffset + at,
        lengthBytes,
        read ? 0 : this.writeFlags,
      );
      if (pieces !== undefined) {
        part.offsetBytes = request.bufferOffset;
        part.pieces = pieces;
        part.piecesBefore = at;
      }
      this.controller.submit(part);
    }
  }

  /** Everything written so far becomes durable. */
  sync(request: StoreRequest): void {
    request.busy = true;
    request.errno = 0;
    request.mark = 1;
    this.controller.submit(this.part(request).command(NVM_FLUSH, this.namespace.id));
  }

  private part(whole: StoreRequest): Part {
    const part = this.idleParts.pop() ?? new Part(this);
    part.whole = whole;
    return part;
  }

  nvmeDone(request: NvmeRequest): void {
    const part = request as Part;
    const whole = part.whole!;
    part.whole = undefined;
    this.idleParts.push(part);
    if (part.errno !== 0 && whole.errno === 0) whole.errno = part.errno;
    if (--whole.mark > 0) return;
    whole.busy = false;
    whole.client.storeDone(whole);
  }
}
