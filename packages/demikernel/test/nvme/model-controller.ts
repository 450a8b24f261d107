// A controller in memory, written from the specification: it fetches commands when doorbells move, carries them out in a
// drawn order after a drawn time, and misbehaves as it is told. Wrong commands are noted in `complaints`.

import type { Region } from '@demikernel/memory';
import { NVM_WRITE } from '../../src/nvme/commands.ts';
import type { DmaMemory, NvmeDoor } from '../../src/nvme/door.ts';
import {
  ACQ_HIGH,
  ACQ_LOW,
  AQA,
  ASQ_HIGH,
  ASQ_LOW,
  CAP_HIGH,
  CAP_LOW,
  CC,
  CC_ENABLE,
  CSTS,
  CSTS_READY,
  DOORBELLS,
  GONE,
  VS,
} from '../../src/nvme/registers.ts';
import { STATUS_INVALID_FIELD, STATUS_INVALID_OPCODE } from '../../src/nvme/status.ts';
import type { Random } from '../../src/runtime/random.ts';
import { executeAdmin } from './model-admin.ts';
import { ModelDisk } from './model-disk.ts';
import { ModelMemory } from './model-memory.ts';

/** How it misbehaves. Rates are per I/O command, 0 to 1. */
export interface Misbehaviour {
  /** No answer, ever. */
  silentRate?: number;
  /** A status from `statuses` instead of success. */
  errorRate?: number;
  statuses?: readonly number[];
  /** Only writes fail so. */
  onlyWrites?: boolean;
  /** The answer comes twice. */
  twiceRate?: number;
  /** Aborts do nothing. */
  deafToAborts?: boolean;
  /** Answers to commands that were not asked. */
  nonsenseRate?: number;
}

export interface ModelOptions {
  random: Random;
  disks?: readonly ModelDisk[];
  /** Steps that a command takes at most. Default 4. */
  latencySteps?: number;
  /** Steps until it is ready, or not ready. Default 3. */
  readySteps?: number;
  doorbellStrideShift?: number;
  maxQueueEntries?: number;
  /** As the identity says it: transfers of 4096 << n. Default 5. */
  transferShift?: number;
  /** Memory that it can reach; default 16 MiB. */
  memoryBytes?: number;
  /** I/O queue pairs that it grants. */
  grantedPairs?: number;
  misbehaviour?: Misbehaviour;
}

/** A submission queue as the device sees it, its completion queue beside it. */
interface ModelQueue {
  submission: number;
  completion: number;
  entries: number;
  head: number;
  tail: number;
  completionEntries: number;
  completionTail: number;
  phase: number;
}

/** A command that has been fetched. */
export interface ModelCommand {
  queue: number;
  /** Its sixteen words. */
  words: Int32Array;
  steps: number;
}

export class ModelController implements NvmeDoor {
  readonly name = 'model';
  readonly registers: Uint32Array;
  readonly memory: ModelMemory;
  readonly disks: readonly ModelDisk[];
  readonly options: ModelOptions;
  readonly complaints: string[];
  readonly random: Random;
  misbehaviour: Misbehaviour;
  /** I/O commands that were carried out. */
  executed: number;
  /** Nothing answers any more, not even to a reset. */
  dead: boolean;
  functionResets: number;
  silenced: boolean;
  readonly queues: Map<number, ModelQueue>;
  /** By queue: what a completion queue that has no submission queue yet was created with. */
  readonly completionQueues: Map<number, { at: number; entries: number }>;
  private pending: ModelCommand[];
  private enabled: boolean;
  private changeIn: number;

