// What is asked of a namespace: one command, its memory, and who is told.

import type { GatherList } from '../runtime/gather-list.ts';
import type { DmaMemory } from './door.ts';

/** Who is told that a request is over. */
export interface NvmeClient {
  nvmeDone(request: NvmeRequest): void;
}

/** One command. Its client keeps it and uses it again; the controller holds it from `submit` until `nvmeDone`. */
export class NvmeRequest {
  readonly client: NvmeClient;
  /** NVM_READ, NVM_WRITE, NVM_WRITE_ZEROES, NVM_FLUSH or NVM_DATASET_MANAGEMENT, which gives blocks up. */
  opcode: number;
  namespaceId: number;
  lba: number;
  blocks: number;
  /** FORCE_UNIT_ACCESS or 0. */
  flags: number;
  memory: DmaMemory | undefined;
  /** Of a write in pieces: all of them, and how many of their bytes belong to commands before this one. */
  pieces: GatherList | undefined;
  piecesBefore: number;
  /** Where the data lies in the memory: a multiple of four, and how much it is. */
  offsetBytes: number;
  lengthBytes: number;
  /** 0, or the device's status; see status.ts. */
  status: number;
  /** 0, or why it failed. A write that failed may have happened, wholly or partly. */
  errno: number;
  /** True from `submit` to `nvmeDone`. */
  busy: boolean;
  /** For the controller: how often it has been sent, and the next that waits for a place. */
  attempts: number;
  next: NvmeRequest | undefined;

  constructor(client: NvmeClient) {
    this.client = client;
    this.opcode = 0;
    this.namespaceId = 0;
    this.lba = 0;
    this.blocks = 0;
    this.flags = 0;
    this.memory = undefined;
    this.pieces = undefined;
    this.piecesBefore = 0;
    this.offsetBytes = 0;
    this.lengthBytes = 0;
    this.status = 0;
    this.errno = 0;
    this.busy = false;
    this.attempts = 0;
    this.next = undefined;
  }

  /** Describes a read or a write. */
  transfer(
    opcode: number,
    namespaceId: number,
    lba: number,
    blocks: number,
    memory: DmaMemory,
    offsetBytes: number,
    lengthBytes: number,
    flags: number,
  ): this {
    this.opcode = opcode;
    this.namespaceId = namespaceId;
    this.lba = lba;
    this.blocks = blocks;
    this.flags = flags;
    this.memory = memory;
    this.pieces = undefined;
    this.offsetBytes = offsetBytes;
    this.lengthBytes = lengthBytes;
    return this;
  }

  /** Describes a command without data: flush, write zeroes, giving blocks up. */
  command(opcode: number, namespaceId: number, lba = 0, blocks = 0): this {
    this.opcode = opcode;
    this.namespaceId = namespaceId;
    this.lba = lba;
    this.blocks = blocks;
    this.flags = 0;
    this.memory = undefined;
    this.pieces = undefined;
    return this;
  }
}

/** Requests in order, linked through themselves. */
export class RequestList {
  count: number;
  private first: NvmeRequest | undefined;
  private last: NvmeRequest | undefined;

  constructor() {
    this.count = 0;
    this.first = undefined;
    this.last = undefined;
  }

  push(request: NvmeRequest): void {
    request.next = undefined;
    if (this.last === undefined) this.first = request;
    else this.last.next = request;
    this.last = request;
    this.count++;
  }

  /** Before all others: it has been here already. */
  unshift(request: NvmeRequest): void {
    request.next = this.first;
    this.first = request;
    this.last ??= request;
    this.count++;
  }

  shift(): NvmeRequest | undefined {
    const request = this.first;
    if (request === undefined) return undefined;
    this.first = request.next;
    if (this.first === undefined) this.last = undefined;
    request.next = undefined;
    this.count--;
    return request;
  }
}
