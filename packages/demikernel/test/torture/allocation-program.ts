// Run in a process of its own by allocation.test.ts: prints the bytes allocated per packet by echoes through the whole
// stack, PDPIX included, beside a planted allocation.

import { bytesPerOperation } from '@demikernel/lab';
import type { WireDevice } from '../../src/devices/wire-device.ts';
import { type SimulatedHost, SimulatedWorld } from '../../src/liboses/simulator/index.ts';
import { type Coroutine, coroutines } from '../../src/pdpix/coroutines.ts';
import { Demikernel } from '../../src/pdpix/demikernel.ts';
import type { WaitSet } from '../../src/pdpix/wait-set.ts';
import { OP_POP } from '../../src/runtime/operation.ts';
import type { Frame } from '../../src/runtime/packet-device.ts';
import { parseSocketAddress, type SocketAddress } from '../../src/runtime/socket-address.ts';

const FLOWS = 16;
const PACKETS = 60_000;

type Protocol = 'stream' | 'datagram';

let planted: object | undefined;

/**
 * A wire that copies full frames by words. The simulator's own takes a `subarray` for them, which is five times faster and
 * 96 bytes of garbage: what is measured here is the stack.
 */
function copyByWords(hosts: readonly SimulatedHost[], from: WireDevice, frame: Frame): void {
  const to = hosts[from === hosts[0]!.device ? 1 : 0]!.device;
  const source = from.pool.region.view;
  const target = to.pool.region.view;
  let total = 0;
  for (let i = 0; i < frame.count; i++) total += frame.length[i]!;
  let at = to.reserve(total);
  if (at < 0) return;
  for (let i = 0; i < frame.count; i++) {
    const start = frame.offset[i]!;
    const length = frame.length[i]!;
    let done = 0;
    for (; done + 4 <= length; done += 4) target.setInt32(at + done, source.getInt32(start + done));
    for (; done < length; done++) target.setUint8(at + done, source.getUint8(start + done));
    at += length;
  }
  to.commit();
}

/** Two hosts on a perfect wire, each with PDPIX, turned by hand. */
class Scene {
  readonly world: SimulatedWorld;
  readonly a: Demikernel;
  readonly b: Demikernel;
  readonly hosts: SimulatedHost[];

  constructor(capture: boolean, fullFrames: boolean) {
    const world = new SimulatedWorld();
    const options = capture ? { capture: (): void => {} } : {};
    this.hosts = [world.host('10.0.0.1/24', options), world.host('10.0.0.2/24', options)];
    this.world = world;
    const { hosts } = this;
    if (fullFrames) world.wire.send = (from, frame) => copyByWords(hosts, from, frame);
    const [a, b] = this.hosts.map(
      host => new Demikernel(host.libos, { mode: 'spin', makeWaiter: () => world.waiter(host) }),
    ) as [Demikernel, Demikernel];
    this.a = a;
    this.b = b;
  }

  turn(): void {
    this.a.poll();
    this.b.poll();
    this.tick();
  }

  /** Time goes on by stores alone: `advance` would pass a double, which costs 16 bytes. */
  tick(): void {
    const { clock } = this.world;
    clock.micros[0] = clock.micros[0]! + 3;
    clock.micros32 = (clock.micros32 + 3) | 0;
  }

  get packets(): number {
    return (
      this.hosts[0]!.device.counters.transmittedFrames + this.hosts[1]!.device.counters.transmittedFrames
    );
  }

  /** Connected queues: those of `a`, those of `b`. */
  open(protocol: Protocol): { clients: number[]; servers: number[] } {
    const { a, b } = this;
    const clients: number[] = [];
    const servers: number[] = [];
    const listener = b.socket(protocol);
    b.bind(listener, '10.0.0.2:7');
    if (protocol === 'stream') b.listen(listener, FLOWS);
    else servers.push(listener);
    for (let i = 0; i < FLOWS; i++) {
      const qd = a.socket(protocol);
      const connect = a.connect(qd, '10.0.0.2:7');
      const accept = protocol === 'stream' ? b.accept(listener) : 0;
      while (!a.isComplete(connect) || (accept !== 0 && !b.isComplete(accept))) this.turn();
      a.wait(connect);
      if (accept !== 0) {
        const accepted = b.wait(accept)!.acceptedQd;
        b.setsockopt(accepted, 'noDelay', true);
        a.setsockopt(qd, 'noDelay', true);
        servers.push(accepted);
      }
      clients.push(qd);
    }
    return { clients, servers };
  }
}

