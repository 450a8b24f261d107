// An NVMe controller, driven by polling: requests in, answers out, no system call between. What takes too long is aborted;
// when that does not help the controller is reset, and what was under way is sent again or fails. Queue mechanics are in
// queue-pair.ts, starting in start-up.ts, what is late in watchdog.ts.

import { DemiError, type Region, RegionTable } from '@demikernel/memory';
import type { Clock } from '../runtime/clock.ts';
import { ENODEV } from '../runtime/errno.ts';
import { AdminQueue, type NvmeWork } from './admin.ts';
import {
  encodeDeallocate,
  encodeFlush,
  encodeGetErrorLog,
  encodeTransfer,
  NVM_DATASET_MANAGEMENT,
  NVM_FLUSH,
  writeRange,
} from './commands.ts';
import type { DmaMemory, NvmeDoor } from './door.ts';
import {
  type ControllerIdentity,
  ERROR_LOG_ENTRY_BYTES,
  type ErrorLogEntry,
  type NvmeNamespace,
  readErrorLog,
} from './identify.ts';
import { MAX_PRP_BYTES, setDataPointer } from './prp.ts';
import { type CompletionSink, MAX_QUEUE_ENTRIES, QueuePair } from './queue-pair.ts';
import {
  CAP_HIGH,
  CAP_LOW,
  type Capabilities,
  CC,
  CC_ENABLE,
  CSTS,
  CSTS_FATAL,
  DOORBELLS,
  GONE,
  NVME_PAGE_BYTES,
  readCapabilities,
} from './registers.ts';
import { type NvmeRequest, RequestList } from './request.ts';
import { setGatherPointer } from './sgl.ts';
import { disable, enable, type Started, type StartUp, shutDown } from './start-up.ts';
import { isPassing, STATUS_LOST, statusErrno } from './status.ts';
import { Watchdog } from './watchdog.ts';

export const NVME_STARTING = 0;
export const NVME_READY = 1;
/** It is being reset; requests wait. */
export const NVME_RECOVERING = 2;
export const NVME_STOPPING = 3;
export const NVME_STOPPED = 4;
/** It is of no more use; see `failure`. */
export const NVME_FAILED = 5;

export interface NvmeControllerOptions {
  clock: Clock;
  /** Entries of an I/O queue, at most 256; one less command is under way at most. Default 128. */
  queueEntries?: number;
  /** I/O queue pairs, if the device grants them. Default 1. */
  queuePairs?: number;
  /** After so long a command is aborted, after as long again the controller is reset. Default 5 s. */
  commandTimeoutMs?: number;
  /** Counters of the room `nvme`, in the order of {@link NVME_COUNTERS}; default: some of its own. */
  counters?: Float64Array;
}

/** Counters of the room `nvme`. */
export const NVME_COUNTERS = [
  'commands',
  'doorbells',
  'completions',
  'errors',
  'retries',
  'aborts',
  'resets',
  'strangeCompletions',
] as const;
const COMMANDS = 0;
const DOORBELL_WRITES = 1;
const COMPLETIONS = 2;
const ERRORS = 3;
const RETRIES = 4;
const ABORTS = 5;
const RESETS = 6;
const STRANGE = 7;

const ADMIN_ENTRIES = 32;
/** A request is sent at most so often: after resets, or when the device says that the moment was not right. */
const MAX_ATTEMPTS = 3;
/** Resets without any answer of an I/O command in between before the device is given up. */
const MAX_FRUITLESS_RESETS = 3;

export class NvmeController implements CompletionSink {
  readonly door: NvmeDoor;
  readonly capabilities: Capabilities;
  readonly counters: Float64Array;
  /** Memory of others that requests' pieces may lie in. */
  readonly regions: RegionTable;
  state: number;
  /** Why the device failed. */
  failure: DemiError | undefined;
  private readonly clock: Clock;
  private readonly admin: AdminQueue;
  private readonly pairs: readonly QueuePair[];
  /** By pair and place. */
  private readonly requests: (NvmeRequest | undefined)[][];
  private readonly waiting: RequestList;
  private readonly scratch: DmaMemory;
  private readonly start: StartUp;
  private started: Started | undefined;
  /** What is done step by step, the first of them now. */
  private readonly jobs: NvmeWork<void>[];
  private readonly watchdog: Watchdog;
  private fruitlessResets: number;
  private nextPair: number;

