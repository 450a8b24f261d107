// Time, injected: nothing below this reads a clock of its own.

/**
 * A monotonic clock that is read once per burst.
 *
 * `update` takes the time; between updates everybody sees the same moment. The microseconds live in a typed array because
 * a double that is returned or stored in a field costs an allocation, and because 32 bits of them wrap in 36 minutes.
 */
export abstract class Clock {
  /** Element 0: microseconds since an arbitrary start, as a double exact to 2^53. */
  readonly micros: Float64Array;
  /** The same, cut to int32: for differences below 35 minutes, `(later - earlier) | 0`. */
  micros32: number;

  constructor() {
    this.micros = new Float64Array(1);
    this.micros32 = 0;
  }

  /** Takes the time. */
  abstract update(): void;
}

/** A clock that moves only when told to: simulations and tests. */
export class ManualClock extends Clock {
  constructor(startUs = 0) {
    super();
    this.set(startUs);
  }

  override update(): void {}

  set(micros: number): void {
    this.micros[0] = micros;
    this.micros32 = micros | 0;
  }

  advance(deltaUs: number): void {
    this.set(this.micros[0]! + deltaUs);
  }
}