/** Echo by wait sets: `round` sends on every flow and waits until all have come back. */
function waitSetEcho(scene: Scene, protocol: Protocol, sizeBytes: number): () => void {
  const { a, b } = scene;
  const { clients, servers } = scene.open(protocol);
  const clientSet = a.waitSet();
  const serverSet = b.waitSet();
  const message = a.alloc(sizeBytes)!;
  for (const qd of servers) serverSet.add(b.pop(qd));
  for (const qd of clients) clientSet.add(a.pop(qd));
  const to: SocketAddress = parseSocketAddress('10.0.0.1:1');
  const serve = (): void => {
    for (let result = serverSet.take(); result !== undefined; result = serverSet.take()) {
      if (result.opcode !== OP_POP) continue;
      const { qd } = result;
      const array = result.array!;
      to.copyFrom(result.address);
      serverSet.add(protocol === 'stream' ? b.push(qd, array) : b.pushTo(qd, array, to));
      array.free();
      serverSet.add(b.pop(qd));
    }
  };
  const collect = (set: WaitSet): number => {
    let popped = 0;
    for (let result = set.take(); result !== undefined; result = set.take()) {
      if (result.opcode !== OP_POP) continue;
      result.array!.free();
      popped++;
      set.add(a.pop(result.qd));
    }
    return popped;
  };
  return () => {
    for (let i = 0; i < FLOWS; i++) clientSet.add(a.push(clients[i]!, message));
    let back = 0;
    while (back < FLOWS) {
      scene.turn();
      serve();
      back += collect(clientSet);
    }
  };
}

/** The same by coroutines, one per flow and end. */
function coroutineEcho(scene: Scene, protocol: Protocol, sizeBytes: number): () => void {
  const { a, b } = scene;
  const { clients, servers } = scene.open(protocol);
  const clientSide = coroutines(a);
  const serverSide = coroutines(b);
  const message = a.alloc(sizeBytes)!;
  let back = 0;
  const serve = function* (qd: number): Coroutine {
    const to: SocketAddress = parseSocketAddress('10.0.0.1:1');
    for (;;) {
      const result = yield* serverSide.pop(qd);
      const array = result.array!;
      to.copyFrom(result.address);
      const pushed = protocol === 'stream' ? serverSide.push(qd, array) : serverSide.pushTo(qd, array, to);
      array.free();
      yield* pushed;
    }
  };
  const ask = function* (qd: number): Coroutine {
    for (;;) {
      yield* clientSide.push(qd, message);
      const result = yield* clientSide.pop(qd);
      result.array!.free();
      back++;
    }
  };
  for (const qd of servers) serverSide.spawn(() => serve(qd));
  for (const qd of clients) clientSide.spawn(() => ask(qd));
  return () => {
    const target = back + FLOWS;
    while (back < target) scene.turn();
  };
}

/** Runs until so many packets have gone by. Planted: one object of 40 bytes per round of `FLOWS` echoes. */
function run(scene: Scene, round: () => void, packets: number, plant: boolean): void {
  const end = scene.packets + packets;
  for (let i = 0; scene.packets < end; i++) {
    round();
    if (plant) planted = { a: i, b: i };
  }
}

function bytesPerPacket(scene: Scene, round: () => void, plant: boolean): number {
  return bytesPerOperation(PACKETS, packets => run(scene, round, packets, plant));
}

const results: Record<string, number> = {};
const wanted = process.argv[2];
const kinds = [
  ['tcpWaitSet', waitSetEcho, 'stream', 64],
  ['udpWaitSet', waitSetEcho, 'datagram', 64],
  ['tcpCoroutine', coroutineEcho, 'stream', 64],
  ['udpCoroutine', coroutineEcho, 'datagram', 64],
  ['tcpFullSegment', waitSetEcho, 'stream', 1448],
  ['udpFullDatagram', waitSetEcho, 'datagram', 1448],
] as const;

// Everything once, with another device type, so that no inline cache is left with a single shape.
for (const [, echo, protocol] of kinds) {
  const scene = new Scene(true, false);
  const round = echo(scene, protocol, 90);
  for (let i = 0; i < 200; i++) round();
}
const scenes = kinds.map(([name, echo, protocol, sizeBytes]) => {
  const scene = new Scene(false, sizeBytes > 200);
  const round = echo(scene, protocol, sizeBytes);
  run(scene, round, 2 * PACKETS, false);
  return { name, scene, round };
});
for (const { name, scene, round } of scenes) {
  if (wanted === undefined || wanted === name) results[name] = bytesPerPacket(scene, round, false);
}
const first = scenes[0]!;
results['planted'] = bytesPerPacket(first.scene, first.round, true);
if (planted === undefined) throw new Error('nothing was planted');
process.stdout.write(`${JSON.stringify(results)}\n`);
