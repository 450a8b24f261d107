// The switch's model as a host of a simulated world: one device towards the clients, one towards the backends. Nothing is lost in it.

import { FlowTable, REDIRECT, SwitchModel, SwitchTables, TRANSMIT } from '@demikernel/capybara';
import { heapRegion, SlotPool } from '@demikernel/memory';
import { Frame, ReceiveBurst, type SimulatedHost, type SimulatedWorld } from 'demikernel/stack';

const SLOT_BYTES = 2048;
const SLOTS = 2048;

export interface SimulatedSwitchOptions {
  virtualAddress: number;
  virtualPort: number;
  address: number;
  headerKey: Uint8Array;
}

export class SimulatedSwitch {
  readonly libos = { close: (): void => {} };
  readonly tables: SwitchTables;
  readonly flows: FlowTable;
  readonly #world: SimulatedWorld;
  readonly #model: SwitchModel;
  readonly #pool: SlotPool;
  readonly #devices: ReturnType<SimulatedWorld['wire']['attach']>[];
  readonly #burst: ReceiveBurst;
  readonly #frame: Frame;

  constructor(world: SimulatedWorld, options: SimulatedSwitchOptions) {
    this.#world = world;
    this.#pool = new SlotPool(heapRegion(SLOTS * SLOT_BYTES), { slotSizeBytes: SLOT_BYTES });
    this.#devices = [0, 1].map(port => world.wire.attach({ name: `switch${port}`, pool: this.#pool }));
    this.#burst = new ReceiveBurst();
    this.#frame = new Frame();
    this.tables = new SwitchTables({ buckets: 256, cpus: 1 });
    this.flows = new FlowTable(this.tables);
    this.#model = new SwitchModel({ tables: this.tables, roles: ['client', 'backend'] });
    this.tables.switchAddress = options.address;
    this.tables.policy = 'roundRobin';
    this.tables.setSecrets(options.headerKey, new Uint8Array(16));
    this.tables.setPort(0, this.clientMac);
    this.tables.setPort(1, this.backendMac);
    this.tables.addService(options.virtualAddress, options.virtualPort);
    // The world turns it like a host of its own.
    world.hosts.push(this as unknown as SimulatedHost);
  }

  get clientMac(): Uint8Array {
    return this.#devices[0]!.macAddress;
  }

  get backendMac(): Uint8Array {
    return this.#devices[1]!.macAddress;
  }

  addBackend(id: number, macAddress: Uint8Array, address: number): void {
    this.tables.setBackend(id, { macAddress, address, port: 1 });
  }

  poll(): number {
    this.tables.nowMs = Math.floor(this.#world.nowUs / 1000);
    let work = 0;
    for (let port = 0; port < 2; port++) {
      const count = this.#devices[port]!.receive(this.#burst);
      work += count;
      for (let i = 0; i < count; i++) this.#take(port, this.#burst.offset[i]!, this.#burst.length[i]!);
    }
    return work;
  }

  flush(): number {
    for (const device of this.#devices) device.flush();
    return 0;
  }

  untilNextUs(): number {
    return this.#devices.some(device => device.waiting > 0) ? 0 : Number.POSITIVE_INFINITY;
  }

  #take(port: number, offset: number, length: number): void {
    const action = this.#model.receive(port, this.#pool.region.view, offset, length);
    const out = action === REDIRECT ? this.#model.outPort : action === TRANSMIT ? port : -1;
    const device = this.#devices[out];
    if (device === undefined || device.transmitRoom() === 0) {
      this.#pool.release(offset >> this.#pool.slotShift);
      return;
    }
    this.#frame.clear();
    this.#frame.append(offset, length);
    device.transmit(this.#frame);
  }
}
