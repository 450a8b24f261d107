// The receive path: frames of 1,000 flows in shuffled order through a stack, each popped, freed and acknowledged; and
// bare header parsing over the same frames.

import type { SlotPool } from '@demikernel/memory';
import { type Demikernel, formatIpv4, OP_ACCEPT, type WaitSet } from 'demikernel';
import { ManualClock } from 'demikernel/stack';
import { FLOWS, Flows, L4, LOCAL_ADDRESS, LOCAL_PORT, peerPort, ShuffledOrder } from './flows.ts';
import { HeaderParser } from './header-parser.ts';
import { makeHost, makePool } from './hosts.ts';
import type { BlockTimer, StackPath } from './path.ts';
import { ReplayDevice } from './replay-device.ts';

/** What a burst of 64 frames takes on a fast link, for the stack's timers. */
const TURN_US = 30;

export class ReceivePath implements StackPath {
  readonly system = 'stack';
  readonly path = 'receive';
  readonly protocol: 'tcp' | 'udp';
  readonly sizeBytes: number;
  readonly flows: number = FLOWS;
  private readonly pool: SlotPool;
  private readonly device: ReplayDevice;
  private readonly clock: ManualClock;
  private readonly os: Demikernel;
  private readonly set: WaitSet;
  private readonly peers: Flows;
  private readonly order: ShuffledOrder;
  private received: number;

  constructor(protocol: 'tcp' | 'udp', sizeBytes: number) {
    this.protocol = protocol;
    this.sizeBytes = sizeBytes;
    this.pool = makePool(8192);
    this.device = new ReplayDevice(this.pool, FLOWS);
    this.clock = new ManualClock(1_000_000);
    this.os = makeHost({
      device: this.device,
      clock: this.clock,
      address: LOCAL_ADDRESS,
      anyNeighbour: true,
    });
    this.set = this.os.waitSet();
    this.peers = new Flows(this.pool.region.view, sizeBytes);
    this.order = new ShuffledOrder();
    this.received = 0;
    if (protocol === 'tcp') this.connectAll();
    else this.bindAll();
  }

  run(packets: number, timer: BlockTimer): number {
    let done = 0;
    while (done < packets) {
      this.makeFrames();
      timer.start();
      this.drain();
      timer.stop(FLOWS);
      done += FLOWS;
    }
    this.received += done;
    return done;
  }

  figures(): Record<string, number> {
    const acks = this.device.counters.transmittedFrames / this.received;
    return this.protocol === 'tcp' ? { acksPerPacket: Math.round(acks * 1000) / 1000 } : {};
  }

  /** One frame of every flow, in a new order; the device has them. */
  private makeFrames(): void {
    const { device, order, peers, pool } = this;
    order.shuffle();
    peers.tick();
    const datagrams = this.protocol === 'udp';
    for (let i = 0; i < FLOWS; i++) {
      const flow = order.flows[i]!;
      const at = (pool.allocReserved() << pool.slotShift) + pool.headroomBytes;
      device.offsets[i] = at;
      device.lengths[i] = datagrams ? peers.writeDatagram(at, flow) : peers.writeSegment(at, flow, true);
    }
    device.load(FLOWS);
  }

  /** Receives every frame, pops and frees its bytes, and asks for the next. */
  private drain(): void {
    const { clock, os, set } = this;
    let left = FLOWS;
    let idleTurns = 0;
    while (left > 0) {
      if (os.poll() === 0 && ++idleTurns > 100) throw new Error(`${left} of ${FLOWS} packets never arrived`);
      clock.advance(TURN_US);
      for (let result = set.take(); result !== undefined; result = set.take()) {
        const { qd } = result;
        result.array!.free();
        set.add(os.pop(qd));
        left--;
      }
    }
    os.poll();
  }

  private bindAll(): void {
    for (let flow = 0; flow < FLOWS; flow++) {
      const qd = this.os.socket('datagram');
      this.os.bind(qd, `${formatIpv4(LOCAL_ADDRESS)}:${LOCAL_PORT + flow}`);
      this.set.add(this.os.pop(qd));
    }
  }

  /** The three-way handshake (RFC 9293 section 3.5) of every peer. */
  private connectAll(): void {
    const { device, os, peers, pool, set } = this;
    const { view } = pool.region;
    const listening = os.socket('stream');
    os.bind(listening, `${formatIpv4(LOCAL_ADDRESS)}:${LOCAL_PORT}`);
    os.listen(listening, FLOWS);
    const give = (write: (at: number, flow: number) => number): void => {
      for (let flow = 0; flow < FLOWS; flow++) {
        const at = (pool.allocReserved() << pool.slotShift) + pool.headroomBytes;
        device.offsets[flow] = at;
        device.lengths[flow] = write(at, flow);
      }
      device.load(FLOWS);
      for (let turn = 0; turn < 64; turn++) this.turn();
    };
    device.onTransmit = at => {
      const flow = view.getUint16(at + L4 + 2) - peerPort(0);
      peers.acknowledged[flow] = view.getInt32(at + L4 + 4) + 1;
    };
    give((at, flow) => peers.writeSyn(at, flow));
    give((at, flow) => peers.writeSegment(at, flow, false));
    device.onTransmit = undefined;
    for (let flow = 0; flow < FLOWS; flow++) {
      set.add(os.accept(listening));
      const result = set.wait(0);
      if (result === undefined || result.opcode !== OP_ACCEPT || result.errno !== 0) {
        throw new Error(`connection ${flow} of the receive path was not accepted`);
      }
      set.add(os.pop(result.acceptedQd));
    }
  }

  private turn(): void {
    this.os.poll();
    this.clock.advance(TURN_US);
  }
}

/** Bare header parsing over frames made up in the same way. */
export class ParsePath implements StackPath {
  readonly system = 'bare-parsing';
  readonly path = 'parse';
  readonly protocol: 'tcp' | 'udp';
  readonly sizeBytes: number;
  readonly flows: number = FLOWS;
  private readonly pool: SlotPool;
  private readonly peers: Flows;
  private readonly order: ShuffledOrder;
  private readonly parser: HeaderParser;
  private readonly lengths: Int32Array;

  constructor(protocol: 'tcp' | 'udp', sizeBytes: number) {
    this.protocol = protocol;
    this.sizeBytes = sizeBytes;
    this.pool = makePool(2048);
    this.peers = new Flows(this.pool.region.view, sizeBytes);
    this.order = new ShuffledOrder();
    this.parser = new HeaderParser(this.pool.region.view, protocol);
    this.lengths = new Int32Array(FLOWS);
  }

  run(packets: number, timer: BlockTimer): number {
    const { lengths, parser, pool } = this;
    let done = 0;
    while (done < packets) {
      this.makeFrames();
      let found = 0;
      timer.start();
      for (let i = 0; i < FLOWS; i++) {
        if (parser.parse((i << pool.slotShift) + pool.headroomBytes, lengths[i]!) >= 0) found++;
      }
      timer.stop(FLOWS);
      if (found !== FLOWS) throw new Error(`bare parsing knew ${found} of ${FLOWS} flows`);
      done += FLOWS;
    }
    return done;
  }

  private makeFrames(): void {
    const { lengths, order, peers, pool } = this;
    order.shuffle();
    peers.tick();
    for (let i = 0; i < FLOWS; i++) {
      const at = (i << pool.slotShift) + pool.headroomBytes;
      const flow = order.flows[i]!;
      lengths[i] =
        this.protocol === 'udp' ? peers.writeDatagram(at, flow) : peers.writeSegment(at, flow, true);
    }
  }
}
