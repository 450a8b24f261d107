// SYN cookies (RFC 4987 section 3.6, appendix A): a half-open connection as 32 bits that only we can have made, and the
// options that do not fit in there as low bits of a timestamp. When they are used is cookie-handshake.ts.

import type { Clock } from '../../runtime/clock.ts';
import type { Random } from '../../runtime/random.ts';
import { SipHash } from './siphash.ts';
import { MINIMUM_MSS } from './tcp-configuration.ts';

/** A cookie of the last period is good too: it lives for one to two periods. */
const PERIOD_US = 64_000_000;
/** How long a cookie may be good. */
export const COOKIE_LIFE_SECONDS: number = (2 * PERIOD_US) / 1_000_000;

/**
 * The MSS that a cookie can stand for; the peer's is rounded down. From the least there is over dial-up, IPv6-sized, tunnelled
 * and PPPoE paths to Ethernet and jumbo frames.
 */
const MSS_CLASSES: readonly number[] = [MINIMUM_MSS, 536, 1220, 1360, 1440, 1452, 1460, 8960];
const CLASS_MASK = 7;

/** Low bits of our timestamp that hold the peer's options: scale 0 to 14 or none, SACK. */
const OPTIONS_MASK = 31;
/** From one time with given options to the next. */
export const TIME_STEP_MS: number = OPTIONS_MASK + 1;
const SCALE_MASK = 15;
/** `scale` of options without window scaling. */
export const COOKIE_NO_SCALE = 15;
const SACK_BIT = 16;

/** Makes and opens cookies. Nothing is remembered but the key. */
export class SynCookies {
  private readonly hash: SipHash;
  private readonly clock: Clock;
  private readonly words: Int32Array;

  constructor(random: Random, clock: Clock) {
    this.hash = new SipHash(random.int32(), random.int32(), random.int32(), random.int32());
    this.clock = clock;
    this.words = new Int32Array(6);
  }

  /**
   * The sequence number of a SYN-ACK: 29 bits of hash over the four-tuple, the peer's sequence number, the time and the MSS
   * class, and the class itself in the lowest three.
   *
   * @param ports `(localPort << 16) | remotePort` @param irs sequence number of the SYN @param mss the peer's
   */
  make(local: number, remote: number, ports: number, irs: number, mss: number): number {
    let index = CLASS_MASK;
    while (index > 0 && MSS_CLASSES[index]! > mss) index--;
    return this.cookie(local, remote, ports, irs, this.period(), index);
  }

  /** The MSS that a cookie stands for; 0 when we have not made it, or too long ago. */
  open(local: number, remote: number, ports: number, irs: number, cookie: number): number {
    const period = this.period();
    const index = cookie & CLASS_MASK;
    for (let age = 0; age < 2; age++) {
      if (this.cookie(local, remote, ports, irs, period - age, index) === cookie) return MSS_CLASSES[index]!;
    }
    return 0;
  }

  private cookie(
    local: number,
    remote: number,
    ports: number,
    irs: number,
    period: number,
    index: number,
  ): number {
    const { words, hash } = this;
    words[0] = local;
    words[1] = remote;
    words[2] = ports;
    words[3] = irs;
    words[4] = period;
    words[5] = index;
    hash.hash(words);
    return (hash.low & ~CLASS_MASK) | index;
  }

  private period(): number {
    return Math.floor(this.clock.micros[0]! / PERIOD_US) | 0;
  }
}

/** The latest time not after `nowMs` whose low bits are the options. */
export function timeWithOptions(nowMs: number, scale: number, sack: boolean): number {
  const time = (nowMs & ~OPTIONS_MASK) | scale | (sack ? SACK_BIT : 0);
  return ((time - nowMs) | 0) > 0 ? (time - TIME_STEP_MS) | 0 : time;
}

/** The peer's window scale in such a time; {@link COOKIE_NO_SCALE} for none. */
export function scaleOfTime(time: number): number {
  return time & SCALE_MASK;
}

/** Whether the peer permits SACK, as such a time has it. */
export function sackOfTime(time: number): boolean {
  return (time & SACK_BIT) !== 0;
}