  constructor(options: ModelOptions) {
    this.options = options;
    this.random = options.random;
    this.registers = new Uint32Array(0x2000 / 4);
    this.memory = new ModelMemory(options.memoryBytes);
    this.disks = options.disks ?? [new ModelDisk({ id: 1, blocks: 4096, blockBytes: 512 })];
    this.complaints = [];
    this.misbehaviour = options.misbehaviour ?? {};
    this.executed = 0;
    this.dead = false;
    this.functionResets = 0;
    this.silenced = false;
    this.queues = new Map();
    this.completionQueues = new Map();
    this.pending = [];
    this.enabled = false;
    this.changeIn = 0;
    this.registers[CAP_LOW] = ((options.maxQueueEntries ?? 1024) - 1) | (2 << 24);
    this.registers[CAP_HIGH] = (options.doorbellStrideShift ?? 0) | (1 << 5);
    this.registers[VS] = 0x0001_0400;
  }

  // ---- the door ----

  makeMemory(lengthBytes: number): DmaMemory {
    return this.memory.make(lengthBytes);
  }

  reach(region: Region): number {
    return this.memory.share(region);
  }

  resetFunction(): boolean {
    this.functionResets++;
    if (this.dead) return false;
    this.registers[CC] = 0;
    this.stop();
    return true;
  }

  silence(): void {
    this.silenced = true;
  }

  close(): void {}

  /** The device is pulled out. */
  pull(): void {
    this.dead = true;
    this.registers.fill(GONE);
  }

  // ---- the device ----

  /** A moment in its life. */
  step(): void {
    if (this.dead || this.silenced) return;
    const configuration = this.registers[CC]!;
    const wanted = (configuration & CC_ENABLE) !== 0;
    if (wanted !== this.enabled) {
      if (this.changeIn++ < (this.options.readySteps ?? 3)) return;
      if (wanted) this.begin();
      else this.stop();
    }
    this.changeIn = 0;
    if (((configuration >> 14) & 3) !== 0) {
      for (const disk of this.disks) disk.flush();
      this.registers[CSTS] = this.registers[CSTS]! | (2 << 2);
    }
    if (!this.enabled) return;
    for (const id of [...this.queues.keys()]) this.fetch(id);
    this.work();
  }

  private begin(): void {
    const { registers } = this;
    if (((registers[CC]! >> 16) & 0xff) !== 0x46) this.complaints.push('entry sizes');
    const attributes = registers[AQA]!;
    const entries = (attributes & 0xfff) + 1;
    const submission = this.memory.offsetOf(registers[ASQ_LOW]!, registers[ASQ_HIGH]!, entries * 64);
    const at = this.memory.offsetOf(registers[ACQ_LOW]!, registers[ACQ_HIGH]!, entries * 16);
    this.completionQueues.set(0, { at, entries: ((attributes >> 16) & 0xfff) + 1 });
    this.addQueue(0, submission, entries);
    this.enabled = true;
    registers[CSTS] = CSTS_READY;
  }

  private stop(): void {
    this.enabled = false;
    this.registers[CSTS] = 0;
    // What was under way has happened wholly, partly or not.
    for (const command of this.pending) this.leave(command);
    this.pending = [];
    this.queues.clear();
    this.completionQueues.clear();
    this.registers.fill(0, DOORBELLS);
  }

  /** The power goes: what is not durable may be lost. */
  powerOff(): void {
    for (const command of this.pending) this.leave(command);
    for (const disk of this.disks) disk.loseCache(this.random);
    this.dead = true;
  }

  private leave(command: ModelCommand): void {
    const disk = this.diskOf(command);
    if (command.queue !== 0 && disk !== undefined)
      disk.leaveHalfDone(command.words, this.memory, this.random);
  }

  diskOf(command: ModelCommand): ModelDisk | undefined {
    return this.disks.find(disk => disk.id === command.words[1]);
  }

  addQueue(id: number, submission: number, entries: number): void {
    const completion = this.completionQueues.get(id)!;
    this.queues.set(id, {
      submission,
      completion: completion.at,
      entries,
      head: 0,
      tail: 0,
      completionEntries: completion.entries,
      completionTail: 0,
      phase: 1,
    });
  }

