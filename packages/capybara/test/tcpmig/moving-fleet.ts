// A whole fleet in one world: clients on an ordinary stack, the switch, backends with agents and an application whose every byte is
// checked, and somebody who watches that never two backends speak for one connection.

import { type Demikernel, ECANCELED, ECONNRESET, ETIMEDOUT, type QueueToken, SHUT_WR } from 'demikernel';
import type { SeededRandom } from 'demikernel/simulator';
import {
  type LinkOptions,
  type SimulatedHost,
  type SimulatedHostOptions,
  SimulatedWorld,
} from 'demikernel/stack';
import { type FlowName, flowKey } from '../../src/tcpmig/flow.ts';
import type { MigrationTiming } from '../../src/tcpmig/timing.ts';
import {
  configure,
  openBackend,
  openClient,
  openSwitch,
  type SimulatedBackend,
  VIRTUAL,
  VIRTUAL_ADDRESS,
} from './simulated-fleet.ts';
import type { SwitchOnWire } from './switch-on-wire.ts';

export interface FleetOptions {
  seed: number;
  random: SeededRandom;
  backends: number;
  link: LinkOptions;
  streamBytes: number;
  timing?: Partial<MigrationTiming>;
  bufferBytes?: number;
}

/** The byte at a place of a stream. */
function byteAt(place: number, salt: number): number {
  return (Math.imul(place + 1, 0x9e3779b1) ^ salt) >>> 24;
}

/** What one end of a connection has done; at a backend, what moves with the connection. */
interface Progress {
  pushed: number;
  popped: number;
  shut: boolean;
  ended: boolean;
}

/** One end of a connection. */
export class StreamEnd {
  readonly os: Demikernel;
  readonly qd: number;
  readonly progress: Progress;
  /** Its queue has ended with an error, or the connection has left. */
  errno: number;
  gone: boolean;
  private readonly salt: number;
  private readonly otherSalt: number;
  private readonly total: number;
  private readonly random: SeededRandom;
  private readonly pushes: QueueToken[];
  private pop: QueueToken;

  constructor(
    os: Demikernel,
    qd: number,
    random: SeededRandom,
    salt: number,
    otherSalt: number,
    total: number,
    progress: Progress = { pushed: 0, popped: 0, shut: false, ended: false },
  ) {
    this.os = os;
    this.qd = qd;
    this.progress = progress;
    this.errno = 0;
    this.gone = false;
    this.salt = salt;
    this.otherSalt = otherSalt;
    this.total = total;
    this.random = random;
    this.pushes = [];
    this.pop = 0;
  }

  get finished(): boolean {
    return this.progress.shut && this.progress.ended && this.pushes.length === 0;
  }

  turn(): number {
    const { os, qd, progress } = this;
    if (this.gone) return 0;
    let work = this.collect();
    if (this.errno !== 0) {
      this.close();
      return work + 1;
    }
    if (this.random.below(3) === 0) return work;
    if (progress.pushed < this.total && this.pushes.length < 3) {
      const length = Math.min(this.total - progress.pushed, 1 + this.random.below(3000));
      const array = os.alloc(length);
      if (array !== undefined) {
        array.copyFrom(Uint8Array.from({ length }, (_, i) => byteAt(progress.pushed + i, this.salt)));
        this.pushes.push(os.push(qd, array));
        array.free();
        progress.pushed += length;
        work++;
      }
    }
    if (!progress.shut && progress.pushed === this.total && this.pushes.length === 0) {
      try {
        os.shutdown(qd, SHUT_WR);
        progress.shut = true;
        work++;
      } catch {
        // Busy: on its way. Or the connection is gone, which the pop tells.
      }
    }
    if (this.pop === 0 && !progress.ended) {
      this.pop = os.pop(qd, this.random.below(3) === 0 ? 1 + this.random.below(1000) : 0);
      work++;
    }
    return work;
  }

  private collect(): number {
    const { os, progress } = this;
    let work = 0;
    while (this.pushes.length > 0 && os.isComplete(this.pushes[0]!)) {
      this.failed(os.wait(this.pushes.shift()!)!.errno);
      work++;
    }
    if (this.pop === 0 || !os.isComplete(this.pop)) return work;
    const { errno, array } = os.wait(this.pop)!;
    this.pop = 0;
    this.failed(errno);
    if (array === undefined) return work + 1;
    const bytes = array.toBytes();
    array.free();
    if (errno === 0 && bytes.length === 0) progress.ended = true;
    for (let i = 0; i < bytes.length; i++) {
      if (bytes[i] !== byteAt(progress.popped + i, this.otherSalt))
        throw new Error(`byte ${progress.popped + i} is wrong`);
    }
    progress.popped += bytes.length;
    return work + 1;
  }

