// Where a walk in batches stands between calls.

// The kernel's batch position: a bucket number, or, for some maps, a whole key.
export const CURSOR_BYTES = 256;

/** Where a batched walk stands. */
export class MapCursor {
  /** @internal */
  readonly position: Uint8Array;
  /** @internal */
  started: boolean;
  /** Whether the last batch was the last one. */
  done: boolean;

  constructor() {
    this.position = new Uint8Array(CURSOR_BYTES);
    this.started = false;
    this.done = false;
  }

  /** Starts another walk. */
  reset(): void {
    this.started = false;
    this.done = false;
  }
}
