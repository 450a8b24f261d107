// A fleet in virtual time under open-loop load: the real stack, protocol and policy, the switch's model, and servers that take a fixed
// time per request, one after the other. The same on every run with the same seed.

import { MigrationAgent } from '@demikernel/capybara/host';
import { type Move, Policy } from '@demikernel/capybara/policy';
import { type Demikernel, OP_POP, type WaitSet } from 'demikernel';
import { openSimulated, SeededRandom } from 'demikernel/simulator';
import { SimulatedWorld } from 'demikernel/stack';
import { Histogram } from '../histogram.ts';
import { SimulatedSwitch } from '../testbed/simulated-switch.ts';

const VIRTUAL_ADDRESS = 0x0a000064;
const VIRTUAL = '10.0.0.100:80';
const SWITCH_ADDRESS = 0x0a0000fe;
const HEADER_KEY: Uint8Array = new Uint8Array(16).fill(1);
const FLEET_KEY: Uint8Array = new Uint8Array(32).fill(2);
const REQUEST_BYTES = 64;
const REPLY_BYTES = 8;
const SERVICE_US = 100;
const BACKENDS = 4;
const CONNECTIONS = 64;
const TICK_US = 10_000;
/** Loads follow the switch's counters with this part per tick. */
const SMOOTHING = 0.2;
/** Of a backend's capacity. All of them together: 2.4 of 4. */
const HOT_LOAD = 1.2;
const OTHER_LOAD = (0.6 * BACKENDS - HOT_LOAD) / (BACKENDS - 1);
const EVEN_LOAD = 0.6;
/** What the hottest connection has of the hot backend's load. */
const HOTTEST_PART = 0.4;
/** Of a scenario without answers: what has not come back by then is counted by its age. */
const FIRST_PART = 0.1;

export interface FleetOptions {
  seed: number;
  durationUs: number;
  migrating: boolean;
  /** When the hot backend becomes so: at once, or in the middle. */
  hotFromUs: number;
}

export interface FleetResult {
  latencies: Histogram;
  requests: number;
  moved: number;
  stayed: number;
  /** Moves of the connection that was moved most, and of the hottest one. */
  mostMoves: number;
  hottestMoves: number;
  /** Moves in the last third: of a fleet that should be at rest. */
  lateMoves: number;
}

/** A connection as its server sees it: requests that wait, and a part of one. */
class Session {
  readonly qd: number;
  bytes: Uint8Array;

  constructor(qd: number, bytes: Uint8Array) {
    this.qd = qd;
    this.bytes = bytes;
  }
}

/** One request after the other, in the order in which they came. */
class Server {
  readonly os: Demikernel;
  readonly agent: MigrationAgent;
  readonly sessions: Map<number, Session> = new Map();
  readonly #set: WaitSet;
  readonly #queue: Session[] = [];
  readonly #world: SimulatedWorld;
  readonly #accept: { token: number; listener: number };
  #busy: Session | undefined = undefined;
  #untilUs = 0;