  /** Looks at the device, touches nothing. @throws DemiError `ERR_DEMI_DEVICE` for one this driver cannot drive */
  constructor(door: NvmeDoor, options: NvmeControllerOptions) {
    const { queueEntries = 128, queuePairs = 1, commandTimeoutMs = 5000 } = options;
    if (!(queueEntries >= 2 && queueEntries <= MAX_QUEUE_ENTRIES && queuePairs >= 1 && queuePairs <= 64)) {
      throw new DemiError('ERR_DEMI_OPTION', `queueEntries: 2 to ${MAX_QUEUE_ENTRIES}; queuePairs: 1 to 64`);
    }
    this.door = door;
    const { registers } = door;
    this.capabilities = readCapabilities(registers[CAP_LOW]!, registers[CAP_HIGH]!);
    const { maxQueueEntries, nvmCommands, smallPages } = this.capabilities;
    if (registers[CSTS] === GONE || !nvmCommands || !smallPages) {
      const why = registers[CSTS] === GONE ? 'is gone' : 'wants large pages or other commands';
      throw new DemiError('ERR_DEMI_DEVICE', `NVMe ${door.name}: ${why}`);
    }
    this.counters = options.counters ?? new Float64Array(NVME_COUNTERS.length);
    this.regions = new RegionTable();
    this.state = NVME_STARTING;
    this.failure = undefined;
    this.clock = options.clock;
    const entries = Math.min(queueEntries, maxQueueEntries);
    this.admin = new AdminQueue(
      this.makePair(0, Math.min(ADMIN_ENTRIES, maxQueueEntries)),
      2 * commandTimeoutMs,
    );
    this.pairs = Array.from({ length: queuePairs }, (_, index) => this.makePair(index + 1, entries));
    this.requests = this.pairs.map(() => new Array<NvmeRequest | undefined>(entries).fill(undefined));
    this.waiting = new RequestList();
    this.scratch = door.makeMemory(NVME_PAGE_BYTES);
    this.start = {
      door,
      admin: this.admin,
      pairs: this.pairs,
      capabilities: this.capabilities,
      scratch: this.scratch,
      nowMs: () => this.nowMs(),
    };
    this.started = undefined;
    this.jobs = [];
    this.watchdog = new Watchdog(this.admin, this.pairs, commandTimeoutMs, this.nowMs());
    this.fruitlessResets = 0;
    this.nextPair = 0;
    this.jobs.push(this.bringUp());
  }

  private makePair(id: number, entries: number): QueuePair {
    const { door } = this;
    const { doorbellStrideWords } = this.capabilities;
    return new QueuePair({
      id,
      entries,
      submission: door.makeMemory(entries * 64),
      completion: door.makeMemory(entries * 16),
      lists: door.makeMemory(id === 0 ? NVME_PAGE_BYTES : entries * NVME_PAGE_BYTES),
      registers: door.registers,
      doorbell: DOORBELLS + 2 * id * doorbellStrideWords,
      doorbellStrideWords,
    });
  }

  private nowMs(): number {
    return (this.clock.micros[0]! / 1000) | 0;
  }

  // ---- what it is ----

  /** Valid from `NVME_READY` on. */
  get identity(): ControllerIdentity {
    return this.started!.identity;
  }

  get namespaces(): readonly NvmeNamespace[] {
    return this.started!.namespaces;
  }

  /** Namespaces that cannot be used, and why. */
  get refusedNamespaces(): ReadonlyMap<number, string> {
    return this.started!.refused;
  }

  /** Longest transfer of one request. */
  get maxTransferBytes(): number {
    return Math.min(this.identity.maxTransferBytes, MAX_PRP_BYTES);
  }

  /**
   * Shows a region to the device, for as long as it is ours: pieces of requests may lie in it.
   *
   * @returns false when the device takes no pieces, or cannot reach the region
   * @throws DemiError `ERR_DEMI_SYSCALL` beyond what may be locked
   */
  register(region: Region): boolean {
    if (this.regions.keyOf(region) >= 0) return true;
    if (this.identity.gatherAlignBytes === 0) return false;
    const firstPage = this.door.reach(region);
    if (firstPage < 0) return false;
    this.regions.add(region, firstPage);
    return true;
  }

  /** Requests that have not ended, those that wait included. */
  get pending(): number {
    let count = this.waiting.count;
    for (const pair of this.pairs) count += pair.underWay;
    return count;
  }

  // ---- requests ----

  /** Starts a request; it ends in a later `poll`, never in here. */
  submit(request: NvmeRequest): void {
    request.busy = true;
    request.status = 0;
    request.errno = 0;
    request.attempts = 0;
    // Behind those that wait already; a device that has failed ends it in the next poll.
    if (this.state !== NVME_READY || this.waiting.count > 0 || !this.send(request))
      this.waiting.push(request);
  }

