// A TCP peer that a test plays segment by segment: "send this, expect that", sequence numbers relative to the SYNs.
//
//   '<flags> <seq>:<end>(<length>) ack <ack>'   for example 'A 1:11(10) ack 1', 'S 0:0(0)', 'FA 1:1(0) ack 1'

import assert from 'node:assert/strict';
import type { TcpConnection } from '../../../src/inetstack/tcp/connection.ts';
import { TCP_COUNTERS } from '../../../src/inetstack/tcp/counters.ts';
import { STATE_NAMES } from '../../../src/inetstack/tcp/states.ts';
import type { TcpOptions } from '../../../src/inetstack/tcp/tcp-configuration.ts';
import type { TcpQueue } from '../../../src/inetstack/tcp/tcp-queue.ts';
import { OP_ACCEPT, OP_COMPLETE, type Operation } from '../../../src/runtime/operation.ts';
import { SHUT_WR } from '../../../src/runtime/queue.ts';
import { parseSocketAddress } from '../../../src/runtime/socket-address.ts';
import { ethernet, ip, ipv4, OUR_IP, PEER_IP, parse, plainChecksum, u8, u16 } from '../frames.ts';
import { type FixtureOptions, StackFixture } from '../stack-fixture.ts';

export const PEER_PORT = 4000;
export const OUR_PORT = 80;
/** Sequence number of the peer's SYN: close to the wrap, so that every test crosses it. */
export const PEER_ISS = 0xffff_fff0;

const FLAG_LETTERS = 'FSRPAU';

export interface Tcp {
  seq: number;
  ack?: number;
  flags: string;
  payload?: Uint8Array;
  window?: number;
  options?: Buffer;
  sourcePort?: number;
  destinationPort?: number;
  source?: string;
}

/** A whole frame from the peer. */
export function tcpFrame(t: Tcp): Buffer {
  const options = t.options ?? Buffer.alloc(0);
  const payload = t.payload ?? Buffer.alloc(0);
  const headerBytes = 20 + options.length;
  let flags = 0;
  for (const letter of t.flags) flags |= 1 << FLAG_LETTERS.indexOf(letter);
  const u32 = (value: number): Buffer => u16((value >>> 16) & 0xffff, value & 0xffff);
  const segment = Buffer.concat([
    u16(t.sourcePort ?? PEER_PORT, t.destinationPort ?? OUR_PORT),
    u32(t.seq),
    u32(t.ack ?? 0),
    u8((headerBytes / 4) << 4, flags),
    u16(t.window ?? 65_535, 0, 0),
    options,
    payload,
  ]);
  const source = t.source ?? PEER_IP;
  const pseudo = Buffer.concat([ip(source), ip(OUR_IP), u8(0, 6), u16(segment.length)]);
  segment.writeUInt16BE(plainChecksum(Buffer.concat([pseudo, segment])), 16);
  return ethernet(ipv4(segment, { protocol: 6, source }));
}

/** The bytes of the peer's stream from `place` on. */
export function stream(place: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (place + i) * 7);
}

export interface ScriptOptions extends FixtureOptions {
  tcp?: TcpOptions;
}

export class TcpScript extends StackFixture {
  queue!: TcpQueue;
  listener!: TcpQueue;
  /** Our initial sequence number, once a SYN of ours was seen. */
  iss = 0;
  ourPort: number = OUR_PORT;
  /** Options that every segment of the peer carries. */
  options: Buffer = Buffer.alloc(0);
  window = 65_535;
  readonly pending: Operation[] = [];

  constructor(options: ScriptOptions = {}) {
    super({ ...options, tcp: { timestamps: false, windowScaling: false, ...options.tcp } });
    this.learnPeer();
  }

  get connection(): TcpConnection {
    return this.queue.state!;
  }

  get state(): string {
    return STATE_NAMES[this.connection.state]!;
  }

  count(name: (typeof TCP_COUNTERS)[number]): number {
    return this.stack.tcp.counters[TCP_COUNTERS.indexOf(name)]!;
  }

  listen(backlog = 4): void {
    this.listener = this.stack.createTcpQueue() as TcpQueue;
    assert.equal(this.listener.bind(parseSocketAddress(`*:${OUR_PORT}`)), 0);
    assert.equal(this.listener.listen(backlog), 0);
  }

  accept(): Operation {
    const operation = this.runtime.operations.issue(OP_ACCEPT, 0);
    this.listener.accept(operation);
    return operation;
  }

  accepted(operation: Operation): TcpQueue {
    assert.equal(operation.state, OP_COMPLETE);
    const queue = this.runtime.queues.lookup(operation.acceptedQd) as TcpQueue;
    this.finish(operation);
    return queue;
  }

  /** Takes an operation whose outcome the test looks at later, or never. */
  keep(operation: Operation): Operation {
    this.pending.push(operation);
    return operation;
  }

