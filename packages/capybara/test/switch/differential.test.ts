// The switch's program in the kernel against its model: the same frame out, the same action and the same memory after
// each of many random frames, connections and messages among them. DEMI_SWITCH_FRAMES sets how many, DEMI_SEED the seed.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DevMap, MappedArray, Program, passAll, XDP_DROP } from '@demikernel/ebpf';
import { FlowTable } from '../../src/switch/flows.ts';
import * as L from '../../src/switch/layout.ts';
import { DROP, REDIRECT, SwitchModel } from '../../src/switch/model.ts';
import { switchCode } from '../../src/switch/program.ts';
import { type BackendState, SwitchTables } from '../../src/switch/tables.ts';
import * as H from '../../src/tcpmig/header.ts';
import { Chance, type Connection, FrameWriter, headerMac } from './frames.ts';

const FRAMES = Number(process.env['DEMI_SWITCH_FRAMES'] ?? 200_000);
const SEED = Number(process.env['DEMI_SEED'] ?? Date.now() & 0x7fff_ffff);
/** One block of counters for all CPUs: the test may be moved from one to another. */
const GEOMETRY: L.Geometry = { buckets: 8, cpus: 1 };
const ROLES: readonly L.PortRole[] = ['client', 'backend', 'both'];
/** Port that nothing is attached to. */
const EMPTY_PORT = 3;
const LOOPBACK_IFINDEX = 1;

const SWITCH_ADDRESS = 0x0a01_0001;
const VIRTUAL = [0x0a02_0001, 0x0a02_0002];
const SERVED = [80, 443];
const BACKENDS = 6;
const BOOT = 0x7e57_b007;
const HEADER_KEY = new Uint8Array(16).map((_, i) => i * 7 + 1);
const HASH_KEY = new Uint8Array(16).map((_, i) => i * 11 + 3);
const CLIENT_MAC = Uint8Array.of(2, 0, 0, 0, 0, 0xcc);
const PORT_MACS = ROLES.map((_, port) => Uint8Array.of(2, 0, 0, 0, 1, port));
const backendMac = (id: number): Uint8Array => Uint8Array.of(2, 0, 0, 0, 2, id);
const backendAddress = (id: number): number => 0x0a01_0100 + id;

function refusal(): string | undefined {
  try {
    passAll().close();
    return undefined;
  } catch (error) {
    return `bpf(2) is not allowed here: ${(error as Error).message}`;
  }
}

/** What is done to both memories at once, or to one of them. */
function configure(tables: SwitchTables): void {
  tables.setSecrets(HEADER_KEY, HASH_KEY);
  tables.switchAddress = SWITCH_ADDRESS;
  tables.boot = BOOT;
  for (let port = 0; port < ROLES.length; port++) tables.setPort(port, PORT_MACS[port]!);
  for (const address of VIRTUAL) for (const port of SERVED) tables.addService(address, port);
  for (let id = 0; id < BACKENDS; id++) addBackend(tables, id);
}

function addBackend(tables: SwitchTables, id: number): void {
  tables.setBackend(id, {
    macAddress: backendMac(id),
    address: backendAddress(id),
    port: id === 4 ? undefined : id === 5 ? EMPTY_PORT : 1,
    sourceMacAddress: PORT_MACS[1]!,
    weight: 1 + (id % 3),
  });
}

/** Random frames and random operators' acts. */
class Traffic {
  readonly writer: FrameWriter;
  /** Where the last frame comes in. */
  port: number;
  readonly #random: Chance;
  readonly #header: H.MigrationHeader;
  readonly #mac: H.HeaderMac;
  readonly #wrongMac: H.HeaderMac;
  readonly #flows: FlowTable;

  constructor(random: Chance, flows: FlowTable) {
    this.writer = new FrameWriter();
    this.port = 0;
    this.#random = random;
    this.#flows = flows;
    this.#header = new H.MigrationHeader();
    this.#mac = headerMac(HEADER_KEY);
    this.#wrongMac = headerMac(HASH_KEY);
  }

  /** The next frame, in `writer.bytes`: its length. */
  next(): number {
    const r = this.#random;
    const kind = r.below(100);
    const fromBackend = kind >= 40 && kind < 85;
    this.port = r.below(10) === 0 ? r.below(3) : r.below(3) === 0 ? 2 : fromBackend ? 1 : 0;
    let length: number;
    if (kind < 40) length = this.#segment();
    else if (kind < 55) length = this.#reply();
    else if (kind < 85) length = this.#message();
    else if (kind < 90) length = this.#icmp();
    else if (kind < 94) length = this.#arp();
    else length = this.#noise();
    if (r.below(12) === 0) this.writer.bytes[r.below(Math.min(length + 1, 64))]! ^= 1 << r.below(8);
    if (r.below(20) === 0) length = 14 + r.below(length - 13);
    return length;
  }

