// The service and its client on Catmem, through PDPIX: a queue of messages and a wait set.

import {
  type Demikernel,
  OP_ACCEPT,
  OP_POP,
  OP_PUSH,
  open,
  type Result,
  type WaitMode,
  type WaitSet,
} from 'demikernel';
import { type Client, ECHO, HEAD_BYTES, LAST, SINK } from './peer.ts';

/** Pops outstanding at the service. */
const POPS = 32;
/** Messages of 1 MiB on their way, and the same again to fill. */
const MEMORY_BYTES = 64 << 20;

export interface CatmemPeerOptions {
  address: string;
  wait: WaitMode;
  receive: 'reference' | 'copy';
  slotSizeBytes: number | undefined;
}

function openCatmem({ wait, receive, slotSizeBytes }: CatmemPeerOptions): Promise<Demikernel> {
  return open({ libos: 'catmem', wait, receive, slotSizeBytes, memoryBytes: MEMORY_BYTES });
}

/** Serves until the process is asked to stop. */
export async function serveCatmem(options: CatmemPeerOptions, ready: () => void): Promise<void> {
  const os = await openCatmem(options);
  const listening = os.socket('message');
  os.bind(listening, options.address);
  os.listen(listening);
  const set = os.waitSet();
  set.add(os.accept(listening));
  ready();
  const service = new CatmemService(os, set, listening);
  while (!os.stopping) {
    const result = set.wait();
    if (result !== undefined) service.handle(result);
  }
  os.shutDown();
}

/** What the service does with a result; also driven by hand, to measure what it allocates. */
export class CatmemService {
  private readonly os: Demikernel;
  private readonly set: WaitSet;
  private readonly listening: number;

  constructor(os: Demikernel, set: WaitSet, listening: number) {
    this.os = os;
    this.set = set;
    this.listening = listening;
  }

  handle(result: Result): void {
    if (result.opcode === OP_POP) this.popped(result);
    else if (result.opcode === OP_ACCEPT) {
      for (let i = 0; i < POPS; i++) this.set.add(this.os.pop(result.acceptedQd));
      this.set.add(this.os.accept(this.listening));
    }
  }

  private popped(result: Result): void {
    const { qd, array } = result;
    if (array === undefined) return;
    if (array.count === 0) {
      array.free();
      return;
    }
    const head = array.segments[0]!;
    const what = head.pool.region.view.getInt32(head.offset, true);
    if (what !== SINK) this.set.add(this.os.push(qd, array));
    array.free();
    this.set.add(this.os.pop(qd));
  }
}

/** The client's end. Blocks in its wait set, as the wait mode says. */
export class CatmemClient implements Client {
  private readonly os: Demikernel;
  private readonly set: WaitSet;
  private readonly qd: number;
  private readonly pump: () => void;

  /** @param pump what else must turn for the service to answer; nothing when it is a process of its own */
  constructor(os: Demikernel, qd: number, pump: () => void) {
    this.os = os;
    this.set = os.waitSet();
    this.qd = qd;
    this.pump = pump;
  }

  static async connect(options: CatmemPeerOptions): Promise<CatmemClient> {
    const os = await openCatmem(options);
    const qd = os.socket('message');
    const { errno } = os.wait(os.connect(qd, options.address))!;
    if (errno !== 0) throw new Error(`connect: errno ${errno}`);
    return new CatmemClient(os, qd, () => {});
  }

  roundTrip(sizeBytes: number): void {
    this.put(sizeBytes, ECHO);
    this.answer();
  }

  send(sizeBytes: number, last: boolean): void {
    this.put(sizeBytes, last ? LAST : SINK);
    if (last) this.answer();
    else this.finish(OP_PUSH);
  }

  private put(sizeBytes: number, what: number): void {
    const { os } = this;
    let array = os.alloc(sizeBytes);
    while (array === undefined) {
      // Everything is on its way: some of it comes back.
      os.poll();
      array = os.alloc(sizeBytes);
    }
    const head = array.segments[0]!;
    const { view } = head.pool.region;
    view.setInt32(head.offset, what, true);
    view.setInt32(head.offset + HEAD_BYTES - 4, sizeBytes, true);
    this.set.add(os.push(this.qd, array));
    array.free();
  }

  private answer(): void {
    this.set.add(this.os.pop(this.qd));
    this.finish(OP_PUSH);
    this.finish(OP_POP);
  }

  /** Waits for one operation; pushes come before pops. */
  private finish(opcode: number): void {
    let result = this.set.take();
    while (result === undefined) {
      this.pump();
      result = this.set.wait();
    }
    if (result.errno !== 0 || result.opcode !== opcode) throw new Error(`errno ${result.errno}`);
    result.array?.free();
  }

  close(): void {
    this.os.shutDown();
  }
}
