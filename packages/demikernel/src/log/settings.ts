// How logs are laid out and bounded, with defaults. A log keeps the layout it was made with.

import { DemiError } from '@demikernel/memory';

export interface LogSettings {
  /** Largest record in bytes; default 1 MiB. Longer pushes fail with EMSGSIZE. */
  largestRecordBytes: number;
  /** Bytes that leave in one write at most; at least one largest record. Default 1 MiB. */
  groupBytes: number;
  /** Pushes that may wait for a group on one log; one more fails with EAGAIN. Default 4096. */
  waitingPushes: number;
  /** Pops that may wait on one queue. Default 1024. */
  waitingPops: number;
  /** Bytes that a queue reads at once. Default 128 KiB. */
  readAheadBytes: number;
}

const DEFAULTS: LogSettings = {
  largestRecordBytes: 1 << 20,
  groupBytes: 1 << 20,
  waitingPushes: 4096,
  waitingPops: 1024,
  readAheadBytes: 128 << 10,
};

/** Settings with defaults filled in. @throws ERR_DEMI_RANGE */
export function logSettings(options: Partial<LogSettings>): LogSettings {
  const settings = { ...DEFAULTS };
  for (const name of Object.keys(DEFAULTS) as (keyof LogSettings)[]) {
    const value = options[name];
    if (value === undefined) continue;
    if (!Number.isInteger(value) || value < 1 || value > 1 << 30) {
      throw new DemiError('ERR_DEMI_RANGE', `${name} is a whole number from 1 to ${1 << 30}, not ${value}`);
    }
    settings[name] = value;
  }
  return settings;
}
