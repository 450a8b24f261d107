// The storage half of a library OS: logs by name over any storage. One log object per name, however many queues are on it.

import type { SlotPool } from '@demikernel/memory';
import { EAGAIN, ECANCELED, EEXIST } from '../runtime/errno.ts';
import type { LogOptions } from '../runtime/library-os.ts';
import { type Operation, OperationList, type OperationTable } from '../runtime/operation.ts';
import type { Random } from '../runtime/random.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { Storage } from '../runtime/segment-store.ts';
import { LOG_CLOSED, LOG_CLOSING, LOG_OPEN, LOG_OPENING, Log, type LogOwner } from './log.ts';
import { LogCounters } from './log-counters.ts';
import { LogQueue, type LogQueueHost } from './log-queue.ts';
import { type LogSettings, logSettings } from './settings.ts';

/** Until a pop that found no memory is tried again, when nothing else happens. */
const STARVED_RETRY_US = 100;
/** Turns without anything to do that closing may take; a storage that hangs is left alone then. */
const CLOSING_TURNS = 20_000;
const CLOSING_WAIT_US = 1000;

/** An open that waits until the log has been closed. */
interface Reopening {
  operation: Operation;
  name: string;
  options: LogOptions;
}

export class Logs implements LogOwner, LogQueueHost {
  readonly runtime: Runtime;
  readonly pool: SlotPool;
  readonly sliceBytes: number;
  readonly operations: OperationTable;
  readonly random: Random;
  readonly settings: LogSettings;
  readonly counters: LogCounters;
  readonly storage: Storage;
  private readonly logs: Log[];
  private readonly opens: Map<Log, OperationList>;
  private readonly starving: LogQueue[];
  private reopenings: Reopening[];

  /** @throws ERR_DEMI_RANGE for settings out of bounds */
  constructor(
    runtime: Runtime,
    pool: SlotPool,
    sliceBytes: number,
    storage: Storage,
    settings: Partial<LogSettings> = {},
  ) {
    this.runtime = runtime;
    this.pool = pool;
    this.sliceBytes = sliceBytes;
    this.operations = runtime.operations;
    this.random = runtime.random;
    this.settings = logSettings(settings);
    this.counters = new LogCounters(runtime.metrics);
    this.storage = storage;
    this.logs = [];
    this.opens = new Map();
    this.starving = [];
    this.reopenings = [];
  }

  /** Opens a log for `LibraryOs.openLog`. */
  openLog(operation: Operation, name: string, options: LogOptions): void {
    const { mode = 'existing', damaged = 'refuse' } = options;
    const open = this.logs.find(log => log.name === name);
    if (open === undefined) {
      const store = this.storage.openStore(name, mode);
      if (typeof store === 'number') {
        this.operations.complete(operation, store);
        return;
      }
      const log = new Log(name, store, this);
      const waiting = new OperationList();
      waiting.push(operation);
      this.logs.push(log);
      this.opens.set(log, waiting);
      log.open(damaged);
    } else if (mode === 'new') this.operations.complete(operation, EEXIST);
    else if (open.state === LOG_OPENING) this.opens.get(open)!.push(operation);
    else if (open.state === LOG_OPEN) this.attach(operation, open);
    // Its last words are being written.
    else this.reopenings.push({ operation, name, options });
  }

  private attach(operation: Operation, log: Log): void {
    const queue = new LogQueue(this, log);
    const qd = this.runtime.queues.add(queue);
    if (qd < 0) queue.close();
    operation.acceptedQd = qd;
    this.operations.complete(operation, qd < 0 ? EAGAIN : 0);
  }

  logOpened(log: Log, errno: number): void {
    const waiting = this.opens.get(log)!;
    this.opens.delete(log);
    if (errno === 0) this.counters.recovered();
    for (let operation = waiting.shift(); operation !== undefined; operation = waiting.shift()) {
      if (errno === 0) this.attach(operation, log);
      else this.operations.complete(operation, errno);
    }
    if (errno === 0 && log.readers.count === 0) log.close();
  }

  logClosed(log: Log): void {
    this.logs.splice(this.logs.indexOf(log), 1);
    const due = this.reopenings.filter(each => each.name === log.name);
    if (due.length === 0) return;
    this.reopenings = this.reopenings.filter(each => each.name !== log.name);
    for (const { operation, name, options } of due) this.openLog(operation, name, options);
  }

  queueClosed(log: Log): void {
    if (log.readers.count === 0 && log.state === LOG_OPEN) log.close();
  }

  starved(queue: LogQueue): void {
    if (!this.starving.includes(queue)) this.starving.push(queue);
  }

  /** Ends what is over. Returns how much that was. */
  poll(): number {
    const work = this.storage.poll();
    if (this.starving.length > 0) for (const queue of this.starving.splice(0)) queue.serve();
    return work;
  }

  /** Lets groups leave. Returns how many. */
  flush(): number {
    let work = 0;
    for (let i = this.logs.length - 1; i >= 0; i--) work += this.logs[i]!.flush();
    return work + this.storage.flush();
  }

  untilNextUs(): number {
    const untilUs = this.storage.untilNextUs();
    return this.starving.length > 0 ? Math.min(untilUs, STARVED_RETRY_US) : untilUs;
  }

  /** Finishes every log, whose queues are closed, and the storage. Waits for writes that are under way. */
  close(): void {
    for (const waiting of this.opens.values()) {
      for (let operation = waiting.shift(); operation !== undefined; operation = waiting.shift()) {
        this.operations.complete(operation, ECANCELED);
      }
    }
    for (const { operation } of this.reopenings.splice(0)) this.operations.complete(operation, ECANCELED);
    for (let idle = 0; this.logs.length > 0 && idle < CLOSING_TURNS; ) {
      const work = this.flush() + this.poll();
      if (work > 0) continue;
      idle++;
      this.storage.wait?.(CLOSING_WAIT_US);
    }
    this.storage.close();
  }

  /** Logs that are not closed. */
  get openLogs(): number {
    return this.logs.filter(log => log.state !== LOG_CLOSED && log.state !== LOG_CLOSING).length;
  }
}
