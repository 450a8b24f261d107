// The closed-loop load of load.ts through PDPIX, for services on shared memory, which no kernel socket reaches. Nothing is
// allocated per request.

import { Clock } from '@demikernel/native/kernel';
import { type Demikernel, OP_POP, open, type Result, type WaitSet } from 'demikernel';
import type { Histogram } from '../histogram.ts';
import type { ClosedLoop } from './load.ts';
import type { RoundRequest } from './round.ts';

const CONNECT_TIMEOUT_US = 3_000_000;
/** A connection silent for so long is broken. */
const TIMEOUT_US = 3_000_000;
/** Looks between two looks at the clock while nothing arrives. */
const POLLS_PER_CLOCK = 64;
const BLOCK_US = 10_000;

/** One connection with one request outstanding. */
interface Flow {
  qd: number;
  sequence: number;
  receivedBytes: number;
  firstWord: number;
}

export class SharedLoad implements ClosedLoop {
  requests: number;
  readonly lost: number;
  readonly late: number;
  corrupted: number;
  polls: number;
  emptyPolls: number;
  broken: boolean;
  private readonly os: Demikernel;
  private readonly set: WaitSet;
  private readonly flows: Flow[];
  /** By queue descriptor: which flow. */
  private readonly flowOf: Int32Array;
  private readonly latencies: Histogram;
  private readonly sizeBytes: number;
  private readonly blocks: boolean;
  private readonly clock: Clock;
  private readonly sentUs: Float64Array;
  /** When to stop, and when time-outs were last looked for. */
  private readonly moments: Float64Array;

  private constructor(os: Demikernel, request: RoundRequest, latencies: Histogram) {
    this.requests = 0;
    this.lost = 0;
    this.late = 0;
    this.corrupted = 0;
    this.polls = 0;
    this.emptyPolls = 0;
    this.broken = false;
    this.os = os;
    this.set = os.waitSet();
    this.flows = [];
    this.flowOf = new Int32Array(os.libraryOs.runtime.queues.capacity);
    this.latencies = latencies;
    this.sizeBytes = request.sizeBytes;
    this.blocks = request.client === 'block';
    this.clock = new Clock();
    this.sentUs = new Float64Array(request.connections);
    this.moments = new Float64Array(2);
  }

  /** Connects. Rejects with what the service's absence is called. */
  static async open(request: RoundRequest, latencies: Histogram): Promise<SharedLoad> {
    const os = await open({ libos: 'catmem', wait: request.client === 'block' ? 'interrupt' : 'spin' });
    const load = new SharedLoad(os, request, latencies);
    try {
      for (let i = 0; i < request.connections; i++) load.connect(request.address);
    } catch (error) {
      load.close();
      throw error;
    }
    return load;
  }

  private connect(address: string): void {
    const qd = this.os.socket('stream');
    const result = this.os.wait(this.os.connect(qd, address), CONNECT_TIMEOUT_US);
    if (result?.errno !== 0)
      throw new Error(`connect ${address}: errno ${result?.errno ?? 'none, time-out'}`);
    this.flowOf[qd] = this.flows.length;
    this.flows.push({ qd, sequence: 0, receivedBytes: 0, firstWord: 0 });
  }

  begin(): void {
    this.clock.read();
    for (let i = 0; i < this.flows.length; i++) this.request(i);
  }

  reset(): void {
    this.requests = 0;
    this.corrupted = 0;
    this.polls = 0;
    this.emptyPolls = 0;
    this.latencies.clear();
  }

  run(milliseconds: number): number {
    const { clock, moments } = this;
    clock.read();
    const startUs = clock.us[0]!;
    moments[0] = startUs + milliseconds * 1000;
    moments[1] = startUs;
    if (this.blocks) this.sleepBetween();
    else this.spin();
    return clock.us[0]! - startUs;
  }

  private spin(): void {
    const { clock, moments, os, set } = this;
    let looks = 0;
    while (!this.broken && clock.us[0]! < moments[0]!) {
      const result = set.take();
      if (result !== undefined) {
        this.handle(result);
        continue;
      }
      this.polls++;
      if (os.poll() === 0) this.emptyPolls++;
      if (++looks % POLLS_PER_CLOCK === 0) this.checkTimeouts();
    }
  }

  private sleepBetween(): void {
    const { clock, moments, set } = this;
    while (!this.broken && clock.us[0]! < moments[0]!) {
      const result = set.wait(BLOCK_US);
      this.polls++;
      if (result !== undefined) this.handle(result);
      else {
        this.emptyPolls++;
        this.checkTimeouts();
      }
    }
  }

  private handle(result: Result): void {
    const { array, errno, qd, opcode } = result;
    if (errno !== 0 || array?.count === 0) this.broken = true;
    if (opcode !== OP_POP || array === undefined) return;
    if (this.broken) {
      array.free();
      return;
    }
    const i = this.flowOf[qd]!;
    const flow = this.flows[i]!;
    const first = array.segments[0]!;
    const last = array.segments[array.count - 1]!;
    const { view } = first.pool.region;
    if (flow.receivedBytes === 0) flow.firstWord = view.getInt32(first.offset, true);
    const lastWord = view.getInt32(last.offset + last.length - 4, true);
    flow.receivedBytes += result.lengthBytes;
    array.free();
    if (flow.receivedBytes < this.sizeBytes) this.set.add(this.os.pop(qd));
    else this.replied(i, flow, lastWord);
  }

  private replied(i: number, flow: Flow, lastWord: number): void {
    const { clock } = this;
    clock.read();
    const sound =
      flow.receivedBytes === this.sizeBytes &&
      flow.firstWord === flow.sequence &&
      lastWord === ~flow.sequence;
    if (sound) {
      this.latencies.record((clock.us[0]! - this.sentUs[i]!) * 1000);
      this.requests++;
    } else this.corrupted++;
    this.request(i);
  }

  /** Sends the next request, and waits for its reply. The clock has just been read. */
  private request(i: number): void {
    const { os, set, sizeBytes } = this;
    const flow = this.flows[i]!;
    this.sentUs[i] = this.clock.us[0]!;
    let array = os.alloc(sizeBytes);
    while (array === undefined) {
      os.poll();
      array = os.alloc(sizeBytes);
    }
    flow.sequence = (flow.sequence + 1) | 0;
    flow.receivedBytes = 0;
    const first = array.segments[0]!;
    const last = array.segments[array.count - 1]!;
    const { view } = first.pool.region;
    view.setInt32(first.offset, flow.sequence, true);
    view.setInt32(last.offset + last.length - 4, ~flow.sequence, true);
    set.add(os.push(flow.qd, array));
    array.free();
    set.add(os.pop(flow.qd));
  }

  private checkTimeouts(): void {
    const { clock } = this;
    clock.read();
    for (let i = 0; i < this.flows.length; i++) {
      if (clock.us[0]! - this.sentUs[i]! > TIMEOUT_US) this.broken = true;
    }
  }

  close(): void {
    this.os.shutDown();
    this.clock.close();
  }
}