  /** Something an operator, the control plane or time does to the tables. */
  act(all: readonly SwitchTables[], flows: readonly FlowTable[]): void {
    const r = this.#random;
    const id = r.below(BACKENDS);
    const kind = r.below(12);
    const policy = r.pick(['maglev', 'leastLoaded', 'roundRobin'] as const);
    const state = r.pick<BackendState>(['active', 'active', 'active', 'draining', 'down']);
    const now = r.below(1 << 20);
    const weight = r.pick([0.5, 1, 2, 3]);
    const port = r.pick([0, 1, undefined]);
    const coin = r.below(4) === 0;
    const connections = r.below(20);
    for (const [i, tables] of all.entries()) {
      if (kind === 0) tables.policy = policy;
      else if (kind < 4 && tables.backendState(id) !== undefined) tables.setBackendState(id, state);
      else if (kind === 4) tables.setWeight(id, weight);
      else if (kind === 5) tables.learning = coin;
      else if (kind === 6) tables.fence = !coin;
      else if (kind === 7) tables.nowMs = now;
      else if (kind === 8) tables.uplink = port;
      else if (kind === 9) tables.setReportedLoad(id, connections);
      else if (kind === 10 && coin) tables.removeBackend(id);
      else if (kind === 10) addBackend(tables, id);
      else if (kind === 11)
        flows[i]!.sweep({ closedMs: 100, closingMs: 1000, embryonicMs: 50, establishedMs: 5000 });
    }
  }

  #connection(): Connection {
    const r = this.#random;
    return {
      clientAddress: 0x0a03_0001 + r.below(5),
      clientPort: 1000 + r.below(5),
      virtualAddress: r.pick(VIRTUAL),
      virtualPort: r.below(30) === 0 ? 8080 : r.pick(SERVED),
    };
  }

  #segment(): number {
    const r = this.#random;
    const c = this.#connection();
    if (r.below(60) === 0) c.clientAddress = c.virtualAddress;
    this.writer.ethernet(r.pick(PORT_MACS), CLIENT_MAC, 0x0800);
    return this.writer.tcp(c, this.#flags(), r.below(40), false, r.below(10) === 0 ? 4 * r.below(11) : 0);
  }

  #flags(): number {
    const r = this.#random;
    return r.below(20) === 0 ? r.below(256) : r.pick([2, 2, 16, 16, 24, 17, 4, 20, 18]);
  }

  #reply(): number {
    const r = this.#random;
    const c = this.#connection();
    const owner = this.#flows.find(c)?.owner ?? 0;
    const from = r.below(5) === 0 ? r.below(BACKENDS) : owner;
    this.writer.ethernet(r.below(8) === 0 ? PORT_MACS[1]! : CLIENT_MAC, backendMac(from), 0x0800);
    return this.writer.tcp(c, this.#flags(), r.below(60), true);
  }

  #icmp(): number {
    const r = this.#random;
    this.writer.ethernet(PORT_MACS[0]!, CLIENT_MAC, 0x0800);
    const type = r.below(4) === 0 ? r.below(256) : r.pick([3, 4, 11, 12, 8]);
    return this.writer.icmpError(this.#connection(), type, 0x0a04_0001);
  }

  #arp(): number {
    const r = this.#random;
    this.writer.ethernet(new Uint8Array(6).fill(255), CLIENT_MAC, 0x0806);
    const target = r.below(4) === 0 ? r.below(2) : r.pick(VIRTUAL);
    const sender = r.below(8) === 0 ? target : 0x0a03_0001;
    return this.writer.arp(r.below(6) === 0 ? r.below(4) : 1, CLIENT_MAC, sender, target);
  }

  #noise(): number {
    const r = this.#random;
    const length = 14 + r.below(150);
    for (let i = 0; i < length; i++) this.writer.bytes[i] = r.below(256);
    this.writer.view.setUint16(12, r.pick([0x0800, 0x0800, 0x8100, 0x88a8, r.below(65_536)]));
    if (r.below(2) === 0) this.writer.view.setUint16(14, r.below(16) << 12);
    return length;
  }

  #message(): number {
    const r = this.#random;
    const c = this.#connection();
    const flow = this.#flows.find(c);
    const h = this.#header;
    Object.assign(h, c);
    // Mostly what could follow from the entry as it is; sometimes anything.
    const origin = flow === undefined || r.below(8) === 0 ? r.below(BACKENDS + 1) : flow.owner;
    const target = flow?.target === undefined || r.below(8) === 0 ? r.below(BACKENDS + 1) : flow.target;
    h.stage = r.below(12) === 0 ? r.below(17) : 1 + r.below(H.LAST_STAGE);
    if (r.below(2) === 0)
      h.stage = flow?.target === undefined ? r.pick([H.PREPARE, H.PREPARE_ACK]) : H.COMMIT;
    h.origin = r.below(40) === 0 ? r.below(65_536) : origin;
    h.target = r.below(8) === 0 ? H.ANY_BACKEND : target;
    h.epoch = (flow?.epoch ?? 0) + (r.below(6) === 0 ? r.below(5) - 2 : 0);
    h.sender = senderOf(h, r);
    h.boot = r.below(15) === 0 ? r.below(1 << 30) : BOOT;
    h.flags = r.below(4);
    h.verdict = r.below(4);
    h.identifierLow = r.below(1 << 30);
    h.payloadBytes = r.below(4) === 0 ? r.below(60) : 0;
    h.entryEpoch = r.below(1000);
    const from = r.below(15) === 0 ? r.below(BACKENDS) : h.sender & 7;
    this.writer.ethernet(PORT_MACS[1]!, backendMac(from), 0x0800);
    const to = r.below(15) === 0 ? backendAddress(0) : SWITCH_ADDRESS;
    const mac = r.below(15) === 0 ? this.#wrongMac : this.#mac;
    const length = this.writer.control(h, mac, backendAddress(from), to);
    if (r.below(20) === 0) {
      // A little more or less payload than there is.
      this.writer.view.setUint16(42 + H.AT_PAYLOAD_BYTES, h.payloadBytes + r.below(3), true);
      this.#mac.sign(this.writer.view, 42);
    }
    return length;
  }
}