  private failed(errno: number): void {
    if (errno !== 0 && this.errno === 0) this.errno = errno;
  }

  /** The connection has left, or is lost: everything that waits has been cancelled. */
  close(): void {
    if (this.gone) return;
    this.gone = true;
    this.os.close(this.qd);
    for (const token of this.pushes) this.os.wait(token);
    if (this.pop !== 0) this.os.wait(this.pop)!.array?.free();
    this.pushes.length = 0;
    this.pop = 0;
  }
}

export interface FleetBackend extends SimulatedBackend {
  accept: QueueToken;
  ends: Set<StreamEnd>;
  alive: boolean;
  stopped: boolean;
}

export interface FleetClient {
  os: Demikernel;
  host: SimulatedHost;
  end: StreamEnd | undefined;
  connect: QueueToken;
  qd: number;
}

/** Everything, and the watcher. */
export class MovingFleet {
  readonly world: SimulatedWorld;
  readonly switch: SwitchOnWire;
  readonly backends: FleetBackend[];
  readonly client: FleetClient;
  readonly random: SeededRandom;
  /** What must not be. */
  violation: string | undefined;
  /** Resets that backends have sent. */
  resets: number;
  /** Connections that agents gave up, and said so. */
  lostCopies: number;
  private readonly options: FleetOptions;

  constructor(options: FleetOptions) {
    const { seed, random, link, bufferBytes = 16_384 } = options;
    this.options = options;
    this.random = random;
    this.world = new SimulatedWorld({ seed, link, framesInFlight: 1024 });
    this.violation = undefined;
    this.resets = 0;
    this.lostCopies = 0;
    this.switch = openSwitch(this.world);
    const common = {
      slots: 512,
      operations: 128,
      queues: 32,
      tcp: {
        sendBufferBytes: bufferBytes,
        receiveBufferBytes: bufferBytes,
        peerAckDelayUs: 2000,
        maximumRtoUs: 50_000,
        timeWaitUs: 10_000,
        tableRows: 0,
      },
    };
    this.backends = [];
    for (let id = 0; id < options.backends; id++) this.backends.push(this.makeBackend(id, common));
    configure(this.switch, this.backends);
    const { os, host } = openClient(this.world, this.switch, common);
    for (const backend of this.backends) {
      backend.host.stack.arp.addPermanent(host.address, host.device.macAddress);
      for (const other of this.backends) {
        if (other !== backend)
          backend.host.stack.arp.addPermanent(other.host.address, other.host.device.macAddress);
      }
    }
    const qd = os.socket('stream');
    // A client that only listens hears of a dead server by asking.
    os.setsockopt(qd, 'keepAliveIdleUs', 500_000);
    os.setsockopt(qd, 'keepAliveIntervalUs', 100_000);
    os.setsockopt(qd, 'keepAlive', true);
    this.client = { os, host, end: undefined, connect: os.connect(qd, VIRTUAL), qd };
    host.afterPoll = () => this.turnClient();
  }

  private makeBackend(id: number, hostOptions: SimulatedHostOptions): FleetBackend {
    const agentOptions = {
      isDown: (backend: number) => this.switch.isDown(backend),
      random: this.random,
      timing: this.options.timing,
    };
    const opened = openBackend(this.world, this.switch, id, agentOptions, hostOptions);
    const { agent, host, listener, os } = opened;
    const backend: FleetBackend = {
      ...opened,
      accept: os.accept(listener),
      ends: new Set(),
      alive: true,
      stopped: false,
    };
    agent.serve(listener, {
      mayArrive: () => this.random.below(30) !== 0,
      arrived: ({ qd, saved }) => {
        const progress = JSON.parse(Buffer.from(saved).toString()) as Progress;
        this.serve(backend, qd, progress);
      },
    });
    host.afterPoll = () => this.turnBackend(backend);
    const { transmit } = host.device;
    host.device.transmit = frame => {
      this.watch(backend, frame.offset[0]!);
      transmit.call(host.device, frame);
    };
    return backend;
  }

