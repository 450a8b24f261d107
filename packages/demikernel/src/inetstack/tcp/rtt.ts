// The round-trip estimator and the retransmission time-out (RFC 6298), in integer microseconds.

import { TICK_US } from '../../runtime/timer-wheel.ts';
import type { TcpConnection } from './connection.ts';
import type { TcpConfiguration } from './tcp-configuration.ts';

/** Longest sample that counts: keeps `srttUs8` in an int32. */
const MAX_SAMPLE_US = 60_000_000;

/** Takes one round-trip sample (RFC 6298 (2.2), (2.3)) and sets the time-out from it. */
export function sampleRtt(c: TcpConnection, configuration: TcpConfiguration, sampleUs: number): void {
  let sample = sampleUs;
  if (sample < 1) sample = 1;
  else if (sample > MAX_SAMPLE_US) sample = MAX_SAMPLE_US;
  if (c.srttUs8 === 0) {
    c.srttUs8 = sample << 3;
    c.rttvarUs4 = sample << 1;
  } else {
    const delta = (sample - (c.srttUs8 >> 3)) | 0;
    c.srttUs8 = (c.srttUs8 + delta) | 0; // srtt += (sample - srtt) / 8
    if (c.srttUs8 < 1) c.srttUs8 = 1;
    const deviation = delta < 0 ? -delta | 0 : delta;
    c.rttvarUs4 = (c.rttvarUs4 + deviation - (c.rttvarUs4 >> 2)) | 0; // rttvar += (|delta| - rttvar) / 4
  }
  // What a spurious time-out has taught fades: it may have been an acknowledgement that got lost, and without this a few of
  // those would leave a long connection with a time-out far above its round trip.
  if (c.rtoFloorUs > 0) c.rtoFloorUs = (c.rtoFloorUs - (c.rtoFloorUs >> 5) - 1) | 0;
  const spread = Math.max(c.rttvarUs4, TICK_US);
  let rto = ((c.srttUs8 >> 3) + spread) | 0;
  if (rto < configuration.minimumRtoUs) rto = configuration.minimumRtoUs;
  if (rto < c.rtoFloorUs) rto = c.rtoFloorUs;
  if (rto > configuration.maximumRtoUs) rto = configuration.maximumRtoUs;
  c.rtoUs = rto;
}

/** The time-out with its exponential back-off (RFC 6298 (5.5)). */
export function backedOffRto(c: TcpConnection, configuration: TcpConfiguration): number {
  let rto = c.rtoUs;
  for (let i = 0; i < c.backoff && rto < configuration.maximumRtoUs; i++) rto *= 2;
  return rto < configuration.maximumRtoUs ? rto | 0 : configuration.maximumRtoUs;
}

/**
 * The time-out for what is under way. A peer may sit on the acknowledgement of less than two segments (RFC 5681 section
 * 4.2), Linux for 40 ms: without an allowance for that every pause of its application would look like a loss. A segment
 * that was sent twice is acknowledged at once, so that the allowance is made once only.
 */
export function retransmissionTimeout(c: TcpConnection, configuration: TcpConfiguration): number {
  if (c.backoff !== 0) return backedOffRto(c, configuration);
  const flight = (c.sndMax - c.sndUna) | 0;
  return flight < 2 * c.mss ? (c.rtoUs + configuration.peerAckDelayUs) | 0 : c.rtoUs;
}
