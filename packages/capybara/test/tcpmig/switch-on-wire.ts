// The switch's model on a simulated wire: one device towards the clients, one towards the backends. What it forgets at a restart,
// what a test does to single messages, and who the owner of each connection has been are here.

import { heapRegion, SlotPool } from '@demikernel/memory';
import { Frame, ReceiveBurst, SeededRandom, type SimulatedHost, type SimulatedWorld } from 'demikernel/stack';
import { FlowTable } from '../../src/switch/flows.ts';
import { DROP, PASS, REDIRECT, SwitchModel, TRANSMIT } from '../../src/switch/model.ts';
import { SwitchTables } from '../../src/switch/tables.ts';
import { type FlowName, flowKey } from '../../src/tcpmig/flow.ts';
import {
  AT_CLIENT_ADDRESS,
  AT_CLIENT_PORT,
  AT_STAGE,
  AT_VIRTUAL_ADDRESS,
  AT_VIRTUAL_PORT,
  MIGRATION_PORT,
} from '../../src/tcpmig/header.ts';

const GEOMETRY = { buckets: 16, cpus: 1 };
const MESSAGE = 42;
const SLOT_BYTES = 2048;
const MAX_OVERHEARD = 256;

export interface SwitchBackend {
  id: number;
  macAddress: Uint8Array;
  address: number;
}

export interface SwitchOnWireOptions {
  virtualAddress: number;
  virtualPort: number;
  address: number;
  headerKey: Uint8Array;
}

/** Who owns a connection, remembered through the switch's restarts. */
export interface Ghost {
  owner: number;
  epoch: number;
}

/** What to do with one message: it passes, is dropped, or passes twice. */
export type MessageFate = 'pass' | 'drop' | 'twice';

// Filling the tables of choice takes longer than many a schedule: made once, copied for each.
let template: ArrayBuffer | undefined;

/** Looks like a host to the world. */
export class SwitchOnWire {
  readonly ghosts: Map<string, Ghost>;
  tables: SwitchTables;
  /** Called for each message of a backend, before the switch sees it. */
  onMessage: ((stage: number, flow: FlowName) => MessageFate) | undefined;
  /** Called when a connection has a new owner. */
  onOwner: ((flow: FlowName, owner: number) => void) | undefined;
  /** Messages that have passed, as they came: to be sent again by somebody who listens. */
  readonly overheard: Uint8Array[];
  private readonly world: SimulatedWorld;
  private readonly options: SwitchOnWireOptions;
  private readonly pool: SlotPool;
  private readonly devices: ReturnType<SimulatedWorld['wire']['attach']>[];
  private readonly burst: ReceiveBurst;
  private readonly frame: Frame;
  private readonly backends: SwitchBackend[];
  private readonly down: Set<number>;
  private boot: number;
  private model: SwitchModel;
  private flows: FlowTable;

  constructor(world: SimulatedWorld, options: SwitchOnWireOptions) {
    this.ghosts = new Map();
    this.onMessage = undefined;
    this.onOwner = undefined;
    this.overheard = [];
    this.world = world;
    this.options = options;
    this.pool = new SlotPool(heapRegion(512 * SLOT_BYTES), { slotSizeBytes: SLOT_BYTES });
    this.devices = [0, 1].map(port => world.wire.attach({ name: `switch${port}`, pool: this.pool }));
    this.burst = new ReceiveBurst();
    this.frame = new Frame();
    this.backends = [];
    this.down = new Set();
    this.boot = 1;
    this.tables = new SwitchTables(GEOMETRY);
    this.flows = new FlowTable(this.tables);
    this.model = new SwitchModel({ tables: this.tables, roles: ['client', 'backend'] });
    world.hosts.push(this as unknown as SimulatedHost);
  }

  get clientMac(): Uint8Array {
    return this.devices[0]!.macAddress;
  }

  get backendMac(): Uint8Array {
    return this.devices[1]!.macAddress;
  }

  /** Begins with these backends. */
  configure(backends: readonly SwitchBackend[]): void {
    this.backends.push(...backends);
    if (template === undefined) {
      this.fill(new SwitchTables(GEOMETRY));
      template = this.tables.buffer.slice(0);
    } else this.fill(new SwitchTables(GEOMETRY, template.slice(0)), true);
  }

  private fill(tables: SwitchTables, copied = false): void {
    this.tables = tables;
    this.flows = new FlowTable(tables);
    this.model = new SwitchModel({ tables, roles: ['client', 'backend'] });
    tables.switchAddress = this.options.address;
    tables.boot = this.boot;
    if (copied) return;
    tables.setSecrets(this.options.headerKey, new Uint8Array(16));
    tables.setPort(0, this.clientMac);
    tables.setPort(1, this.backendMac);
    tables.addService(this.options.virtualAddress, this.options.virtualPort);
    for (const { id, macAddress, address } of this.backends) {
      tables.setBackend(id, { macAddress, address, port: 1 });
    }
  }