  private send(request: NvmeRequest): boolean {
    const count = this.started!.pairs;
    for (let tries = 0; tries < count; tries++) {
      const index = this.nextPair;
      this.nextPair = index + 1 < count ? index + 1 : 0;
      const pair = this.pairs[index]!;
      const at = pair.entry;
      const place = pair.prepare();
      if (place < 0) continue;
      this.encode(request, pair, at, place);
      request.attempts++;
      this.requests[index]![place] = request;
      pair.submit(place, this.nowMs());
      this.counters[COMMANDS]!++;
      return true;
    }
    return false;
  }

  private encode(request: NvmeRequest, pair: QueuePair, at: number, place: number): void {
    const { blocks, lba, memory, namespaceId, opcode } = request;
    const { lists, words } = pair;
    if (opcode === NVM_FLUSH) encodeFlush(words, at, namespaceId);
    else if (opcode === NVM_DATASET_MANAGEMENT) {
      writeRange(lists.words, pair.listAt(place), lba, blocks);
      encodeDeallocate(words, at, namespaceId, pair.listPage(place));
    } else {
      encodeTransfer(words, at, opcode, namespaceId, lba, blocks, request.flags);
      if (memory === undefined) return;
      const { lengthBytes, offsetBytes } = request;
      const list = pair.listAt(place);
      if (request.pieces !== undefined) {
        setGatherPointer(
          words,
          at,
          request.pieces,
          memory.firstPage,
          this.regions,
          request.piecesBefore,
          lengthBytes,
          lists.words,
          list,
          pair.listPage(place),
        );
        return;
      }
      setDataPointer(
        words,
        at,
        memory.firstPage,
        offsetBytes,
        lengthBytes,
        lists.words,
        list,
        pair.listPage(place),
      );
    }
  }

  /** Ends requests that are over, sends those that waited, looks for late ones. Returns how much there was to do. */
  poll(): number {
    let work = this.admin.pair.poll(this.admin);
    for (let i = 0; i < this.pairs.length; i++) {
      if (this.pairs[i]!.underWay > 0) work += this.pairs[i]!.poll(this);
    }
    this.counters[COMPLETIONS]! += work;
    if (this.jobs.length > 0) work += this.step();
    if (this.waiting.count > 0) work += this.sendWaiting();
    const nowMs = this.nowMs();
    if (this.watchdog.isDue(nowMs)) this.lookForLate(nowMs);
    return work;
  }

  /** Rings the doorbells for what was submitted. Returns how many. */
  flush(): number {
    let rung = 0;
    for (let i = 0; i < this.pairs.length; i++) if (this.pairs[i]!.ring()) rung++;
    this.counters[DOORBELL_WRITES]! += rung;
    return rung;
  }

  private sendWaiting(): number {
    let work = 0;
    if (this.state === NVME_FAILED || this.state === NVME_STOPPED) {
      for (let count = this.waiting.count; count > 0; count--, work++) {
        this.end(this.waiting.shift()!, STATUS_LOST, ENODEV);
      }
    }
    while (this.state === NVME_READY && this.waiting.count > 0) {
      const request = this.waiting.shift()!;
      if (!this.send(request)) {
        this.waiting.unshift(request);
        break;
      }
      work++;
    }
    return work;
  }

  commandDone(pair: QueuePair, place: number, status: number): void {
    const requests = this.requests[pair.id - 1]!;
    const request = requests[place]!;
    requests[place] = undefined;
    this.fruitlessResets = 0;
    if (status !== 0 && isPassing(status) && request.attempts < MAX_ATTEMPTS) {
      this.counters[RETRIES]!++;
      this.waiting.push(request);
    } else this.end(request, status, statusErrno(status));
  }

  private end(request: NvmeRequest, status: number, errno: number): void {
    if (errno !== 0) this.counters[ERRORS]!++;
    request.status = status;
    request.errno = errno;
    request.busy = false;
    request.client.nvmeDone(request);
  }

  // ---- what takes too long ----

  private lookForLate(nowMs: number): void {
    const { watchdog } = this;
    this.counters[STRANGE] = watchdog.strangeCompletions;
    if (this.state !== NVME_READY) return;
    this.counters[ABORTS]! += watchdog.abortLate(nowMs, this.identity.abortLimit);
    const hopeless = watchdog.isHopeless(nowMs);
    if (this.pending === 0 && !hopeless) return;
    const status = this.door.registers[CSTS]!;
    if (status === GONE) this.fail(new DemiError('ERR_DEMI_DEVICE', `NVMe ${this.door.name}: is gone`));
    else if (hopeless || (status & CSTS_FATAL) !== 0) this.recover(nowMs);
  }

