// An echo client in coroutines: each connection sends a message, waits for its echo, checks it, and measures.

import { type AddressLike, type Coroutine, type Coroutines, type Demikernel, errnoName } from 'demikernel';

export interface EchoClientOptions {
  protocol: 'tcp' | 'udp';
  address: AddressLike;
  sizeBytes: number;
  connections: number;
  /** Messages per connection. */
  count: number;
  /** UDP: an echo that takes longer is lost, and the next message is sent. */
  timeoutUs?: number;
}

/** Round trips, measured from the push to the last byte of the echo. */
export class RoundTrips {
  private readonly micros: number[] = [];
  lost = 0;

  add(micros: number): void {
    this.micros.push(micros);
  }

  get count(): number {
    return this.micros.length;
  }

  /** Microseconds below which a fraction of the round trips stayed. */
  quantile(fraction: number): number {
    const sorted = this.micros.sort((a, b) => a - b);
    return sorted[Math.min(sorted.length - 1, Math.floor(fraction * sorted.length))] ?? 0;
  }

  toString(): string {
    const at = (fraction: number): string => this.quantile(fraction).toFixed(1);
    return `${this.count} round trips, ${this.lost} lost, µs: p50 ${at(0.5)}, p99 ${at(0.99)}, p99.9 ${at(0.999)}`;
  }
}

/** Starts the client's coroutines; the round trips are complete when all coroutines are over. */
export function startEchoClient(co: Coroutines, options: EchoClientOptions): RoundTrips {
  const roundTrips = new RoundTrips();
  for (let i = 0; i < options.connections; i++) {
    co.spawn(() => (options.protocol === 'udp' ? datagrams : stream)(co, options, roundTrips, i));
  }
  return roundTrips;
}

function nowUs(os: Demikernel): number {
  return os.libraryOs.runtime.clock.micros[0]!;
}

/** Message `index` of connection `connection`: bytes that tell misplaced echoes apart. */
function fill(message: Uint8Array, connection: number, index: number): void {
  for (let i = 0; i < message.length; i++) message[i] = (i + index * 31 + connection * 7) & 0xff;
}

function* stream(
  co: Coroutines,
  options: EchoClientOptions,
  roundTrips: RoundTrips,
  connection: number,
): Coroutine {
  const { os } = co;
  const qd = os.socket('stream');
  try {
    check('connect', (yield* co.connect(qd, options.address)).errno);
    if (options.sizeBytes <= 8192) os.setsockopt(qd, 'noDelay', true);
    const message = new Uint8Array(options.sizeBytes);
    for (let index = 0; index < options.count; index++) {
      fill(message, connection, index);
      const startUs = nowUs(os);
      // A message may be larger than what the queues on the way hold: read the echo while it is being sent.
      const pushing = os.push(qd, message);
      let received = 0;
      while (received < message.length) {
        const { errno, array } = yield* co.pop(qd);
        check('pop', errno);
        const echoed = array!.toBytes();
        array!.free();
        if (echoed.length === 0) throw new Error('the server ended the connection');
        if (Buffer.compare(echoed, message.subarray(received, received + echoed.length)) !== 0) {
          throw new Error(`message ${index} of connection ${connection} came back changed`);
        }
        received += echoed.length;
      }
      check('push', (yield* co.wait(pushing)).errno);
      roundTrips.add(nowUs(os) - startUs);
    }
  } finally {
    os.close(qd);
  }
}

function* datagrams(
  co: Coroutines,
  options: EchoClientOptions,
  roundTrips: RoundTrips,
  connection: number,
): Coroutine {
  const { os } = co;
  const timeoutUs = options.timeoutUs ?? 1_000_000;
  const qd = os.socket('datagram');
  try {
    check('connect', (yield* co.connect(qd, options.address)).errno);
    const message = new Uint8Array(options.sizeBytes);
    for (let index = 0; index < options.count; index++) {
      fill(message, connection, index);
      const startUs = nowUs(os);
      check('push', (yield* co.push(qd, message)).errno);
      const token = os.pop(qd);
      // Datagrams get lost: cancel the pop when its time is over. An operation that is over is not cancelled.
      const watchdog = co.spawn(function* () {
        yield* co.sleep(timeoutUs);
        os.cancel(token);
      });
      const { errno, array } = yield* co.wait(token);
      watchdog.abandon();
      if (array === undefined || errno !== 0) {
        roundTrips.lost++;
        continue;
      }
      const echoed = array.toBytes();
      array.free();
      if (Buffer.compare(echoed, message) === 0) roundTrips.add(nowUs(os) - startUs);
      else roundTrips.lost++;
    }
  } finally {
    os.close(qd);
  }
}

function check(call: string, errno: number): void {
  if (errno !== 0) throw new Error(`${call}: ${errnoName(errno)}`);
}
