// A stack over a scripted device, with the calls that tests make over and over.

import assert from 'node:assert/strict';
import { NetworkStack, type NetworkStackOptions } from '../../src/inetstack/network-stack.ts';
import { ManualClock } from '../../src/runtime/clock.ts';
import {
  OP_COMPLETE,
  OP_CONNECT,
  OP_POP,
  OP_PUSH,
  type Operation,
  PUSH_TO,
} from '../../src/runtime/operation.ts';
import type { Queue } from '../../src/runtime/queue.ts';
import { SeededRandom } from '../../src/runtime/random.ts';
import { Runtime } from '../../src/runtime/runtime.ts';
import { parseIpv4, parseSocketAddress } from '../../src/runtime/socket-address.ts';
import { arp, ethernet, OUR_IP, OUR_MAC, PEER_IP, PEER_MAC } from './frames.ts';
import { ScriptedDevice, type ScriptedDeviceOptions } from './scripted-device.ts';

export interface FixtureOptions extends Omit<Partial<NetworkStackOptions>, 'device' | 'runtime'> {
  device?: ScriptedDeviceOptions;
  /** Operations at once; default 1024. */
  operations?: number;
}

export class StackFixture {
  readonly clock: ManualClock;
  readonly device: ScriptedDevice;
  readonly runtime: Runtime;
  readonly stack: NetworkStack;

  constructor(options: FixtureOptions = {}) {
    this.clock = new ManualClock(1_000_000);
    this.device = new ScriptedDevice(options.device);
    const random = new SeededRandom(7);
    this.runtime = new Runtime({
      clock: this.clock,
      random,
      operations: options.operations ?? 1024,
      queues: 64,
    });
    this.stack = new NetworkStack({
      address: parseIpv4(OUR_IP)!,
      prefixLength: 24,
      ...options,
      device: this.device,
      runtime: this.runtime,
    });
    this.device.take(); // the announcement
  }

  /** Puts frames in and does one turn; returns what was sent. */
  exchange(...frames: (Uint8Array | string)[]): string[] {
    for (const frame of frames) this.device.put(frame);
    return this.turn();
  }

  /** One turn; returns what was sent. */
  turn(): string[] {
    while (this.stack.poll() > 0);
    this.runtime.timers.advance();
    this.stack.flush();
    return this.device.take();
  }

  /** Lets time pass in steps of a millisecond; returns what was sent. */
  pass(durationUs: number): string[] {
    const sent: string[] = [];
    for (let left = durationUs; left > 0; left -= 1000) {
      this.clock.advance(Math.min(left, 1000));
      sent.push(...this.turn());
    }
    return sent;
  }

  /** Makes the stack know the peer's Ethernet address. */
  learnPeer(): void {
    this.exchange(ethernet(arp(1, PEER_MAC, PEER_IP, '000000000000', OUR_IP), 0x0806, 'ffffffffffff'));
  }

  udp(local?: string): Queue {
    const queue = this.stack.createUdpQueue();
    if (local !== undefined) assert.equal(queue.bind(parseSocketAddress(local)), 0);
    return queue;
  }

  pop(queue: Queue, sizeBytes = 0): Operation {
    const operation = this.runtime.operations.issue(OP_POP, 0);
    operation.sizeBytes = sizeBytes;
    queue.pop(operation);
    return operation;
  }

  connect(queue: Queue, to: string): Operation {
    const operation = this.runtime.operations.issue(OP_CONNECT, 0);
    operation.address.copyFrom(parseSocketAddress(to));
    queue.connect(operation);
    return operation;
  }

  /** Pushes bytes, in slices of `sliceBytes`; with `to`, to that address. */
  push(queue: Queue, bytes: Uint8Array, to?: string, sliceBytes?: number): Operation {
    const operation = this.runtime.operations.issue(OP_PUSH, 0);
    const array = this.device.pool.allocArray(bytes.length, sliceBytes)!;
    array.copyFrom(bytes);
    operation.array = array;
    if (to !== undefined) {
      operation.flags = PUSH_TO;
      operation.address.copyFrom(parseSocketAddress(to));
    }
    queue.push(operation);
    return operation;
  }

  /** Errno of a finished operation, whose result is given up; -1 when it is pending. */
  finish(operation: Operation): number {
    if (operation.state !== OP_COMPLETE) return -1;
    const { errno } = operation;
    operation.array?.free();
    this.runtime.operations.retire(operation);
    return errno;
  }

  /** Bytes and source of a finished pop, whose result is given up. */
  popped(operation: Operation): { text: string; from: string } {
    assert.equal(operation.state, OP_COMPLETE);
    assert.equal(operation.errno, 0);
    const text = Buffer.from(operation.array!.toBytes()).toString();
    const from = operation.address.toString();
    this.finish(operation);
    return { text, from };
  }

  /** What a room has counted under a name. */
  counted(room: { counters: Float64Array }, names: readonly string[], name: string): number {
    assert.ok(names.includes(name), name);
    return room.counters[names.indexOf(name)]!;
  }

  /** Closes the stack; everything must be back. */
  end(): void {
    this.stack.close();
    assert.equal(this.device.pool.freeSlots, this.device.pool.slotCount, 'slots are missing');
    assert.equal(this.runtime.timers.armedCount, 0, 'timers are armed');
    assert.equal(this.runtime.operations.liveCount, 0, 'operations are left');
  }
}

export { OUR_MAC };