  /** Resets the controller. What was under way is sent again, unless it is what was late, or has been through this before. */
  private recover(nowMs: number): void {
    if (this.fruitlessResets++ >= MAX_FRUITLESS_RESETS) {
      this.fail(
        new DemiError('ERR_DEMI_DEVICE', `NVMe ${this.door.name}: answers to nothing, after resets too`),
      );
      return;
    }
    this.counters[RESETS]!++;
    this.state = NVME_RECOVERING;
    const late = new Set<NvmeRequest>();
    this.pairs.forEach((pair, index) => {
      for (let place = 0; place < pair.entries; place++) {
        if (this.watchdog.isLate(pair, place, nowMs)) late.add(this.requests[index]![place]!);
      }
    });
    // What waited for the admin queue hears that its answer is lost, and ends.
    this.jobs.unshift(this.reset(late));
  }

  private *reset(late: ReadonlySet<NvmeRequest>): NvmeWork<void> {
    yield* disable(this.start);
    // Only now does the device reach none of their memory any more.
    for (const request of this.takeLost()) {
      if (late.has(request) || request.attempts >= MAX_ATTEMPTS)
        this.end(request, STATUS_LOST, statusErrno(STATUS_LOST));
      else {
        this.counters[RETRIES]!++;
        this.waiting.unshift(request);
      }
    }
    this.started = yield* this.enableSomehow();
    this.state = NVME_READY;
  }

  /** A device that has just been in trouble may need more than one try. */
  private *enableSomehow(): NvmeWork<Started> {
    for (;;) {
      try {
        return yield* enable(this.start);
      } catch (error) {
        if (this.fruitlessResets++ >= MAX_FRUITLESS_RESETS) throw error;
        yield* disable(this.start);
      }
    }
  }

  /** What was under way when the device was stopped. */
  private takeLost(): NvmeRequest[] {
    const lost: NvmeRequest[] = [];
    for (const requests of this.requests) {
      for (const request of requests) if (request !== undefined) lost.push(request);
      requests.fill(undefined);
    }
    return lost;
  }

  /** Gives the device up: it reaches no memory after this, and every request fails. */
  private fail(failure: DemiError): void {
    this.failure = failure;
    this.state = NVME_FAILED;
    this.jobs.length = 0;
    this.door.silence();
    const { registers } = this.door;
    if (registers[CSTS] !== GONE) registers[CC] = registers[CC]! & ~CC_ENABLE;
    for (const request of this.takeLost()) this.waiting.push(request);
    for (const pair of this.pairs) pair.reset();
    this.admin.reset();
  }

  // ---- jobs ----

  private step(): number {
    const job = this.jobs[0]!;
    try {
      if (job.next().done !== true) return 0;
      if (this.jobs[0] === job) this.jobs.shift();
    } catch (error) {
      this.fail(error as DemiError);
    }
    return 1;
  }

  private *bringUp(): NvmeWork<void> {
    yield* disable(this.start);
    this.started = yield* enable(this.start);
    this.state = NVME_READY;
  }

  /** Begins to shut the device down, which flushes it; `NVME_STOPPED` or `NVME_FAILED` when it is over. */
  stop(): void {
    if (this.state === NVME_FAILED || this.state === NVME_STOPPED) return;
    const { state } = this;
    this.jobs.length = 0;
    this.state = NVME_STOPPING;
    this.jobs.push(this.shutDown(state === NVME_READY));
  }

  private *shutDown(orderly: boolean): NvmeWork<void> {
    if (orderly) yield* shutDown(this.start, this.started!.pairs);
    else yield* disable(this.start);
    for (const request of this.takeLost()) this.waiting.push(request);
    this.state = NVME_STOPPED;
  }

  /**
   * Asks for the newest entries of the error log, newest first, and hands them over in a later poll: none when the device
   * does not say.
   */
  readErrorLog(entries: number, hear: (log: readonly ErrorLogEntry[]) => void): void {
    this.jobs.push(this.fetchErrorLog(entries, hear));
  }

  private *fetchErrorLog(wanted: number, hear: (log: readonly ErrorLogEntry[]) => void): NvmeWork<void> {
    const perPage = NVME_PAGE_BYTES / ERROR_LOG_ENTRY_BYTES;
    const entries = Math.min(wanted, this.identity.errorLogEntries, perPage);
    const { scratch } = this;
    let log: readonly ErrorLogEntry[] = [];
    try {
      yield* this.admin.ask(
        'reading the error log',
        (words, at) => encodeGetErrorLog(words, at, entries * ERROR_LOG_ENTRY_BYTES, scratch.firstPage),
        this.start.nowMs,
      );
      log = readErrorLog(scratch.view, entries);
    } catch {
      // No log is no reason to fail.
    }
    hear(log);
  }
}
