// Initial sequence numbers (RFC 6528) and timestamp offsets (RFC 7323 section 5.4), both keyed by a secret.

import type { Clock } from '../../runtime/clock.ts';
import type { Random } from '../../runtime/random.ts';
import { SipHash } from './siphash.ts';

/** Gives each four-tuple its own sequence and timestamp space, which nobody without the key can guess. */
export class InitialSequence {
  private readonly hash: SipHash;
  private readonly clock: Clock;
  private readonly words: Int32Array;

  constructor(random: Random, clock: Clock) {
    this.hash = new SipHash(random.int32(), random.int32(), random.int32(), random.int32());
    this.clock = clock;
    this.words = new Int32Array(4);
  }

  /** ISN = M + F(four-tuple, key), M counting every 4 µs (RFC 9293 section 3.4.1). */
  sequence(localAddress: number, localPort: number, remoteAddress: number, remotePort: number): number {
    this.digest(localAddress, localPort, remoteAddress, remotePort, 0);
    return (Math.floor(this.clock.micros[0]! / 4) + this.hash.low) | 0;
  }

  /** What to add to the clock; constant for a four-tuple, so that its timestamps never go back (RFC 6191). */
  timestampOffset(
    localAddress: number,
    localPort: number,
    remoteAddress: number,
    remotePort: number,
  ): number {
    this.digest(localAddress, localPort, remoteAddress, remotePort, 1);
    return this.hash.low;
  }

  /** Where the search for an ephemeral port to a destination begins (RFC 6056 section 3.3.3). */
  portOffset(localAddress: number, remoteAddress: number, remotePort: number): number {
    this.digest(localAddress, 0, remoteAddress, remotePort, 2);
    return this.hash.low >>> 1;
  }

  private digest(a: number, aPort: number, b: number, bPort: number, purpose: number): void {
    const words = this.words;
    words[0] = a;
    words[1] = b;
    words[2] = (aPort << 16) | bPort;
    words[3] = purpose;
    this.hash.hash(words);
  }
}