  /** Everything is forgotten, and nobody knows anything until `learned`. */
  restart(): void {
    this.boot = Math.imul(this.boot + 1, 0x9e3779b1) | 1;
    this.fill(new SwitchTables(GEOMETRY, template!.slice(0)), true);
    for (const id of this.down) this.tables.setBackendState(id, 'down');
    this.tables.learning = true;
  }

  learned(): void {
    this.tables.learning = false;
  }

  markDown(id: number): void {
    this.down.add(id);
    this.tables.setBackendState(id, 'down');
  }

  isDown(id: number): boolean {
    return this.down.has(id);
  }

  poll(): number {
    this.tables.nowMs = Math.floor(this.world.nowUs / 1000);
    let work = 0;
    for (let port = 0; port < 2; port++) {
      const count = this.devices[port]!.receive(this.burst);
      work += count;
      for (let i = 0; i < count; i++) this.take(port, this.burst.offset[i]!, this.burst.length[i]!);
    }
    return work;
  }

  flush(): number {
    for (const device of this.devices) device.flush();
    return 0;
  }

  untilNextUs(): number {
    return this.devices.some(device => device.waiting > 0) ? 0 : Number.POSITIVE_INFINITY;
  }

  readonly libos = { close: (): void => {} };

  private take(port: number, offset: number, length: number): void {
    const { view, bytes } = this.pool.region;
    const flow = this.flowOf(view, offset, length);
    const isMessage =
      port === 1 && view.getUint16(offset + 36) === MIGRATION_PORT && view.getUint8(offset + 23) === 17;
    let fate: MessageFate = 'pass';
    if (isMessage && flow !== undefined)
      fate = this.onMessage?.(view.getUint8(offset + MESSAGE + AT_STAGE), flow) ?? 'pass';
    if (isMessage && this.overheard.length < MAX_OVERHEARD) {
      this.overheard.push(bytes.slice(offset, offset + length));
    }
    if (fate === 'drop') {
      this.pool.release(offset >> this.pool.slotShift);
      return;
    }
    const again = fate === 'twice' ? this.pool.allocReserved() : -1;
    if (again >= 0) bytes.copyWithin(this.pool.slotOffset(again), offset, offset + length);
    this.switch(port, offset, length, flow);
    if (again >= 0) this.switch(port, this.pool.slotOffset(again), length, flow);
  }

  /** Somebody sends a frame to the backends' side of the switch. */
  inject(frame: Uint8Array): void {
    const slot = this.pool.allocReserved();
    if (slot < 0) return;
    const offset = this.pool.slotOffset(slot);
    this.pool.region.bytes.set(frame, offset);
    this.take(1, offset, frame.length);
  }

  private flowOf(view: DataView, offset: number, length: number): FlowName | undefined {
    if (length < MESSAGE + 20 || view.getUint16(offset + 12) !== 0x0800) return undefined;
    const protocol = view.getUint8(offset + 23);
    if (protocol === 17 && length >= MESSAGE + 64) {
      const at = offset + MESSAGE;
      return {
        clientAddress: view.getInt32(at + AT_CLIENT_ADDRESS),
        virtualAddress: view.getInt32(at + AT_VIRTUAL_ADDRESS),
        clientPort: view.getUint16(at + AT_CLIENT_PORT),
        virtualPort: view.getUint16(at + AT_VIRTUAL_PORT),
      };
    }
    if (protocol !== 6) return undefined;
    return {
      clientAddress: view.getInt32(offset + 26),
      virtualAddress: view.getInt32(offset + 30),
      clientPort: view.getUint16(offset + 34),
      virtualPort: view.getUint16(offset + 36),
    };
  }

  private switch(port: number, offset: number, length: number, flow: FlowName | undefined): void {
    const action = this.model.receive(port, this.pool.region.view, offset, length);
    if (flow !== undefined) this.observe(flow);
    const out =
      action === REDIRECT
        ? this.devices[this.model.outPort]
        : action === TRANSMIT
          ? this.devices[port]
          : undefined;
    if (out === undefined || out.transmitRoom() === 0) {
      if (action !== DROP && action !== PASS && out === undefined)
        throw new Error(`no port ${this.model.outPort}`);
      this.pool.release(offset >> this.pool.slotShift);
      return;
    }
    const { frame } = this;
    frame.clear();
    frame.append(offset, length);
    out.transmit(frame);
  }

  private observe(flow: FlowName): void {
    const entry = this.flows.find(flow);
    if (entry === undefined) return;
    const key = flowKey(flow);
    const ghost = this.ghosts.get(key);
    if (ghost !== undefined && ghost.owner === entry.owner && ghost.epoch === entry.epoch) return;
    this.ghosts.set(key, { owner: entry.owner, epoch: entry.epoch });
    this.onOwner?.(flow, entry.owner);
  }

  /** The entry of a connection, as the table has it. */
  entry(flow: FlowName): ReturnType<FlowTable['find']> {
    return this.flows.find(flow);
  }
}

/** 16 bytes from a seed. */
export function keyOf(seed: number, bytes: number): Uint8Array {
  const random = new SeededRandom(seed);
  return Uint8Array.from({ length: bytes }, () => random.below(256));
}
