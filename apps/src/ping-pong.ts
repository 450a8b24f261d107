// Ping-pong: two processes count together, each adding one to what the other sent. The smallest conversation there is,
// in coroutines, over TCP or UDP.

import {
  type AddressLike,
  type Coroutine,
  type Coroutines,
  coroutines,
  errnoName,
  type ScatterGatherArray,
  SocketAddress,
} from 'demikernel';
import { runApplication, say } from './options.ts';

const USAGE = `
Usage: ping-pong server ADDRESS:PORT [--protocol tcp|udp]
       ping-pong client ADDRESS:PORT [--protocol tcp|udp] [--count N]

The client sends 1, the server answers 2, the client sends 3, and so on.

  --protocol NAME     tcp (default) or udp
  --count N           client: how far to count; default 1000`;

const MESSAGE_BYTES = 4;

export interface PingPongOptions {
  protocol: 'tcp' | 'udp';
  address: AddressLike;
  /** Client: how far to count. */
  count: number;
}

function check(call: string, errno: number): void {
  if (errno !== 0) throw new Error(`${call}: ${errnoName(errno)}`);
}

/** Reads and frees a message. */
function numberIn(array: ScatterGatherArray): number {
  const slice = array.segments[0]!;
  const number = slice.pool.region.view.getUint32(slice.offset);
  array.free();
  return number;
}

/** A message in device memory; wait with it in hand until there is some. */
function* message(co: Coroutines, number: number): Coroutine<ScatterGatherArray> {
  let array = co.os.alloc(MESSAGE_BYTES);
  while (array === undefined) {
    yield* co.sleep(100);
    array = co.os.alloc(MESSAGE_BYTES);
  }
  const slice = array.segments[0]!;
  slice.pool.region.view.setUint32(slice.offset, number);
  return array;
}

/** Exactly one message of a stream, or `undefined` at its end. */
function* popMessage(co: Coroutines, qd: number): Coroutine<number | undefined> {
  const bytes = new Uint8Array(MESSAGE_BYTES);
  for (let at = 0; at < MESSAGE_BYTES; ) {
    const { errno, array } = yield* co.pop(qd, MESSAGE_BYTES - at);
    check('pop', errno);
    const length = array!.copyTo(bytes, at);
    array!.free();
    if (length === 0) return undefined;
    at += length;
  }
  return new DataView(bytes.buffer).getUint32(0);
}

function* pushMessage(co: Coroutines, qd: number, number: number, to?: SocketAddress): Coroutine {
  const array = yield* message(co, number);
  const token = to === undefined ? co.os.push(qd, array) : co.os.pushTo(qd, array, to);
  array.free();
  check('push', (yield* co.wait(token)).errno);
}

/** Answers one connection, or datagrams for ever. Says where it listens through `listening`. */
export function* pong(
  co: Coroutines,
  { protocol, address }: PingPongOptions,
  listening: (address: SocketAddress) => void,
): Coroutine {
  const { os } = co;
  const qd = os.socket(protocol === 'tcp' ? 'stream' : 'datagram');
  try {
    os.bind(qd, address);
    if (protocol === 'tcp') {
      os.listen(qd);
      listening(os.getsockname(qd));
      const { errno, acceptedQd } = yield* co.accept(qd);
      check('accept', errno);
      os.setsockopt(acceptedQd, 'noDelay', true);
      for (
        let n = yield* popMessage(co, acceptedQd);
        n !== undefined;
        n = yield* popMessage(co, acceptedQd)
      ) {
        yield* pushMessage(co, acceptedQd, n + 1);
      }
      os.close(acceptedQd);
      return;
    }
    listening(os.getsockname(qd));
    const peer = new SocketAddress();
    for (;;) {
      const { errno, array, address: source } = yield* co.pop(qd);
      check('pop', errno);
      // The result is reused by the next `yield*`: what is needed after that is copied.
      peer.copyFrom(source);
      if (array!.lengthBytes === MESSAGE_BYTES) yield* pushMessage(co, qd, numberIn(array!) + 1, peer);
      else array!.free();
    }
  } finally {
    os.close(qd);
  }
}

/** Counts with a server; returns how far they came. */
export function* ping(co: Coroutines, { protocol, address, count }: PingPongOptions): Coroutine<number> {
  const { os } = co;
  const qd = os.socket(protocol === 'tcp' ? 'stream' : 'datagram');
  try {
    check('connect', (yield* co.connect(qd, address)).errno);
    if (protocol === 'tcp') os.setsockopt(qd, 'noDelay', true);
    let reached = 0;
    while (reached < count) {
      yield* pushMessage(co, qd, reached + 1);
      const answer = protocol === 'tcp' ? yield* popMessage(co, qd) : yield* popAnswer(co, qd);
      // A datagram that got lost is sent again.
      if (answer === undefined && protocol === 'udp') continue;
      if (answer !== reached + 2) throw new Error(`sent ${reached + 1}, and ${answer} came back`);
      reached = answer;
    }
    return reached;
  } finally {
    os.close(qd);
  }
}

/** The answer in a datagram; `undefined` when none comes for a while. */
function* popAnswer(co: Coroutines, qd: number): Coroutine<number | undefined> {
  const token = co.os.pop(qd);
  const watchdog = co.spawn(function* () {
    yield* co.sleep(200_000);
    co.os.cancel(token);
  });
  const { array } = yield* co.wait(token);
  watchdog.abandon();
  return array === undefined ? undefined : numberIn(array);
}

const OPTIONS = {
  protocol: { type: 'string', default: 'tcp' },
  count: { type: 'string' },
} as const;

await runApplication(import.meta.url, USAGE, OPTIONS, command => {
  const role = command.role(0, ['server', 'client']);
  const options: PingPongOptions = {
    address: command.address(1),
    protocol: command.choice('protocol', ['tcp', 'udp']),
    count: command.number('count', 1000, 1),
  };
  return os => {
    const co = coroutines(os);
    if (role === 'server') {
      co.spawn(() => pong(co, options, at => say(`ping-pong: ${options.protocol} on ${at}, ${os.name}`)));
      co.run();
    } else {
      const counting = co.spawn(() => ping(co, options));
      co.run();
      if (counting.done) say(`counted to ${counting.value}`);
    }
  };
});
