// Two whole hosts on a wire, through PDPIX: data one way with its acknowledgements, an echo's four I/Os, and the wire
// alone, which is no part of the stack.

import { type Demikernel, formatIpv4, OP_PUSH, type WaitSet } from 'demikernel';
import { Frame, ManualClock, ReceiveBurst, SeededRandom, Wire, type WireDevice } from 'demikernel/stack';
import { makeHost, makePool } from './hosts.ts';
import type { BlockTimer, StackPath } from './path.ts';

const CLIENT_ADDRESS = 0x0a00_0001;
const SERVER_ADDRESS = 0x0a00_0002;
const PORT = 7;
const SLOTS = 4096;
/** What a turn of both hosts takes, for the stacks' timers. */
const TURN_US = 2;
const BLOCK = 1000;
/** Ethernet, IPv4 and TCP with timestamps. */
const HEADERS_BYTES = 66;
/** Turns without progress after which a path is broken rather than slow. */
const PATIENCE = 100_000;

/** A client and a server with one connection, or a pair of sockets, between them. */
class Pair {
  readonly client: Demikernel;
  readonly server: Demikernel;
  readonly clientDevice: WireDevice;
  readonly serverDevice: WireDevice;
  readonly clientSet: WaitSet;
  readonly serverSet: WaitSet;
  readonly clientQd: number;
  readonly serverQd: number;
  readonly clock: ManualClock;

  constructor(protocol: 'tcp' | 'udp') {
    this.clock = new ManualClock(1_000_000);
    const wire = new Wire({ clock: this.clock, random: new SeededRandom(1) });
    const { clock } = this;
    this.clientDevice = wire.attach({ pool: makePool(SLOTS) });
    this.serverDevice = wire.attach({ pool: makePool(SLOTS) });
    this.client = makeHost({
      device: this.clientDevice,
      clock,
      address: CLIENT_ADDRESS,
      anyNeighbour: false,
    });
    this.server = makeHost({
      device: this.serverDevice,
      clock,
      address: SERVER_ADDRESS,
      anyNeighbour: false,
    });
    this.clientSet = this.client.waitSet();
    this.serverSet = this.server.waitSet();
    const kind = protocol === 'tcp' ? 'stream' : 'datagram';
    const bound = this.server.socket(kind);
    this.server.bind(bound, `${formatIpv4(SERVER_ADDRESS)}:${PORT}`);
    this.clientQd = this.client.socket(kind);
    const connecting = (): void => {
      this.clientSet.add(this.client.connect(this.clientQd, `${formatIpv4(SERVER_ADDRESS)}:${PORT}`));
    };
    if (protocol === 'udp') {
      connecting();
      this.finish(this.clientSet);
      this.serverQd = bound;
      return;
    }
    this.client.setsockopt(this.clientQd, 'noDelay', true);
    this.server.listen(bound);
    this.serverSet.add(this.server.accept(bound));
    connecting();
    this.finish(this.clientSet);
    this.serverQd = this.finish(this.serverSet);
    this.server.setsockopt(this.serverQd, 'noDelay', true);
  }

  turn(): void {
    this.client.poll();
    this.server.poll();
    this.clock.advance(TURN_US);
  }

  /** Turns until the set's operation is over; the queue it brought, if it was an accept. */
  private finish(set: WaitSet): number {
    for (let turn = 0; turn < PATIENCE; turn++) {
      this.turn();
      const result = set.take();
      if (result === undefined) continue;
      if (result.errno !== 0) throw new Error(`setting the path up failed with errno ${result.errno}`);
      return result.acceptedQd;
    }
    throw new Error('setting the path up never ended');
  }
}

/** Messages one way; every frame counts, acknowledgements too. */
export class TwoStacksPath implements StackPath {
  readonly system = 'simulator';
  readonly path = 'two-stacks';
  readonly protocol: 'tcp' | 'udp';
  readonly sizeBytes: number;
  readonly flows = 1;
  private readonly pair: Pair;

  constructor(protocol: 'tcp' | 'udp', sizeBytes: number) {
    this.protocol = protocol;
    this.sizeBytes = sizeBytes;
    this.pair = new Pair(protocol);
    const { server, serverSet, serverQd } = this.pair;
    serverSet.add(server.pop(serverQd));
  }

  run(packets: number, timer: BlockTimer): number {
    let done = 0;
    while (done < packets) {
      timer.start();
      const frames = this.block();
      timer.stop(frames);
      done += frames;
    }
    return done;
  }

  /** One message per turn, so that each is a segment of its own. */
  private block(): number {
    const { client, clientDevice, clientQd, clientSet, server, serverDevice, serverQd, serverSet } =
      this.pair;
    const before = clientDevice.counters.transmittedFrames + serverDevice.counters.transmittedFrames;
    const wanted = BLOCK * this.sizeBytes;
    let sent = 0;
    let received = 0;
    let pushing = 0;
    for (let turn = 0; received < wanted; turn++) {
      if (turn > PATIENCE) throw new Error(`${received} of ${wanted} bytes arrived, then nothing`);
      if (sent < BLOCK && pushing < 8) {
        const array = client.alloc(this.sizeBytes)!;
        clientSet.add(client.push(clientQd, array));
        array.free();
        sent++;
        pushing++;
      }
      this.pair.turn();
      for (let result = clientSet.take(); result !== undefined; result = clientSet.take()) pushing--;
      for (let result = serverSet.take(); result !== undefined; result = serverSet.take()) {
        received += result.lengthBytes;
        result.array!.free();
        serverSet.add(server.pop(serverQd));
      }
    }
    const after = clientDevice.counters.transmittedFrames + serverDevice.counters.transmittedFrames;
    return after - before;
  }
}