  /** Gives a finished operation's result up, and keeps a pending one for the end. */
  keepOrFinish(operation: Operation): void {
    if (operation.state === OP_COMPLETE) this.finish(operation);
    else this.keep(operation);
  }

  /** Sends what the text says and does a turn; returns what came back, as text. */
  inject(text: string, extra: Partial<Tcp> = {}): string[] {
    const match = /^([FSRPAU]+|-) (-?\d+)(?:\((\d+)\))?(?: ack (-?\d+))?(?: win (\d+))?$/.exec(text);
    assert.ok(match !== null, text);
    const seq = Number(match[2]);
    const length = Number(match[3] ?? 0);
    const flags = match[1] === '-' ? '' : match[1]!;
    const frame = tcpFrame({
      flags,
      seq: (PEER_ISS + seq) | 0,
      ack: match[4] === undefined ? 0 : (this.iss + Number(match[4])) | 0,
      window: match[5] === undefined ? this.window : Number(match[5]),
      payload: stream(seq, length),
      options: this.options,
      destinationPort: this.ourPort,
      ...extra,
    });
    return this.exchange(frame).map(hex => this.describe(hex));
  }

  /** One turn; what was sent, as text. */
  out(): string[] {
    return this.turn().map(hex => this.describe(hex));
  }

  /** As `pass`, as text. */
  wait(durationUs: number): string[] {
    return this.pass(durationUs).map(hex => this.describe(hex));
  }

  /** A frame of ours as text; its checksums must be right. */
  describe(hex: string): string {
    const packet = parse(hex);
    assert.equal(packet.protocol, 6);
    assert.ok(packet.headerIntact);
    const segment = packet.payload;
    const pseudo = Buffer.concat([ip(packet.source), ip(packet.destination), u8(0, 6), u16(segment.length)]);
    assert.equal(plainChecksum(Buffer.concat([pseudo, segment])), 0, 'TCP checksum');
    const bits = segment[13]!;
    let flags = '';
    for (let i = 0; i < 6; i++) if ((bits & (1 << i)) !== 0) flags += FLAG_LETTERS[i];
    const seq = segment.readInt32BE(4);
    if (flags.includes('S')) this.iss = seq;
    const headerBytes = (segment[12]! >> 4) * 4;
    const length = segment.length - headerBytes;
    const at = (seq - this.iss) | 0;
    const ack = (segment.readInt32BE(8) - PEER_ISS) | 0;
    return `${flags} ${at}(${length})${flags.includes('A') ? ` ack ${ack}` : ''}`;
  }

  /** Brings a connection into a state; nothing is left to be sent. */
  reach(state: string): void {
    if (state === 'SYN-SENT') {
      this.queue = this.stack.createTcpQueue() as TcpQueue;
      this.keep(this.connect(this.queue, `${PEER_IP}:${PEER_PORT}`));
      this.ourPort = this.queue.localAddress.port;
      assert.deepEqual(this.out(), ['S 0(0)']);
      return;
    }
    this.listen();
    const accept = this.accept();
    assert.deepEqual(this.inject('S 0'), ['SA 0(0) ack 1']);
    if (state === 'SYN-RECEIVED') {
      this.keep(accept);
      const c = this.stack.tcp.demultiplexer.all()[0]!;
      this.queue = { state: c, close: () => {} } as unknown as TcpQueue;
      return;
    }
    assert.deepEqual(this.inject('A 1 ack 1'), []);
    this.queue = this.accepted(accept);
    const steps: Record<string, (() => void)[]> = {
      ESTABLISHED: [],
      'CLOSE-WAIT': [() => this.peerFin(1)],
      'FIN-WAIT-1': [() => this.ourFin()],
      'FIN-WAIT-2': [() => this.ourFin(), () => this.inject('A 1 ack 2')],
      CLOSING: [() => this.ourFin(), () => this.peerFin(1)],
      'LAST-ACK': [() => this.peerFin(1), () => this.ourFin()],
      'TIME-WAIT': [() => this.ourFin(), () => this.inject('A 1 ack 2'), () => this.peerFin(2)],
    };
    for (const step of steps[state]!) step();
    assert.equal(this.state, state);
  }

  private peerFin(ack: number): void {
    this.inject(`FA 1 ack ${ack}`);
  }

  private ourFin(): void {
    assert.equal(this.queue.shutdown(SHUT_WR), 0);
    const sent = this.out();
    assert.equal(sent.length, 1);
    assert.ok(sent[0]!.startsWith('FA 1(0)'));
  }

  /** Ends everything; nothing may be left. */
  finishAll(): void {
    this.queue?.close();
    this.listener?.close();
    this.stack.tcp.close();
    for (const operation of this.pending) if (operation.state === OP_COMPLETE) this.finish(operation);
    this.end();
  }
}
