// The client under which the services stand, a process of its own. Its setting comes as an argument, its tasks as lines of JSON:
// `fill` puts every key, `check` compares replies with what was put, `run` measures.

import { writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { type Codec, loadCodec, ObjectReply, Outbox, STATUS_OK } from '@demikernel/apps/kv-objects';
import { Deframer } from '@demikernel/cornflakes';
import type { ScatterGatherArray } from '@demikernel/memory';
import { machineCpuTime } from '@demikernel/native/kernel';
import type { Demikernel } from 'demikernel';
import { SeededRandom } from 'demikernel/stack';
import { processCpuUs } from '../../processor-time.ts';
import { isValue } from '../../workloads/content.ts';
import { PUT, type Request, type Workload } from '../../workloads/workload.ts';
import { Arrivals } from './arrivals.ts';
import { OpenLoop, type RunFigures, type RunRequest } from './open-loop.ts';
import { RequestRing, RequestWriter } from './request-ring.ts';
import { type LoadSetting, makeWorkload, openEnd } from './setting.ts';

export type ClientTask =
  | { task: 'fill' }
  | { task: 'check'; requests: number }
  | ({ task: 'run'; serverPid: number } & RunRequest);

export interface RunAnswer extends RunFigures {
  machineCpuUs: number;
  clientCpuUs: number;
  serverCpuUs: number;
}

/** Requests on their way while keys are put. */
const FILL_WINDOW = 32;

/** One request after the other on a connection of its own: for what is not measured. */
class Conversation {
  private readonly os: Demikernel;
  private readonly qd: number;
  private readonly codec: Codec;
  private readonly outbox: Outbox;
  private readonly deframer: Deframer;
  private readonly reply: ObjectReply;
  private readonly workload: Workload;
  private readonly writer: RequestWriter;

  constructor(os: Demikernel, qd: number, codec: Codec, workload: Workload) {
    const { pool, sliceBytes } = os.libraryOs;
    this.os = os;
    this.qd = qd;
    this.codec = codec;
    this.outbox = new Outbox(pool, sliceBytes, true);
    this.deframer = new Deframer();
    this.reply = new ObjectReply(pool.region);
    this.workload = workload;
    this.writer = new RequestWriter(workload);
  }

  /** Puts every key. */
  fill(): void {
    const { workload } = this;
    let asked = 0;
    for (let answered = 0; answered < workload.keys; answered++) {
      for (; asked < workload.keys && asked - answered < FILL_WINDOW; asked++) {
        this.ask({ kind: PUT, key: asked }, asked & 0x7fff_ffff);
      }
      this.answer(answered & 0x7fff_ffff, { kind: PUT, key: answered });
    }
  }

  /** Asks `count` requests of the workload, and for what each put. */
  check(count: number, seed: number): void {
    const random = new SeededRandom(seed);
    const request: Request = { kind: 0, key: 0 };
    for (let id = 0; id < count; id++) {
      this.workload.next(random, request);
      this.ask(request, id);
      this.answer(id, request);
    }
  }

  private ask(request: Request, id: number): void {
    const { codec, os, outbox } = this;
    if (!outbox.add(codec.encodeRequest(this.writer.fill(request, id)))) throw new Error('memory is used up');
    codec.release();
    const array = outbox.take()!;
    const result = os.wait(os.push(this.qd, array));
    array.free();
    if (result?.errno !== 0) throw new Error(`push: errno ${result?.errno}`);
  }

  private answer(id: number, request: Request): void {
    const frame = this.frame();
    const { codec, reply } = this;
    if (!codec.decodeReply(frame, reply)) throw new Error('a reply that is none');
    if (reply.status !== STATUS_OK || reply.id !== id) {
      throw new Error(`reply ${reply.id} to request ${id}: status ${reply.status}`);
    }
    if (request.kind !== PUT) this.compare(request.key);
    codec.release();
    frame.free();
  }

  private compare(key: number): void {
    const { reply, workload } = this;
    const first = workload.firstValue[key]!;
    const count = workload.firstValue[key + 1]! - first;
    if (reply.values.count !== count)
      throw new Error(`key ${key}: ${reply.values.count} values, not ${count}`);
    for (let n = 0; n < count; n++) {
      const value = reply.values.view(n);
      if (value.length !== workload.valueBytes[first + n] || !isValue(value, 0, value.length, key, n)) {
        throw new Error(`key ${key}, value ${n}: not what was put`);
      }
    }
  }

  private frame(): ScatterGatherArray {
    for (let frame = this.deframer.next(); ; frame = this.deframer.next()) {
      if (frame !== undefined) return frame;
      const result = this.os.wait(this.os.pop(this.qd));
      if (result?.array === undefined || result.array.count === 0) {
        throw new Error(`the service ended the connection: errno ${result?.errno}`);
      }
      this.deframer.add(result.array);
      result.array.free();
    }
  }
}

function connect(os: Demikernel, service: string): number {
  const qd = os.socket('stream');
  const result = os.wait(os.connect(qd, service));
  if (result?.errno !== 0) throw new Error(`connect ${service}: errno ${result?.errno}`);
  os.setsockopt(qd, 'noDelay', true);
  return qd;
}

/** Runs, with the processor time of the time that counts. */
function measured(loop: OpenLoop, { serverPid, ...request }: RunRequest & { serverPid: number }): RunAnswer {
  const read = (): [number, number, number] => [
    machineCpuTime().busyUs,
    processCpuUs(process.pid),
    processCpuUs(serverPid),
  ];
  const readings: [number, number, number][] = [];
  const figures = loop.run(request, () => readings.push(read()));
  const used = (i: 0 | 1 | 2): number => readings[1]![i] - readings[0]![i];
  return { ...figures, machineCpuUs: used(0), clientCpuUs: used(1), serverCpuUs: used(2) };
}

function print(value: unknown): void {
  writeSync(1, `${JSON.stringify(value)}\n`);
}

const setting = JSON.parse(process.argv[2] ?? '') as LoadSetting;
const workload = makeWorkload(setting.workload);
const codec = await loadCodec(setting.protocol.protocol);
const os = await openEnd(setting);
const conversation = new Conversation(os, connect(os, setting.service), codec, workload);
const qds = Array.from({ length: setting.connections }, () => connect(os, setting.service));
const { seed } = setting.workload;
let loop: OpenLoop | undefined;
print({ connected: true });
for await (const line of createInterface({ input: process.stdin })) {
  const task = JSON.parse(line) as ClientTask;
  if (task.task === 'fill') conversation.fill();
  else if (task.task === 'check') conversation.check(task.requests, seed + 2);
  else {
    loop ??= new OpenLoop(os, qds, new RequestRing(os, codec, workload, seed + 1), new Arrivals(seed + 3));
    print(measured(loop, task));
    continue;
  }
  print({ done: true });
}
os.shutDown();
