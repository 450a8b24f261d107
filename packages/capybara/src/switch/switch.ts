// The switch on real devices: programs, maps, links, and the clock that ages its flows. Everything it has in the kernel
// hangs on descriptors of this process and goes with it, however it ends. The logic is in the programs; see program.ts.

import { randomInt } from 'node:crypto';
import { DevMap, MappedArray, PROGRAM_XDP_HAS_FRAGS, Program, possibleCpus, XdpLink } from '@demikernel/ebpf';
import { DemiError } from '@demikernel/memory';
import { getLink, NetlinkSocket, parseIpAddress, parseMacAddress } from '@demikernel/native/kernel';
import { DEFAULT_TIMEOUTS, FlowTable, type FlowTimeouts } from './flows.ts';
import * as L from './layout.ts';
import { switchCode } from './program.ts';
import { type BackendCounters, type BackendState, type SwitchPolicy, SwitchTables } from './tables.ts';

const ERR_ARGUMENT = 'ERR_DEMI_ARGUMENT';
const KEY_BYTES = 16;
const TICK_MS = 250;
/** Ticks in which the whole flow table is swept once. */
const TICKS_A_SWEEP = 8;
/** Entries for each connection expected: buckets then seldom overflow. */
const ROOM = 2;

/** One interface of the switch. */
export interface SwitchPort {
  /** Its name, in the calling thread's network namespace. */
  interface: string;
  /**
   * `client`: control messages are dropped there. `backend`: they are obeyed, if their MAC is right. `both`: clients and
   * backends on one interface; then the MAC alone keeps clients from giving orders.
   */
  role: L.PortRole;
}

export interface SwitchOptions {
  /** 1 to 64 interfaces. */
  ports: readonly SwitchPort[];
  /** 16 bytes: the fleet's key for the MAC of control messages. */
  headerKey: Uint8Array;
  /**
   * 16 bytes, secret and the same over restarts and on every switch of a fleet: connections that a switch does not know
   * then reach the same backend.
   */
  hashKey: Uint8Array;
  /** IPv4 address that backends send control messages to. The kernel, or nobody, may have it. */
  address: string;
  /** Connections at a time; 32768 by default, 262144 at most. Beyond it they are spread without entries, by Maglev. */
  connections?: number;
  policy?: SwitchPolicy;
  /**
   * Start as one that was restarted: drop packets of unknown connections until {@link Switch.learned}, for backends to
   * name theirs first. Off by default.
   */
  learning?: boolean;
  /** Frames for a backend must come from its MAC address. On by default. */
  fence?: boolean;
  timeouts?: Partial<FlowTimeouts>;
  /** How programs are attached; see `XdpLink`. */
  mode?: 'native' | 'generic' | 'best';
}

/** A backend, as an operator names it. */
export interface SwitchBackend {
  macAddress: string;
  /** The interface it is behind. */
  interface: string;
  /** Its own IPv4 address, for control messages. */
  address: string;
  weight?: number;
  state?: BackendState;
}

/**
 * A layer-4 load balancer in XDP: a virtual IP address to many backends, by MAC address alone.
 *
 * ```ts
 * const balancer = new Switch({
 *   ports: [{ interface: 'eth0', role: 'client' }, { interface: 'eth1', role: 'backend' }],
 *   headerKey, hashKey, address: '10.0.0.2', policy: 'leastLoaded',
 * });
 * balancer.addService('10.0.0.1', 443);
 * balancer.addBackend(0, { macAddress: '02:00:00:00:00:0a', interface: 'eth1', address: '10.0.0.10' });
 * ```
 *
 * Every backend has the virtual address on its loopback and keeps quiet about it (`arp_ignore` 1, `arp_announce` 2); the
 * switch answers for it. Replies go through the switch where backends are behind ports of their own: then it sees both
 * directions end, and silences who does not own a connection. Frames that are not the switch's business are the kernel's:
 * a bridge over the ports joins both sides. On veth pairs the hosts send whole checksums (`tx off`) and receive with GRO
 * or an XDP program of their own, or frames vanish.
 */
