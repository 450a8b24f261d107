// Push-pop: one side pushes as fast as it may, the other pops and counts. On wait sets: many pushes are outstanding at
// once, and the queue's own bounds set the pace.

import { type AddressLike, type Demikernel, EAGAIN, errnoName, type Result, type WaitSet } from 'demikernel';
import { runApplication, say } from './options.ts';

const USAGE = `
Usage: push-pop pop ADDRESS:PORT [--protocol tcp|udp]
       push-pop push ADDRESS:PORT [--protocol tcp|udp] [--size BYTES] [--count N]

Start the popping side first. It prints what it got when the pushing side has ended (tcp), or at Ctrl-C (udp).

  --protocol NAME     tcp (default) or udp
  --size BYTES        bytes per push; default 1024
  --count N           pushes; default 100000`;

/** Pushes outstanding at once. */
const DEPTH = 16;

export interface PushPopOptions {
  protocol: 'tcp' | 'udp';
  address: AddressLike;
}

/** What has gone through. */
export interface Tally {
  messages: number;
  bytes: number;
  /** When the first and the last of it did. */
  firstUs: number;
  lastUs: number;
}

function count(os: Demikernel, tally: Tally, lengthBytes: number): void {
  const nowUs = os.libraryOs.runtime.clock.micros[0]!;
  if (tally.messages === 0) tally.firstUs = nowUs;
  tally.lastUs = nowUs;
  tally.messages++;
  tally.bytes += lengthBytes;
}

export function describeTally({ messages, bytes, firstUs, lastUs }: Tally): string {
  const seconds = Math.max(lastUs - firstUs, 1) / 1e6;
  const megabytes = (bytes / 1e6 / seconds).toFixed(1);
  return `${messages} messages, ${bytes} bytes, ${seconds.toFixed(3)} s: ${Math.round(messages / seconds)} messages/s, ${megabytes} MB/s`;
}

function emptyTally(): Tally {
  return { messages: 0, bytes: 0, firstUs: 0, lastUs: 0 };
}

/** The popping side. */
export class Popper {
  readonly tally: Tally;
  /** The stream has ended. */
  done: boolean;
  readonly listeningQd: number;
  private readonly os: Demikernel;
  private readonly set: WaitSet;

  constructor(os: Demikernel, { protocol, address }: PushPopOptions) {
    this.tally = emptyTally();
    this.done = false;
    this.os = os;
    this.set = os.waitSet();
    this.listeningQd = os.socket(protocol === 'tcp' ? 'stream' : 'datagram');
    os.bind(this.listeningQd, address);
    if (protocol === 'tcp') {
      os.listen(this.listeningQd);
      this.set.add(os.accept(this.listeningQd));
    } else for (let i = 0; i < DEPTH; i++) this.set.add(os.pop(this.listeningQd));
  }

  /** Pops until the stream ends or the process is asked to stop. */
  run(): void {
    while (!this.done && !this.os.stopping) {
      const result = this.set.wait();
      if (result !== undefined) this.handle(result);
    }
  }

  /** Handles what is ready without waiting, for a loop that somebody else turns; returns how much that was. */
  runReady(): number {
    let handled = 0;
    for (let result = this.set.take(); result !== undefined; result = this.set.take()) {
      this.handle(result);
      handled++;
    }
    return handled;
  }

  private handle({ qd, errno, array, acceptedQd, lengthBytes }: Result): void {
    if (acceptedQd >= 0) {
      for (let i = 0; i < DEPTH; i++) this.set.add(this.os.pop(acceptedQd));
      return;
    }
    if (errno !== 0 || array === undefined) {
      this.done = qd !== this.listeningQd;
      return;
    }
    const ended = qd !== this.listeningQd && array.count === 0;
    array.free();
    if (ended) this.done = true;
    else {
      count(this.os, this.tally, lengthBytes);
      this.set.add(this.os.pop(qd));
    }
  }
}

/** The pushing side: pushes `messages` times, then ends the stream. Over when `done`. */
export class Pusher {
  readonly tally: Tally;
  done: boolean;
  private readonly os: Demikernel;
  private readonly set: WaitSet;
  private readonly qd: number;
  private readonly message: Uint8Array;
  private left: number;

  constructor(os: Demikernel, options: PushPopOptions & { sizeBytes: number; messages: number }) {
    this.tally = emptyTally();
    this.done = false;
    this.os = os;
    this.set = os.waitSet();
    this.message = new Uint8Array(options.sizeBytes).fill(0x61);
    this.left = options.messages;
    this.qd = os.socket(options.protocol === 'tcp' ? 'stream' : 'datagram');
    this.set.add(os.connect(this.qd, options.address));
  }

  run(): void {
    while (!this.done && !this.os.stopping) {
      const result = this.set.wait();
      if (result !== undefined) this.handle(result);
    }
  }

  runReady(): number {
    let handled = 0;
    for (let result = this.set.take(); result !== undefined; result = this.set.take()) {
      this.handle(result);
      handled++;
    }
    return handled;
  }

  private handle({ errno, lengthBytes }: Result): void {
    if (errno !== 0 && errno !== EAGAIN) {
      this.done = true;
      throw new Error(errnoName(errno));
    }
    if (lengthBytes > 0) count(this.os, this.tally, lengthBytes);
    // One that is over makes room for one; the first, the connect, for all of them.
    while (this.left > 0 && this.set.size < DEPTH) {
      this.left--;
      this.set.add(this.os.push(this.qd, this.message));
    }
    if (this.set.size === 0) {
      this.done = true;
      this.os.close(this.qd);
    }
  }
}

const OPTIONS = {
  protocol: { type: 'string', default: 'tcp' },
  size: { type: 'string' },
  count: { type: 'string' },
} as const;

await runApplication(import.meta.url, USAGE, OPTIONS, command => {
  const role = command.role(0, ['push', 'pop']);
  const options: PushPopOptions = {
    address: command.address(1),
    protocol: command.choice('protocol', ['tcp', 'udp']),
  };
  const sizeBytes = command.number('size', 1024, 1);
  const messages = command.number('count', 100_000, 1);
  return os => {
    const side =
      role === 'pop' ? new Popper(os, options) : new Pusher(os, { ...options, sizeBytes, messages });
    if (side instanceof Popper)
      say(`push-pop: ${options.protocol} on ${os.getsockname(side.listeningQd)}, ${os.name}`);
    side.run();
    say(describeTally(side.tally));
  };
});
