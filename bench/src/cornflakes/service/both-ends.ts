// A service and its client in one thread, on Catmem or on two stacks joined by a wire, each in its turn: what the service's turns cost is
// its own, whatever else the machine does.

import { loadCodec, ObjectServer } from '@demikernel/apps/kv-objects';
import { type Demikernel, OP_POP, open, type WaitSet } from 'demikernel';
import { ManualClock, SeededRandom, Wire } from 'demikernel/stack';
import { makeHost, makePool } from '../../stack/hosts.ts';
import type { Workload } from '../../workloads/workload.ts';
import { PUT } from '../../workloads/workload.ts';
import { FrameCounter } from '../load/frame-counter.ts';
import { RequestRing, RequestWriter, RING_REQUESTS } from '../load/request-ring.ts';
import { SerializeFirst } from '../load/serialize-first.ts';
import { type ProtocolSetting, thresholdOf } from '../load/setting.ts';

export type Transport = 'catmem' | 'wire';

const CONNECTIONS = 16;
/** Requests of one push, and of one turn. */
const REQUESTS_PER_PUSH = 8;
export const REQUESTS_PER_TURN: number = CONNECTIONS * REQUESTS_PER_PUSH;
/** What a turn takes on the wire's clock, for the stacks' timers. */
const TURN_US = 5;
/** Turns without progress after which something is broken rather than slow. */
const PATIENCE = 200_000;
const CLIENT_ADDRESS = 0x0a00_0001;
const SERVER_ADDRESS = 0x0a00_0002;
const CLIENT_SLOTS = 32_768;
const SLOT_BYTES = 2048;
/** A pool of the stack benchmark keeps a quarter for the stack. */
const RESERVED = 4 / 3;

interface Hosts {
  server: Demikernel;
  client: Demikernel;
  address: string;
  clock: ManualClock | undefined;
}

async function openHosts(transport: Transport, serverBytes: number): Promise<Hosts> {
  if (transport === 'catmem') {
    const server = await open({ libos: 'catmem', wait: 'spin', memoryBytes: serverBytes });
    const client = await open({ libos: 'catmem', wait: 'spin', memoryBytes: 128 << 20 });
    return { server, client, address: '127.0.0.1:0', clock: undefined };
  }
  const clock = new ManualClock(1_000_000);
  const wire = new Wire({ clock, random: new SeededRandom(1) });
  const slots = Math.ceil((serverBytes * RESERVED) / SLOT_BYTES);
  const host = (address: number, size: number): Demikernel =>
    makeHost({ device: wire.attach({ pool: makePool(size) }), clock, address, anyNeighbour: false });
  return {
    server: host(SERVER_ADDRESS, slots),
    client: host(CLIENT_ADDRESS, CLIENT_SLOTS),
    address: '10.0.0.2:7000',
    clock,
  };
}

export interface BothEndsOptions {
  transport: Transport;
  protocol: ProtocolSetting;
  workload: Workload;
  seed: number;
  serverBytes: number;
  valueShare: number;
}

export class BothEnds {
  readonly protocol: ProtocolSetting;
  private readonly hosts: Hosts;
  private readonly service: ObjectServer;
  private readonly set: WaitSet;
  private readonly qds: readonly number[];
  /** By queue descriptor. */
  private readonly counters: FrameCounter[];
  private readonly ring: RequestRing;
  private next: number;
  private waiting: number;

  private constructor(
    protocol: ProtocolSetting,
    hosts: Hosts,
    service: ObjectServer,
    ring: RequestRing,
    qds: readonly number[],
  ) {
    this.protocol = protocol;
    this.hosts = hosts;
    this.service = service;
    this.set = hosts.client.waitSet();
    this.qds = qds;
    this.counters = [];
    for (const qd of qds) this.counters[qd] = new FrameCounter(RING_REQUESTS);
    this.ring = ring;
    this.next = 0;
    this.waiting = 0;
    for (const qd of qds) this.set.add(hosts.client.pop(qd));
  }

  /** Opens both ends, with every value in the store. */
  static async open(options: BothEndsOptions): Promise<BothEnds> {
    const { protocol, seed, serverBytes, transport, valueShare, workload } = options;
    const hosts = await openHosts(transport, serverBytes);
    const loaded = await loadCodec(protocol.protocol, { copyThresholdBytes: thresholdOf(protocol) });
    const codec = protocol.separately === true ? new SerializeFirst(loaded) : loaded;
    const service = new ObjectServer(hosts.server, { address: hosts.address, codec, slotShare: valueShare });
    const writer = new RequestWriter(workload);
    for (let key = 0; key < workload.keys; key++) {
      const { keys, values } = writer.fill({ kind: PUT, key }, key);
      if (service.store.put(keys, 0, values) !== 0) throw new Error('the store is too small');
    }
    const { client } = hosts;
    const qds = Array.from({ length: CONNECTIONS }, () => client.socket('stream'));
    const connecting = qds.map(qd => client.connect(qd, service.address));
    for (let turns = 0; connecting.some(token => !client.isComplete(token)); turns++) {
      if (turns > PATIENCE) throw new Error('the connections do not come about');
      client.poll();
      hosts.server.poll();
      service.serveReady();
      hosts.clock?.advance(TURN_US);
    }
    for (const token of connecting) client.wait(token);
    const ring = new RequestRing(client, await loadCodec(protocol.protocol), workload, seed);
    return new BothEnds(protocol, hosts, service, ring, qds);
  }

  /**
   * One turn of {@link REQUESTS_PER_TURN} requests, all of them answered. What the service does lies between `begin` and `end`.
   */
  turn(begin: () => void, end: () => void): void {
    const { clock, client } = this.hosts;
    this.ask();
    client.poll();
    for (let turns = 0; this.waiting > 0; turns++) {
      if (turns > PATIENCE) throw new Error(`${this.waiting} requests are not answered`);
      clock?.advance(TURN_US);
      begin();
      this.serve();
      end();
      clock?.advance(TURN_US);
      client.poll();
      this.take();
    }
  }

  private ask(): void {
    const { client } = this.hosts;
    const { pool } = client.libraryOs;
    for (let i = 0; i < this.qds.length; i++) {
      const array = pool.array();
      for (let n = 0; n < REQUESTS_PER_PUSH; n++) {
        const written = this.ring.arrays[this.next]!;
        this.next = (this.next + 1) & (RING_REQUESTS - 1);
        for (let s = 0; s < written.count; s++) array.append(written.segments[s]!.share());
      }
      this.set.add(client.push(this.qds[i]!, array));
      array.free();
    }
    this.waiting += REQUESTS_PER_TURN;
  }

  /** A turn of the service's loop, and of what it has found. */
  private serve(): void {
    const { server } = this.hosts;
    server.poll();
    // What has been pushed leaves in the turn after.
    if (this.service.serveReady() > 0) server.poll();
  }

  private take(): void {
    for (let result = this.set.take(); result !== undefined; result = this.set.take()) {
      if (result.errno !== 0) throw new Error(`errno ${result.errno}`);
      if (result.opcode !== OP_POP) continue;
      if (result.array === undefined || result.array.count === 0) throw new Error('the connection has ended');
      const counter = this.counters[result.qd]!;
      counter.count(result.array);
      result.array.free();
      this.waiting -= counter.ended;
      this.set.add(this.hosts.client.pop(result.qd));
    }
  }

  close(): void {
    this.hosts.client.shutDown();
    this.hosts.server.shutDown();
  }
}
