// Wait: what each way of waiting costs when many operations are outstanding. Queues in memory stand for connections, so
// that only the waiting is measured. The answer is why services use wait sets.

import { type Demikernel, type QueueToken, type Result, SocketAddress } from 'demikernel';
import { runApplication, say } from './options.ts';

const USAGE = `
Usage: wait [--queues N] [--count N]

Measures nanoseconds per result for waitAny, waitNextN and wait sets.

  --queues N          operations outstanding; default 64
  --count N           results to wait for in each way; default 20000`;

export interface WaitOptions {
  queues: number;
  count: number;
}

/** One way to wait for the next result of many pops. */
interface Way {
  name: string;
  /** Takes note of a pop that has been issued. */
  add(token: QueueToken): void;
  next(): Result | undefined;
  /** Ends what is outstanding, after its queues were closed. */
  drain(): void;
}

function anyWay(os: Demikernel): Way {
  const tokens: QueueToken[] = [];
  const take = (result: Result | undefined): Result | undefined => {
    if (result !== undefined) tokens.splice(tokens.indexOf(result.token), 1);
    return result;
  };
  return {
    name: 'waitAny',
    add: token => void tokens.push(token),
    next: () => take(os.waitAny(tokens)),
    drain: () => {
      while (tokens.length > 0) take(os.waitAny(tokens));
    },
  };
}

function nextNWay(os: Demikernel): Way {
  const tokens: QueueToken[] = [];
  const next = (): Result | undefined => {
    const result = os.waitNextN(tokens, 1)?.[0];
    if (result !== undefined) tokens.splice(tokens.indexOf(result.token), 1);
    return result;
  };
  return {
    name: 'waitNextN',
    add: token => void tokens.push(token),
    next,
    drain: () => {
      while (tokens.length > 0) next();
    },
  };
}

function setWay(os: Demikernel): Way {
  const set = os.waitSet();
  return {
    name: 'wait set',
    add: token => set.add(token),
    next: () => set.wait(),
    drain: () => {
      while (set.take() !== undefined);
    },
  };
}

export interface WaitCost {
  name: string;
  nsPerResult: number;
}

/** Measures each way. */
export function measureWaits(os: Demikernel, { queues, count }: WaitOptions): WaitCost[] {
  return [anyWay(os), nextNWay(os), setWay(os)].map(way => {
    const qds = Array.from({ length: queues }, () => os.queue());
    const message = os.alloc(64)!;
    for (const qd of qds) way.add(os.pop(qd));
    const startNs = process.hrtime.bigint();
    let results = 0;
    for (; results < count && !os.stopping; results++) {
      // Far apart, so that no order of looking is lucky.
      os.wait(os.push(qds[(results * 31) % queues]!, message), 0);
      const result = way.next();
      if (result === undefined) break;
      result.array!.free();
      way.add(os.pop(result.qd));
    }
    const elapsedNs = Number(process.hrtime.bigint() - startNs);
    message.free();
    for (const qd of qds) os.close(qd);
    way.drain();
    return { name: way.name, nsPerResult: elapsedNs / Math.max(results, 1) };
  });
}

/** A wait that has an end: true when it took about as long as it should. */
export function timeoutHolds(os: Demikernel, timeoutUs: number): boolean {
  const qd = os.socket('datagram');
  os.bind(qd, new SocketAddress());
  const token = os.pop(qd);
  const { clock } = os.libraryOs.runtime;
  clock.update();
  const startUs = clock.micros[0]!;
  const result = os.wait(token, timeoutUs);
  clock.update();
  const tookUs = clock.micros[0]! - startUs;
  os.close(qd);
  os.wait(token, 0);
  return result === undefined && tookUs >= timeoutUs;
}

await runApplication(
  import.meta.url,
  USAGE,
  { queues: { type: 'string' }, count: { type: 'string' } },
  command => {
    const options: WaitOptions = {
      queues: command.number('queues', 64, 1),
      count: command.number('count', 20_000, 1),
    };
    return os => {
      say(`wait: ${options.queues} operations outstanding, ${os.name}`);
      for (const { name, nsPerResult } of measureWaits(os, options))
        say(`${name}: ${nsPerResult.toFixed(0)} ns per result`);
      say(`a wait of 10 ms ${timeoutHolds(os, 10_000) ? 'kept its time' : 'ended early'}`);
    };
  },
);