export class Switch {
  readonly tables: SwitchTables;
  readonly flows: FlowTable;
  readonly #memory: MappedArray;
  readonly #devices: DevMap;
  readonly #links: XdpLink[];
  readonly #ports: readonly SwitchPort[];
  readonly #timeouts: FlowTimeouts;
  readonly #timer: NodeJS.Timeout;
  #closed: boolean;

  /**
   * Loads the programs and attaches them in the calling thread's namespace.
   *
   * @throws DemiError `ERR_DEMI_ARGUMENT`, `ERR_DEMI_PERMISSION` without CAP_BPF and CAP_NET_ADMIN, `ERR_DEMI_EBPF_BUSY`
   *   for an interface that carries a program, `ERR_DEMI_SYSCALL`, ENODEV for an interface that is not there
   */
  constructor(options: SwitchOptions) {
    const { ports, connections = 32_768 } = options;
    if (ports.length < 1 || ports.length > L.MAX_PORTS)
      throw new DemiError(ERR_ARGUMENT, `a switch of ${ports.length} ports: want 1 to ${L.MAX_PORTS}`);
    if (options.headerKey.length !== KEY_BYTES || options.hashKey.length !== KEY_BYTES)
      throw new DemiError(ERR_ARGUMENT, `keys of a switch have ${KEY_BYTES} bytes`);
    const geometry: L.Geometry = {
      buckets: bucketsFor(connections),
      cpus: powerOfTwoFrom(possibleCpus()),
    };
    const address = ipv4Number(options.address);
    const opened: { close(): void }[] = [];
    const open = <T extends { close(): void }>(thing: T): T => {
      opened.push(thing);
      return thing;
    };
    this.#ports = [...ports];
    this.#timeouts = { ...DEFAULT_TIMEOUTS, ...options.timeouts };
    this.#links = [];
    this.#closed = false;
    try {
      this.#memory = open(
        new MappedArray({ name: 'demi_switch', maxEntries: 1, valueBytes: L.memoryBytes(geometry) }),
      );
      this.#devices = open(new DevMap({ name: 'demi_ports', maxEntries: L.MAX_PORTS }));
      this.tables = new SwitchTables(geometry, this.#memory.buffer);
      this.flows = new FlowTable(this.tables);
      this.tables.setSecrets(options.headerKey, options.hashKey);
      this.tables.switchAddress = address;
      this.tables.boot = randomInt(1, 2 ** 32) | 0;
      this.tables.policy = options.policy ?? 'maglev';
      this.tables.learning = options.learning ?? false;
      this.tables.fence = options.fence ?? true;
      const client = ports.findIndex(port => port.role === 'client');
      this.tables.uplink = client < 0 ? undefined : client;
      this.#attach(geometry, options.mode ?? 'best', open);
    } catch (error) {
      for (const thing of opened.reverse()) thing.close();
      throw error;
    }
    this.tick(Math.floor(performance.now()), 0);
    this.#timer = setInterval(
      () => this.tick(Math.floor(performance.now()), Math.ceil(this.flows.capacity / TICKS_A_SWEEP)),
      TICK_MS,
    );
    this.#timer.unref();
  }

  #attach(
    geometry: L.Geometry,
    mode: 'native' | 'generic' | 'best',
    open: <T extends { close(): void }>(thing: T) => T,
  ): void {
    const netlink = new NetlinkSocket();
    try {
      for (const [port, { interface: name, role }] of this.#ports.entries()) {
        const { index, macAddress } = getLink(netlink, name);
        this.tables.setPort(port, parseMacAddress(macAddress));
        this.#devices.update(port, index);
        const code = switchCode({ port, role, geometry, memory: this.#memory, devices: this.#devices });
        const program = new Program({ name: 'demi_switch', code, flags: PROGRAM_XDP_HAS_FRAGS });
        try {
          this.#links.push(open(new XdpLink({ program, ifindex: index, mode })));
        } finally {
          // The link keeps it.
          program.close();
        }
      }
    } finally {
      netlink.close();
    }
  }

  /** How each port's program was attached in the end. */
  get modes(): ('native' | 'generic')[] {
    return this.#links.map(link => link.mode);
  }

  /** Serves a TCP port of a virtual IPv4 address. */
  addService(address: string, port: number): void {
    this.#open();
    this.tables.addService(ipv4Number(address), port);
  }

  /** Returns whether it was served. */
  removeService(address: string, port: number): boolean {
    this.#open();
    return this.tables.removeService(ipv4Number(address), port);
  }

  /**
   * Adds or replaces backend `id`, 0 to 255: the number that control messages name.
   *
   * @throws DemiError `ERR_DEMI_ARGUMENT`, `ERR_DEMI_ADDRESS`
   */
  addBackend(id: number, backend: SwitchBackend): void {
    this.#open();
    const port = this.#ports.findIndex(each => each.interface === backend.interface);
    if (port < 0) throw new DemiError(ERR_ARGUMENT, `the switch has no port on ${backend.interface}`);
    const { role } = this.#ports[port]!;
    if (role === 'client')
      throw new DemiError(ERR_ARGUMENT, `${backend.interface} is a port of clients: no backend is behind it`);
    const at = L.AT_PORTS + port * L.PORT_BYTES;
    this.tables.setBackend(id, {
      macAddress: parseMacAddress(backend.macAddress),
      address: ipv4Number(backend.address),
      // On the only interface there is: back out of it.
      port: role === 'both' && this.#ports.length === 1 ? undefined : port,
      sourceMacAddress: this.tables.bytes.slice(at, at + 6),
      weight: backend.weight,
      state: backend.state,
    });
  }

  /** Takes backend `id` out; packets of connections it still owns go where they are reset. */
  removeBackend(id: number): void {
    this.#open();
    this.tables.removeBackend(id);
  }

  /** `draining`: nothing new for it; `down`: nothing at all; `active`: as before. Flows stay with it. */
  setState(id: number, state: BackendState): void {
    this.#open();
    this.tables.setBackendState(id, state);
  }

  setWeight(id: number, weight: number): void {
    this.#open();
    this.tables.setWeight(id, weight);
  }

  /** What backend `id` has and had. */
  readBackend(id: number): BackendCounters {
    return this.tables.readBackend(id);
  }

  /** Frames by the way they took. */
  readCounters(): Record<L.SwitchPath, number> {
    return this.tables.readCounters();
  }

  /** All backends that could have named their connections have: unknown ones go to the Maglev choice from now on. */
  learned(): void {
    this.#open();
    this.tables.learning = false;
  }

  /** Sets the clock and sweeps the next `entries` of the flow table; a timer does both four times a second. */
  tick(nowMs: number, entries: number): void {
    if (this.#closed) return;
    this.tables.nowMs = nowMs;
    if (entries > 0) this.flows.sweep(this.#timeouts, entries);
  }

  /** Detaches the programs and frees the maps. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#timer);
    for (const link of this.#links) link.close();
    this.#devices.close();
    this.#memory.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #open(): void {
    if (this.#closed) throw new DemiError('ERR_DEMI_CLOSED', 'the switch is closed');
  }
}

function bucketsFor(connections: number): number {
  const buckets = powerOfTwoFrom(Math.ceil((connections * ROOM) / L.WAYS));
  if (!Number.isInteger(connections) || connections < 1 || buckets > L.MAX_BUCKETS)
    throw new DemiError(ERR_ARGUMENT, `no flow table for ${connections} connections: want 1 to 262144`);
  return buckets;
}

function powerOfTwoFrom(value: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(value, 1)));
}

function ipv4Number(address: string): number {
  const bytes = parseIpAddress(address);
  if (bytes.length !== 4) throw new DemiError(ERR_ARGUMENT, `${address} is no IPv4 address`);
  return new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0);
}