  private serve(backend: FleetBackend, qd: number, progress?: Progress): void {
    const { seed, streamBytes } = this.options;
    const end = new StreamEnd(backend.os, qd, this.random, ~seed, seed, streamBytes, progress);
    backend.ends.add(end);
    backend.agent.migratable(qd, {
      mayLeave: () => this.random.below(30) !== 0,
      save: () => Buffer.from(JSON.stringify(end.progress)),
      left: () => this.closeEnd(backend, end),
      lost: () => {
        this.lostCopies++;
        this.closeEnd(backend, end);
      },
    });
  }

  private closeEnd(backend: FleetBackend, end: StreamEnd): void {
    end.close();
    backend.ends.delete(end);
  }

  private turnBackend(backend: FleetBackend): number {
    const { os } = backend;
    let work = 0;
    if (os.isComplete(backend.accept)) {
      const { errno, acceptedQd } = os.wait(backend.accept)!;
      if (errno === 0) {
        this.serve(backend, acceptedQd);
        backend.accept = os.accept(backend.listener);
      }
      work++;
    }
    for (const end of backend.ends) {
      work += end.turn();
      if (end.gone) backend.ends.delete(end);
    }
    return work;
  }

  private turnClient(): number {
    const { client } = this;
    const { os } = client;
    if (client.end !== undefined) return client.end.turn();
    if (!os.isComplete(client.connect)) return 0;
    const { errno } = os.wait(client.connect)!;
    if (errno !== 0) {
      this.violation ??= `connect failed with ${errno}`;
      return 0;
    }
    const { seed, streamBytes } = this.options;
    client.end = new StreamEnd(os, client.qd, this.random, seed, ~seed, streamBytes);
    return 1;
  }

  /** A frame leaves a backend: whose connection is it, and may it speak? */
  private watch(backend: FleetBackend, at: number): void {
    const { view } = backend.host.pool.region;
    if (view.getUint16(at + 12) !== 0x0800 || view.getUint8(at + 23) !== 6) return;
    if (view.getInt32(at + 26) !== VIRTUAL_ADDRESS) return;
    const flow: FlowName = {
      clientAddress: view.getInt32(at + 30),
      clientPort: view.getUint16(at + 36),
      virtualAddress: VIRTUAL_ADDRESS,
      virtualPort: view.getUint16(at + 34),
    };
    const flags = view.getUint8(at + 47);
    if ((flags & 4) !== 0) {
      this.resets++;
      return;
    }
    if (backend.agent.isFrozen(flow))
      this.violation ??= `backend ${backend.id} speaks for a frozen connection`;
    const ghost = this.switch.ghosts.get(flowKey(flow));
    if (ghost !== undefined && ghost.owner !== backend.id) {
      this.violation ??= `backend ${backend.id} speaks for a connection of backend ${ghost.owner}`;
    }
  }

  /** A process stops: nothing is received, no timer runs, until `go`. */
  stop(backend: FleetBackend): void {
    if (backend.stopped) return;
    backend.stopped = true;
    const { host } = backend;
    host.poll = () => 0;
    host.flush = () => 0;
    host.untilNextUs = () => Number.POSITIVE_INFINITY;
  }

  go(backend: FleetBackend): void {
    if (!backend.stopped || !backend.alive) return;
    backend.stopped = false;
    const host = backend.host as unknown as Record<string, unknown>;
    delete host['poll'];
    delete host['flush'];
    delete host['untilNextUs'];
  }

  /** A process dies with everything it has. */
  kill(backend: FleetBackend): void {
    this.stop(backend);
    backend.alive = false;
    backend.host.device.close();
  }

  /** The connection's present owner among the backends that live. */
  owner(): FleetBackend | undefined {
    return this.backends.find(backend => backend.ends.size > 0 && backend.alive && !backend.stopped);
  }

  get over(): boolean {
    const end = this.client.end;
    if (end === undefined) return false;
    if (end.gone) return true;
    return (
      end.finished &&
      !this.backends.some(({ alive, ends }) => alive && [...ends].some(other => !other.finished))
    );
  }

  /** Whether the client knows that its connection is gone: it was told, or, while a switch is restarted over and over, it asked in vain. */
  get wasReset(): boolean {
    const errno = this.client.end?.errno ?? 0;
    return errno === ECONNRESET || errno === ECANCELED || errno === ETIMEDOUT;
  }
}
