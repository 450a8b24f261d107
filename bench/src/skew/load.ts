// The clients: connections through the switch, each with requests at moments that nobody's answer decides (open loop, Poisson).

import { type Demikernel, OP_POP, type WaitSet } from 'demikernel';
import { SeededRandom } from 'demikernel/simulator';
import { Histogram } from '../histogram.ts';
import { PORT, VIRTUAL_ADDRESS } from '../testbed/moving-addresses.ts';
import type { Actor, Place } from './place.ts';
import { REPLY_BYTES, REQUEST_BYTES } from './server.ts';

/** One connection. */
export class Call {
  readonly qd: number;
  /** Its own port. */
  readonly port: number;
  /** Requests per µs. */
  rate: number;
  nextUs: number;
  replies: Uint8Array;

  constructor(qd: number, port: number) {
    this.qd = qd;
    this.port = port;
    this.rate = 0;
    this.nextUs = Number.POSITIVE_INFINITY;
    this.replies = new Uint8Array(0);
  }
}

export class Load implements Actor {
  readonly calls: Call[];
  /** From when a request is due until its answer has been read. */
  readonly latencies: Histogram;
  requests: number;
  answered: number;
  /** Requests that are due before do not count. */
  countFromUs: number;
  /** Nothing is asked from then on. */
  endUs: number;
  readonly #place: Place;
  readonly #os: Demikernel;
  readonly #set: WaitSet;
  readonly #byQd: Map<number, Call>;
  readonly #random: SeededRandom;

  private constructor(place: Place, os: Demikernel, seed: number) {
    this.calls = [];
    this.latencies = new Histogram();
    this.requests = 0;
    this.answered = 0;
    this.countFromUs = 0;
    this.endUs = 0;
    this.#place = place;
    this.#os = os;
    this.#set = os.waitSet();
    this.#byQd = new Map();
    this.#random = new SeededRandom(seed);
  }

  /** @throws Error when one is not connected */
  static async connect(place: Place, connections: number, seed: number): Promise<Load> {
    const load = new Load(place, await place.openClient(), seed);
    for (let i = 0; i < connections; i++) await load.#connect();
    place.attach(load.#os, load);
    return load;
  }

  async #connect(): Promise<void> {
    const os = this.#os;
    const qd = os.socket('stream');
    os.setsockopt(qd, 'noDelay', true);
    const token = os.connect(qd, `${VIRTUAL_ADDRESS}:${PORT}`);
    await this.#place.run(() => os.isComplete(token));
    if (os.wait(token)!.errno !== 0) throw new Error('not connected');
    const call = new Call(qd, os.getsockname(qd).port);
    this.calls.push(call);
    this.#byQd.set(qd, call);
    this.#set.add(os.pop(qd));
  }

  /** @param rateOf requests per µs of a connection, from now on */
  setRates(rateOf: (call: Call) => number): void {
    for (const call of this.calls) {
      call.rate = rateOf(call);
      call.nextUs = this.#place.nowUs + this.#gapUs(call);
    }
  }

  #gapUs({ rate }: Call): number {
    return -Math.log(1 - this.#random.below(2 ** 30) / 2 ** 30) / rate;
  }

  turn(): number {
    const { nowUs } = this.#place;
    let work = 0;
    for (let result = this.#set.take(); result !== undefined; result = this.#set.take()) {
      work++;
      if (result.errno !== 0) throw new Error(`a connection has failed: errno ${result.errno}`);
      if (result.opcode !== OP_POP) continue;
      const { array } = result;
      if (array === undefined || array.lengthBytes === 0) throw new Error('a connection has ended');
      const call = this.#byQd.get(result.qd)!;
      this.#heard(call, Buffer.concat([call.replies, array.toBytes()]), nowUs);
      array.free();
      this.#set.add(this.#os.pop(call.qd));
    }
    for (const call of this.calls) {
      for (; call.nextUs <= nowUs && call.nextUs < this.endUs; call.nextUs += this.#gapUs(call)) {
        work++;
        this.#ask(call);
      }
    }
    return work;
  }

  #ask(call: Call): void {
    const request = new Uint8Array(REQUEST_BYTES);
    new DataView(request.buffer).setFloat64(0, call.nextUs);
    this.requests++;
    this.#set.add(this.#os.push(call.qd, request));
  }

  #heard(call: Call, bytes: Uint8Array, nowUs: number): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let at = 0;
    for (; at + REPLY_BYTES <= bytes.length; at += REPLY_BYTES) {
      const dueUs = view.getFloat64(at);
      this.answered++;
      if (dueUs >= this.countFromUs) this.latencies.record((nowUs - dueUs) * 1000);
    }
    call.replies = bytes.slice(at);
  }

  untilNextUs(): number {
    let nextUs = Number.POSITIVE_INFINITY;
    for (const call of this.calls) if (call.nextUs < this.endUs) nextUs = Math.min(nextUs, call.nextUs);
    return Math.max(0, nextUs - this.#place.nowUs);
  }
}