  private doorbell(id: number, completion: boolean): number {
    const stride = 1 << (this.options.doorbellStrideShift ?? 0);
    return this.registers[DOORBELLS + (2 * id + (completion ? 1 : 0)) * stride]!;
  }

  private fetch(id: number): void {
    const queue = this.queues.get(id)!;
    queue.tail = this.doorbell(id, false);
    if (queue.tail >= queue.entries) this.complaints.push(`doorbell ${queue.tail} of queue ${id}`);
    while (queue.head !== queue.tail && queue.tail < queue.entries) {
      const at = queue.submission + queue.head * 64;
      const words = new Int32Array(this.memory.bytes.slice(at, at + 64).buffer);
      queue.head = (queue.head + 1) % queue.entries;
      const silent = id !== 0 && this.chance(this.misbehaviour.silentRate);
      const steps = this.random.below(this.options.latencySteps ?? 4);
      this.pending.push({ queue: id, words, steps: silent ? Number.POSITIVE_INFINITY : steps });
    }
  }

  private chance(rate: number | undefined): boolean {
    return rate !== undefined && rate > 0 && this.random.below(1_000_000) < rate * 1_000_000;
  }

  private work(): void {
    const due: ModelCommand[] = [];
    this.pending = this.pending.filter(command => {
      if (command.steps-- > 0) return true;
      due.push(command);
      return false;
    });
    for (let left = due.length; left > 0; left--) {
      const chosen = this.random.below(left);
      const command = due[chosen]!;
      due[chosen] = due[left - 1]!;
      if (this.queues.has(command.queue)) this.carryOut(command);
    }
    if (this.chance(this.misbehaviour.nonsenseRate)) {
      const id = this.random.below(this.queues.size);
      if (this.queues.has(id)) this.answer(id, this.random.int32() & 0xffff, 0, this.random.int32());
    }
  }

  private carryOut(command: ModelCommand): void {
    const identifier = command.words[0]! >>> 16;
    if (command.queue === 0) {
      const { status, result } = executeAdmin(this, command);
      this.answer(0, identifier, status, result);
      return;
    }
    this.executed++;
    const { errorRate, onlyWrites, statuses = [STATUS_INVALID_FIELD] } = this.misbehaviour;
    let status: number;
    const spared = onlyWrites === true && (command.words[0]! & 0xff) !== NVM_WRITE;
    if (!spared && this.chance(errorRate)) {
      status = statuses[this.random.below(statuses.length)]!;
      this.leave(command);
    } else status = this.diskOf(command)?.execute(command.words, this.memory) ?? STATUS_INVALID_OPCODE;
    this.answer(command.queue, identifier, status, 0);
    if (this.chance(this.misbehaviour.twiceRate)) this.answer(command.queue, identifier, status, 0);
  }

  /** Finds and forgets a command; for Abort. */
  takePending(queue: number, identifier: number): ModelCommand | undefined {
    const index = this.pending.findIndex(
      each => each.queue === queue && each.words[0]! >>> 16 === identifier,
    );
    return index < 0 ? undefined : this.pending.splice(index, 1)[0];
  }

  answer(id: number, identifier: number, status: number, result: number): void {
    const queue = this.queues.get(id)!;
    const next = (queue.completionTail + 1) % queue.completionEntries;
    // A device that misbehaves does not care for room; a good one must always have it.
    if (next === this.doorbell(id, true)) {
      if (this.misbehaviour.twiceRate === undefined && this.misbehaviour.nonsenseRate === undefined)
        this.complaints.push('a full completion queue');
      return;
    }
    const at = queue.completion + queue.completionTail * 16;
    const { view } = this.memory;
    view.setInt32(at, result, true);
    view.setInt32(at + 8, queue.head | (id << 16), true);
    view.setInt32(at + 12, identifier | (queue.phase << 16) | (status << 17), true);
    queue.completionTail = next;
    if (next === 0) queue.phase ^= 1;
  }
}
