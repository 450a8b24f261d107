// How long origin and target wait, and how often they ask. All in microseconds of the injected clock.

export interface MigrationTiming {
  /** First wait for an answer; doubles with every try. Default 1 ms. */
  retryUs: number;
  /** Longest wait between two tries. Default 50 ms. */
  maximumRetryUs: number;
  /** PREPAREs sent before the origin gives up, the connection still its own. Default 5. */
  prepareTries: number;
  /** Without progress for so long, the origin asks for the frozen connection back. Default 200 ms. */
  transferUs: number;
  /** From the PREPARE_ACK until the target lets go of a connection of which nothing came. Default 500 ms. */
  expectUs: number;
  /** Who is in doubt for so long keeps no copy any more. Default 60 s. */
  doubtUs: number;
  /** How long an origin that no switch remembers asks the target what has become of it. Default 5 s. */
  orphanUs: number;
  /** For how long packets that still reach the origin are handed on. Default 2 s. */
  graceUs: number;
}

export const DEFAULT_TIMING: MigrationTiming = {
  retryUs: 1_000,
  maximumRetryUs: 50_000,
  prepareTries: 5,
  transferUs: 200_000,
  expectUs: 500_000,
  doubtUs: 60_000_000,
  orphanUs: 5_000_000,
  graceUs: 2_000_000,
};

/** Tries that are further and further apart. */
export class Retry {
  /** Tries so far. */
  tries: number;
  /** When to try next. */
  dueUs: number;
  private delayUs: number;
  private readonly timing: MigrationTiming;

  constructor(timing: MigrationTiming) {
    this.tries = 0;
    this.dueUs = Number.POSITIVE_INFINITY;
    this.delayUs = timing.retryUs;
    this.timing = timing;
  }

  /** Begins anew: the first try is made now. */
  begin(nowUs: number): void {
    this.tries = 1;
    this.delayUs = this.timing.retryUs;
    this.dueUs = nowUs + this.delayUs;
  }

  /** Another try is made now. */
  again(nowUs: number): void {
    this.tries++;
    this.delayUs = Math.min(this.delayUs * 2, this.timing.maximumRetryUs);
    this.dueUs = nowUs + this.delayUs;
  }

  /** There is an answer. */
  stop(): void {
    this.dueUs = Number.POSITIVE_INFINITY;
  }
}
