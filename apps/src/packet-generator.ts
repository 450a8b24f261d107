// Sends datagrams at a steady rate: on each turn as many as the time that has passed asks for. What is behind schedule
// because the device had no room is counted, not made up for.

import { type AddressLike, type Coroutine, type Coroutines, errnoName } from 'demikernel';

export interface PacketGeneratorOptions {
  address: AddressLike;
  sizeBytes: number;
  packetsPerSecond: number;
  durationUs: number;
}

/** What was sent. */
export interface Generated {
  sent: number;
  /** Refused by the queue. */
  refused: number;
}

/** How long to sleep between bursts, at least. */
const BURST_US = 50;
/** Most datagrams in one burst: one turn's worth. */
const BURST_PACKETS = 64;

/** Each datagram begins with its number, so that a receiver can count gaps. */
export function* generatePackets(
  co: Coroutines,
  options: PacketGeneratorOptions,
  generated: Generated,
): Coroutine {
  const { os } = co;
  const { micros } = os.libraryOs.runtime.clock;
  const qd = os.socket('datagram');
  try {
    const { errno } = yield* co.connect(qd, options.address);
    if (errno !== 0) throw new Error(`connect: ${errnoName(errno)}`);
    const message = new Uint8Array(Math.max(options.sizeBytes, 4));
    const view = new DataView(message.buffer);
    const startUs = micros[0]!;
    for (let elapsedUs = 0; elapsedUs < options.durationUs; elapsedUs = micros[0]! - startUs) {
      const due =
        Math.floor((elapsedUs * options.packetsPerSecond) / 1e6) - generated.sent - generated.refused;
      for (let i = 0; i < Math.min(due, BURST_PACKETS); i++) {
        view.setUint32(0, generated.sent);
        const pushed = yield* co.push(qd, message);
        if (pushed.errno === 0) generated.sent++;
        else generated.refused++;
      }
      // Behind schedule: only give way.
      yield* co.sleep(due > BURST_PACKETS ? 0 : BURST_US);
    }
  } finally {
    os.close(qd);
  }
}