/** An echo: push, pop, push, pop; a packet here is a whole round trip with its four I/Os. */
export class EchoPath implements StackPath {
  readonly system = 'simulator';
  readonly path = 'echo';
  readonly protocol: 'tcp' | 'udp';
  readonly sizeBytes: number;
  readonly flows = 1;
  private readonly pair: Pair;
  private readonly datagrams: boolean;
  private frames: number;
  private echoes: number;

  constructor(protocol: 'tcp' | 'udp', sizeBytes: number) {
    this.protocol = protocol;
    this.sizeBytes = sizeBytes;
    this.datagrams = protocol === 'udp';
    this.pair = new Pair(protocol);
    this.frames = 0;
    this.echoes = 0;
    const { client, clientQd, clientSet, server, serverQd, serverSet } = this.pair;
    serverSet.add(server.pop(serverQd));
    clientSet.add(client.pop(clientQd));
  }

  run(packets: number, timer: BlockTimer): number {
    const { clientDevice, serverDevice } = this.pair;
    const before = clientDevice.counters.transmittedFrames + serverDevice.counters.transmittedFrames;
    let done = 0;
    while (done < packets) {
      timer.start();
      for (let i = 0; i < BLOCK; i++) this.echo();
      timer.stop(BLOCK);
      done += BLOCK;
    }
    this.echoes += done;
    this.frames += clientDevice.counters.transmittedFrames + serverDevice.counters.transmittedFrames - before;
    return done;
  }

  figures(): Record<string, number> {
    return { framesPerEcho: Math.round((this.frames / this.echoes) * 1000) / 1000 };
  }

  private echo(): void {
    const { client, clientQd, clientSet, clock, server } = this.pair;
    const array = client.alloc(this.sizeBytes)!;
    clientSet.add(client.push(clientQd, array));
    array.free();
    let received = 0;
    for (let turn = 0; received < this.sizeBytes; turn++) {
      if (turn > PATIENCE) throw new Error('an echo never came back');
      // Each turn sends what the one before has produced, then receives.
      client.poll();
      server.poll();
      this.answer();
      server.poll();
      client.poll();
      for (let result = clientSet.take(); result !== undefined; result = clientSet.take()) {
        if (result.opcode === OP_PUSH) continue;
        received += result.lengthBytes;
        result.array!.free();
        clientSet.add(client.pop(clientQd));
      }
      clock.advance(TURN_US);
    }
  }

  private answer(): void {
    const { server, serverQd, serverSet } = this.pair;
    for (let result = serverSet.take(); result !== undefined; result = serverSet.take()) {
      if (result.opcode === OP_PUSH) continue;
      const request = result.array!;
      serverSet.add(
        this.datagrams ? server.pushTo(serverQd, request, result.address) : server.push(serverQd, request),
      );
      request.free();
      serverSet.add(server.pop(serverQd));
    }
  }
}

/** A frame across the wire and nothing else: allocate, copy, receive, release. */
export class WirePath implements StackPath {
  readonly system = 'wire';
  readonly path = 'device';
  readonly protocol = 'none';
  readonly sizeBytes: number;
  readonly flows = 1;
  private readonly from: WireDevice;
  private readonly to: WireDevice;
  private readonly frame: Frame;
  private readonly burst: ReceiveBurst;

  /** @param sizeBytes of payload; headers as TCP's come on top */
  constructor(sizeBytes: number) {
    this.sizeBytes = sizeBytes;
    const wire = new Wire({ clock: new ManualClock(0), random: new SeededRandom(1) });
    this.from = wire.attach({ pool: makePool(64) });
    this.to = wire.attach({ pool: makePool(64) });
    this.frame = new Frame();
    this.burst = new ReceiveBurst();
  }

  run(packets: number, timer: BlockTimer): number {
    let done = 0;
    while (done < packets) {
      timer.start();
      for (let i = 0; i < BLOCK; i++) this.move();
      timer.stop(BLOCK);
      done += BLOCK;
    }
    return done;
  }

  private move(): void {
    const { burst, frame, from, to } = this;
    const { pool } = from;
    const at = (pool.allocReserved() << pool.slotShift) + pool.headroomBytes;
    pool.region.view.setInt32(at, to.macHigh);
    pool.region.view.setInt16(at + 4, to.macLow);
    frame.clear();
    frame.append(at, HEADERS_BYTES + this.sizeBytes);
    from.transmit(frame);
    from.flush();
    to.receive(burst);
    for (let i = 0; i < burst.count; i++) to.pool.release(burst.offset[i]! >> to.pool.slotShift);
  }
}