  constructor(world: SimulatedWorld, balancer: SimulatedSwitch, id: number) {
    this.#world = world;
    this.os = openSimulated(world, `10.0.0.${10 + id}/24`, { virtualAddresses: [VIRTUAL_ADDRESS] });
    const host = world.hosts.at(-1)!;
    host.stack.arp.addPermanent(SWITCH_ADDRESS, balancer.backendMac);
    balancer.addBackend(id, host.device.macAddress, host.address);
    this.#set = this.os.waitSet();
    const listener = this.os.socket('stream');
    this.os.bind(listener, VIRTUAL);
    this.os.listen(listener);
    this.#accept = { token: this.os.accept(listener), listener };
    this.agent = new MigrationAgent({
      os: this.os,
      self: id,
      address: host.address,
      switchAddress: SWITCH_ADDRESS,
      addressOf: backend => 0x0a00000a + backend,
      headerKey: HEADER_KEY,
      fleetKey: FLEET_KEY,
      random: new SeededRandom(world.seed * 100 + id),
    });
    this.agent.serve(listener, { arrived: ({ qd, saved }) => this.#begin(qd, saved) });
    host.afterPoll = () => this.#turn();
    // A server that is busy wakes up by itself when it is through.
    const stackNextUs = host.untilNextUs.bind(host);
    host.untilNextUs = () =>
      Math.min(stackNextUs(), this.#busy === undefined ? Infinity : Math.max(0, this.#untilUs - world.nowUs));
  }

  #begin(qd: number, saved: Uint8Array): void {
    const session = new Session(qd, saved);
    const { port } = this.os.getpeername(qd);
    this.sessions.set(port, session);
    this.agent.migratable(qd, {
      // What it has been asked and has not answered goes along, begun or not.
      save: () => {
        this.#forget(session);
        return session.bytes;
      },
      stayed: () => this.#queueUp(session, session.bytes.length),
      left: () => {
        this.sessions.delete(port);
        this.os.close(qd);
      },
    });
    this.#queueUp(session, saved.length);
    this.#set.add(this.os.pop(qd));
  }

  #forget(session: Session): void {
    for (let i = this.#queue.length - 1; i >= 0; i--)
      if (this.#queue[i] === session) this.#queue.splice(i, 1);
    if (this.#busy === session) this.#busy = undefined;
  }

  /** @param fresh bytes that are new */
  #queueUp(session: Session, fresh: number): void {
    const before = Math.floor((session.bytes.length - fresh) / REQUEST_BYTES);
    const now = Math.floor(session.bytes.length / REQUEST_BYTES);
    for (let i = before; i < now; i++) this.#queue.push(session);
  }

  #turn(): number {
    const { os } = this;
    let work = 0;
    if (os.isComplete(this.#accept.token)) {
      work++;
      this.#begin(os.wait(this.#accept.token)!.acceptedQd, new Uint8Array(0));
      this.#accept.token = os.accept(this.#accept.listener);
    }
    for (let result = this.#set.take(); result !== undefined; result = this.#set.take()) {
      work++;
      if (result.opcode !== OP_POP || result.errno !== 0 || result.array === undefined) continue;
      const session = [...this.sessions.values()].find(each => each.qd === result!.qd);
      const bytes = result.array.toBytes();
      result.array.free();
      if (session === undefined || bytes.length === 0) continue;
      session.bytes = Buffer.concat([session.bytes, bytes]);
      this.#queueUp(session, bytes.length);
      this.#set.add(os.pop(session.qd));
    }
    return work + this.#work();
  }

  #work(): number {
    const { nowUs } = this.#world;
    let work = 0;
    const session = this.#busy;
    if (session !== undefined && nowUs >= this.#untilUs) {
      work++;
      this.#set.add(this.os.push(session.qd, session.bytes.slice(0, REPLY_BYTES)));
      session.bytes = session.bytes.slice(REQUEST_BYTES);
      this.#busy = undefined;
    }
    if (this.#busy === undefined && this.#queue.length > 0) {
      work++;
      this.#busy = this.#queue.shift()!;
      // Busy without a gap: what a turn takes is not the server's.
      this.#untilUs = Math.max(this.#untilUs, nowUs - 2) + SERVICE_US;
    }
    return work;
  }
}

interface Call {
  qd: number;
  port: number;
  /** Requests per µs. */
  rate: number;
  nextUs: number;
  replies: Uint8Array;
}

/** Runs one scenario. */
export function runFleet(options: FleetOptions): FleetResult {
  const { seed, durationUs, migrating, hotFromUs } = options;
  const world = new SimulatedWorld({ seed, link: { delayUs: 5 } });
  const balancer = new SimulatedSwitch(world, {
    virtualAddress: VIRTUAL_ADDRESS,
    virtualPort: 80,
    address: SWITCH_ADDRESS,
    headerKey: HEADER_KEY,
  });
  const servers = Array.from({ length: BACKENDS }, (_, id) => new Server(world, balancer, id));
  const client = openSimulated(world, '10.0.0.1/24');
  const clientHost = world.hosts.at(-1)!;
  clientHost.stack.arp.addPermanent(VIRTUAL_ADDRESS, balancer.clientMac);
  const calls: Call[] = [];
  for (let i = 0; i < CONNECTIONS; i++) {
    const qd = client.socket('stream');
    client.setsockopt(qd, 'noDelay', true);
    if (client.wait(client.connect(qd, VIRTUAL))!.errno !== 0) throw new Error('not connected');
    const { port } = client.getsockname(qd);
    calls.push({ qd, port, rate: 0, nextUs: 0, replies: new Uint8Array(0) });
  }
  world.runFor(10_000);
  const startUs = world.nowUs;
  const random = new SeededRandom(seed + 1);
  const gap = (rate: number): number => -Math.log(1 - random.below(2 ** 30) / 2 ** 30) / rate;
  const hot = servers[0]!.sessions;
  const hottest = calls.find(each => hot.has(each.port))!;
  const homes = new Map(
    calls.map(each => [each, servers.findIndex(({ sessions }) => sessions.has(each.port))]),
  );
  const sizes = servers.map(({ sessions }) => sessions.size);
  const setRates = (skewed: boolean): void => {
    for (const call of calls) {
      const home = homes.get(call)!;
      const load = !skewed ? EVEN_LOAD : home === 0 ? HOT_LOAD : OTHER_LOAD;
      const others = sizes[home]! - (home === 0 && skewed ? 1 : 0);
      const shared = home === 0 && skewed ? load * (1 - HOTTEST_PART) : load;
      call.rate = (call === hottest && skewed ? load * HOTTEST_PART : shared / others) / SERVICE_US;
      call.nextUs = world.nowUs + gap(call.rate);
    }
  };
  setRates(hotFromUs === 0);
  let skewed = hotFromUs === 0;
  const latencies = new Histogram();
  let [requests, answered] = [0, 0];
  const set = client.waitSet();
  for (const { qd } of calls) set.add(client.pop(qd));
  const byQd = new Map(calls.map(call => [call.qd, call]));
  const endUs = startUs + durationUs;
  const countFromUs = startUs + durationUs * FIRST_PART;
  const request = new Uint8Array(REQUEST_BYTES);
  const requestView = new DataView(request.buffer);
  clientHost.afterPoll = () => {
    let work = 0;
    const { nowUs } = world;
    for (let result = set.take(); result !== undefined; result = set.take()) {
      work++;
      if (result.errno !== 0) throw new Error(`a connection has failed: errno ${result.errno}`);
      if (result.opcode !== OP_POP) continue;
      const call = byQd.get(result.qd)!;
      call.replies = Buffer.concat([call.replies, result.array!.toBytes()]);
      result.array!.free();
      const { replies } = call;
      const view = new DataView(replies.buffer, replies.byteOffset, replies.byteLength);
      let at = 0;
      for (; at + REPLY_BYTES <= replies.length; at += REPLY_BYTES) {
        const dueUs = view.getFloat64(at);
        answered++;
        if (dueUs >= countFromUs) latencies.record((nowUs - dueUs) * 1000);
      }
      call.replies = replies.slice(at);
      set.add(client.pop(call.qd));
    }
    for (const call of calls) {
      for (; call.nextUs <= nowUs && call.nextUs < endUs; call.nextUs += gap(call.rate)) {
        work++;
        requests++;
        requestView.setFloat64(0, call.nextUs);
        set.add(client.push(call.qd, request.slice()));
      }
    }
    return work;
  };
  const clientNextUs = clientHost.untilNextUs.bind(clientHost);
  clientHost.untilNextUs = () => {
    let nextUs = clientNextUs();
    for (const call of calls)
      if (call.nextUs < endUs) nextUs = Math.min(nextUs, Math.max(0, call.nextUs - world.nowUs));
    return nextUs;
  };
  const policy = new Policy({ coolDownUs: 100_000 });
  const meter = { packets: new Map<number, number>(), rate: new Map<number, number>() };
  const times = new Map<number, number>();
  const counted = { moved: 0, stayed: 0, late: 0 };
  const carryOut = (move: Move, port: number): void => {
    const { agent, sessions } = servers[move.from]!;
    const session = sessions.get(port);
    policy.started(move, world.nowUs);
    const begun =
      session !== undefined &&
      agent.move(session.qd, move.to, outcome => {
        if (outcome !== 'moved') {
          counted.stayed++;
          policy.refused(move.connection, world.nowUs);
          return;
        }
        counted.moved++;
        times.set(port, (times.get(port) ?? 0) + 1);
        if (world.nowUs > endUs - durationUs / 3) counted.late++;
      });
    if (!begun) policy.refused(move.connection, world.nowUs);
  };
  const tick = (): void => {
    const connections: { id: number; backend: number; load: number }[] = [];
    const ports = new Map<number, number>();
    const loads = new Float64Array(BACKENDS);
    balancer.forEachFlow((flow, slot) => {
      const before = meter.rate.get(slot) ?? 0;
      const fresh = flow.packets - (meter.packets.get(slot) ?? flow.packets);
      const load = before + (fresh - before) * SMOOTHING;
      meter.packets.set(slot, flow.packets);
      meter.rate.set(slot, load);
      loads[flow.owner] = loads[flow.owner]! + load;
      ports.set(slot, flow.clientPort);
      if (flow.target === undefined) connections.push({ id: slot, backend: flow.owner, load });
    });
    const backends = Array.from(loads, (load, id) => ({
      id,
      accepting: true,
      draining: false,
      weight: 1,
      load,
    }));
    for (const move of policy.plan({ backends, connections }, world.nowUs).moves)
      carryOut(move, ports.get(move.connection)!);
  };
  for (let atUs = startUs; atUs < endUs; atUs += TICK_US) {
    if (!skewed && atUs >= startUs + hotFromUs) {
      skewed = true;
      setRates(true);
    }
    world.run(atUs + TICK_US);
    if (migrating) tick();
  }
  // What was asked is answered in the end, and counts.
  if (!world.run(() => answered === requests))
    throw new Error(`${requests - answered} requests without an answer`);
  world.close();
  return {
    latencies,
    requests,
    moved: counted.moved,
    stayed: counted.stayed,
    mostMoves: Math.max(0, ...times.values()),
    hottestMoves: times.get(hottest.port) ?? 0,
    lateMoves: counted.late,
  };
}
