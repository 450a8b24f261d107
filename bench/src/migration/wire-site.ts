// Backends, a client and the switch's model on a wire in this process that takes no time: what a move costs is what the stacks, the
// protocol and its seals cost. Protocol timers run in the wire's own time; phases are measured in real time, as everywhere.

import { type Demikernel, OP_POP, type WaitSet } from 'demikernel';
import { SimulatedWorld } from 'demikernel/stack';
import { PORT, VIRTUAL_ADDRESS } from '../testbed/moving-addresses.ts';
import { SimulatedPlace } from '../testbed/simulated-place.ts';
import { byteAt } from './moving-client.ts';
import type { Client, Site } from './stack-fleet.ts';

const CHUNK_BYTES = 64 * 1024;
/** The wire's time moves by so much at most while nothing happens. */
const IDLE_US = 64;

export class WireSite implements Site {
  readonly #world: SimulatedWorld;
  readonly #place: SimulatedPlace;

  constructor() {
    this.#world = new SimulatedWorld({ link: { delayUs: 0 } });
    this.#place = new SimulatedPlace(this.#world);
  }

  async openBackend(id: number): Promise<Demikernel> {
    return this.#place.openBackend(id).os;
  }

  connect(): Client {
    return new WireClient(this.#place.openClient().os);
  }

  turn(): void {
    const world = this.#world;
    if (world.step() > 0) world.clock.advance(1);
    else world.advance(IDLE_US);
  }

  close(): void {
    this.#world.close();
  }
}

/** A client of our own stack. It checks every byte that it reads by its place in the stream. */
class WireClient implements Client {
  sent: number;
  received: number;
  readonly #os: Demikernel;
  readonly #qd: number;
  readonly #set: WaitSet;

  constructor(os: Demikernel) {
    this.sent = 0;
    this.received = 0;
    this.#os = os;
    this.#qd = os.socket('stream');
    os.setsockopt(this.#qd, 'noDelay', true);
    const connected = os.wait(os.connect(this.#qd, `${VIRTUAL_ADDRESS}:${PORT}`))!;
    if (connected.errno !== 0) throw new Error(`connect: errno ${connected.errno}`);
    this.#set = os.waitSet();
    this.#set.add(os.pop(this.#qd));
  }

  write(count: number): void {
    const bytes = new Uint8Array(Math.min(count, CHUNK_BYTES));
    for (let i = 0; i < bytes.length; i++) bytes[i] = byteAt(this.sent + i);
    const { errno } = this.#os.wait(this.#os.push(this.#qd, bytes))!;
    if (errno !== 0) throw new Error(`push: errno ${errno}`);
    this.sent += bytes.length;
  }

  read(): number {
    const result = this.#set.take();
    if (result === undefined || result.opcode !== OP_POP) return 0;
    if (result.errno !== 0 || result.array === undefined || result.array.lengthBytes === 0)
      throw new Error(`the connection has ended (errno ${result.errno})`);
    const { array } = result;
    const bytes = array.toBytes();
    array.free();
    for (const byte of bytes)
      if (byte !== byteAt(this.received++)) throw new Error(`byte ${this.received - 1} is wrong`);
    this.#set.add(this.#os.pop(this.#qd));
    return bytes.length;
  }

  close(): void {
    this.#os.close(this.#qd);
  }
}
