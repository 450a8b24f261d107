// An application that does anything in any order: connections and datagram sockets opened, used, half-closed, closed and
// reset at random. It believes nothing it receives, so that it can live on a wire where frames are forged.

import assert from 'node:assert/strict';
import {
  OP_ACCEPT,
  OP_COMPLETE,
  OP_POP,
  OP_PUSH,
  type Operation,
  PUSH_ACKED,
  PUSH_TO,
} from '../../src/runtime/operation.ts';
import { type Queue, SHUT_RD, SHUT_RDWR, SHUT_WR } from '../../src/runtime/queue.ts';
import type { SeededRandom } from '../../src/runtime/random.ts';
import { parseSocketAddress, type SocketAddress } from '../../src/runtime/socket-address.ts';
import type { Peer } from '../inetstack/tcp/simulated-pair.ts';

const STREAMS = 24;
const OPERATIONS = 200;
const LARGEST_PUSH_BYTES = 6000;
const LARGEST_DATAGRAM_BYTES = 5000;
const ELSEWHERE = ['10.0.0.99', '10.0.0.1', '10.0.0.2', '127.0.0.1'];

export class Churn {
  readonly peer: Peer;
  /** Operations that have completed. */
  completed: number;
  private readonly random: SeededRandom;
  private readonly remoteIp: string;
  private readonly payload: Uint8Array;
  private readonly listeners: Queue[];
  private readonly datagrams: Queue[];
  private readonly remoteDatagrams: SocketAddress;
  private streams: Queue[];
  private outstanding: Operation[];

  constructor(peer: Peer, random: SeededRandom, remoteIp: string) {
    this.peer = peer;
    this.random = random;
    this.remoteIp = remoteIp;
    this.payload = new Uint8Array(LARGEST_PUSH_BYTES);
    random.fill(this.payload);
    this.listeners = [peer.listen(80, 8), peer.listen(81, 1)];
    this.datagrams = [this.datagramSocket('*:53'), this.datagramSocket('*:54')];
    this.remoteDatagrams = parseSocketAddress(`${remoteIp}:53`);
    this.streams = [];
    this.outstanding = [];
    this.completed = 0;
  }

  private datagramSocket(address: string): Queue {
    const queue = this.peer.host.libos.createSocket('datagram');
    assert.ok(this.peer.host.runtime.queues.add(queue) >= 0);
    assert.equal(queue.bind(parseSocketAddress(address)), 0);
    return queue;
  }

  /** Takes what has completed, then does one or two things. */
  turn(): void {
    this.collect();
    // Accepts and pops for which nothing comes would fill the table.
    if (this.outstanding.length >= OPERATIONS) for (let i = 0; i < OPERATIONS; i++) this.cancelOne();
    this.act();
    if (this.random.below(2) === 0) this.act();
  }

  private act(): void {
    const { random, peer } = this;
    const choice = random.below(32);
    if (choice < 3) this.open();
    else if (choice < 6) this.keep(peer.accept(this.one(this.listeners)!));
    else if (choice < 9) this.sendDatagram();
    else if (choice < 12) this.keep(peer.pop(this.one(this.datagrams)!));
    else this.useStream(choice);
  }

  private useStream(choice: number): void {
    const { random, peer } = this;
    const queue = this.one(this.streams);
    if (queue === undefined) return;
    if (choice < 20) {
      const bytes = this.payload.subarray(0, 1 + random.below(LARGEST_PUSH_BYTES));
      const flags = random.below(4) === 0 ? PUSH_ACKED : 0;
      const push = peer.push(queue, bytes, flags, 1 + random.below(1900));
      if (push !== undefined) this.keep(push);
    } else if (choice < 28) this.keep(peer.pop(queue, random.below(3) === 0 ? 1 + random.below(2000) : 0));
    else if (choice === 28) queue.shutdown([SHUT_WR, SHUT_WR, SHUT_RD, SHUT_RDWR][random.below(4)]!);
    else if (choice === 29) this.cancelOne();
    else this.close(queue);
  }

  private open(): void {
    const { random, peer } = this;
    if (this.streams.length >= STREAMS) return;
    const queue = peer.socket();
    queue.setOption('noDelay', random.below(2) === 0);
    if (random.below(4) === 0) queue.setOption('keepAlive', true);
    if (random.below(4) === 0) queue.setOption('receiveBufferBytes', 4096 + random.below(60_000));
    // Now and then a port that nobody listens on, an address that nobody has, and oneself.
    const port = random.below(10) === 0 ? 9 : 80 + random.below(2);
    const elsewhere = random.below(40);
    const address = elsewhere < 4 ? ELSEWHERE[elsewhere]! : this.remoteIp;
    this.keep(peer.connect(queue, `${address}:${port}`));
    this.streams.push(queue);
  }

  private sendDatagram(): void {
    const { random, peer } = this;
    const queue = this.one(this.datagrams)!;
    const array = peer.host.pool.allocArray(random.below(LARGEST_DATAGRAM_BYTES), 1400);
    if (array === undefined) return;
    const operation = peer.host.runtime.operations.issue(OP_PUSH, queue.qd);
    operation.array = array;
    operation.sizeBytes = array.lengthBytes;
    operation.flags = PUSH_TO;
    operation.address.copyFrom(this.remoteDatagrams);
    queue.push(operation);
    this.keep(operation);
  }

  private close(queue: Queue): void {
    const { random, peer } = this;
    if (random.below(4) === 0) queue.setOption('lingerUs', random.below(2) === 0 ? 0 : 20_000);
    const { qd } = queue;
    peer.close(queue);
    this.streams = this.streams.filter(other => other !== queue);
    for (const operation of this.outstanding) {
      if (operation.qd === qd) assert.equal(operation.state, OP_COMPLETE, 'close left an operation pending');
    }
    this.collect();
  }

  private cancelOne(): void {
    const operation = this.one(this.outstanding);
    if (operation === undefined || operation.state === OP_COMPLETE) return;
    this.peer.host.runtime.queues.lookup(operation.qd).cancel(operation);
  }

  private one<T>(list: readonly T[]): T | undefined {
    return list.length === 0 ? undefined : list[this.random.below(list.length)];
  }

  private keep(operation: Operation): void {
    this.outstanding.push(operation);
  }

  private collect(): void {
    const { outstanding } = this;
    let kept = 0;
    for (let i = 0; i < outstanding.length; i++) {
      const operation = outstanding[i]!;
      if (operation.state === OP_COMPLETE) this.take(operation);
      else outstanding[kept++] = operation;
    }
    outstanding.length = kept;
  }

  private take(operation: Operation): void {
    this.completed++;
    if (operation.opcode === OP_POP && operation.errno === 0) operation.array!.free();
    else if (operation.opcode === OP_ACCEPT && operation.errno === 0) {
      this.streams.push(this.peer.host.runtime.queues.lookup(operation.acceptedQd));
    } else assert.equal(operation.array, undefined, 'a payload was left to the application');
    this.peer.finish(operation);
  }

  /** Closes everything and takes what that completes. */
  stop(): void {
    this.collect();
    for (const queue of [...this.streams]) this.close(queue);
    for (const queue of [...this.listeners, ...this.datagrams]) this.peer.close(queue);
    this.collect();
    assert.equal(this.outstanding.length, 0, 'operations outlive their queues');
  }
}