function senderOf(h: H.MigrationHeader, random: Chance): number {
  if (random.below(20) === 0) return random.below(BACKENDS + 2);
  if (h.stage === H.PREPARE || h.stage === H.STATE || h.stage === H.CLAIM_BACK) return h.origin;
  if (h.stage === H.RELEARN || h.stage === H.QUERY || h.stage === H.ABORT)
    return random.pick([h.origin, h.target]);
  return h.target;
}

test(`program and model agree on ${FRAMES} frames`, { skip: refusal() }, t => {
  t.diagnostic(`DEMI_SEED=${SEED}`);
  {
    using memory = new MappedArray({
      name: 'demi_switch',
      maxEntries: 1,
      valueBytes: L.memoryBytes(GEOMETRY),
    });
    using devices = new DevMap({ name: 'demi_ports', maxEntries: L.MAX_PORTS });
    for (let port = 0; port < ROLES.length; port++) devices.update(port, LOOPBACK_IFINDEX);
    const programs = ROLES.map(
      (role, port) =>
        new Program({
          name: 'demi_switch',
          code: switchCode({ port, role, geometry: GEOMETRY, memory, devices }),
        }),
    );
    const kernel = new SwitchTables(GEOMETRY, memory.buffer);
    const mine = new SwitchTables(GEOMETRY);
    configure(kernel);
    configure(mine);
    const flows = [new FlowTable(kernel), new FlowTable(mine)];
    const model = new SwitchModel({ tables: mine, roles: ROLES });
    const random = new Chance(SEED);
    const traffic = new Traffic(random, flows[1]!);
    const { bytes } = traffic.writer;
    const frame = new Uint8Array(512);
    const view = new DataView(frame.buffer);
    const out = new Uint8Array(1024);
    const size = L.memoryBytes(GEOMETRY);
    const [x, y] = [Buffer.from(kernel.buffer, 0, size), Buffer.from(mine.buffer, 0, size)];
    assert.ok(x.equals(y));
    // What packets change; the rest is compared now and then.
    const live = [
      [0, L.AT_ACTIVE],
      [L.AT_COUNTERS, size],
    ] as const;
    for (let n = 0; n < FRAMES; n++) {
      if (random.below(40) === 0) traffic.act([kernel, mine], flows);
      const length = traffic.next();
      const { port } = traffic;
      frame.set(bytes);
      const got = programs[port]!.testRun(bytes.subarray(0, length), { out });
      let want = model.receive(port, view, 0, length);
      if (want === REDIRECT && model.outPort >= ROLES.length) want = DROP;
      const same =
        got.action === want &&
        got.lengthBytes === length &&
        Buffer.compare(out.subarray(0, length), frame.subarray(0, length)) === 0 &&
        (n % 64 === 0 ? x.equals(y) : live.every(([from, to]) => x.compare(y, from, to, from, to) === 0));
      if (!same) {
        const hex = Buffer.from(bytes.subarray(0, length)).toString('hex');
        assert.fail(
          `seed ${SEED}, frame ${n}, port ${port}: want ${want} by ${L.SWITCH_PATHS[model.path]}, got ${got.action}; ` +
            `first difference in memory at ${x.findIndex((byte, i) => byte !== y[i])}\n in ${hex}\n` +
            `out ${Buffer.from(out.subarray(0, length)).toString('hex')}\nwant ${Buffer.from(frame.subarray(0, length)).toString('hex')}`,
        );
      }
    }
    for (const program of programs) program.close();
    const counters = mine.readCounters();
    t.diagnostic(JSON.stringify(counters));
    assert.equal(XDP_DROP, DROP);
    for (const path of L.SWITCH_PATHS) {
      // Two CPUs at once are another test's.
      if (path !== 'raced' && FRAMES >= 100_000) assert.ok(counters[path] > 0, `no frame took path ${path}`);
    }
  }
});
