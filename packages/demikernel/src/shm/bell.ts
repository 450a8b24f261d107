// Sleeping and waking: one word that a sleeper writes and its peers only read.

/** The state of a sleeper: 0, or how it wants to be woken. */
export const AWAKE = 0;
/** By its descriptor. */
export const ASLEEP = 1;
/** By the word itself, futex(2). */
export const ASLEEP_ON_WORD = 2;

/**
 * The word that says whether somebody must be woken.
 *
 * The sleeper stores ASLEEP and then looks at every ring once more; a producer marks an entry and then reads the word.
 * Both stores are full barriers (Atomics.store is an xchg on x86-64), so in the one order that all processors agree on
 * either the sleeper's look comes after the producer's store, and finds it; or the producer's look comes after the
 * sleeper's store, and wakes. Neither can miss the other, and a producer pays nothing while the consumer is awake.
 */
export class Bell {
  private readonly words: Int32Array;

  /** @param words the shared page; writable for the sleeper only */
  constructor(words: Int32Array) {
    this.words = words;
  }

  /** The sleeper's: from here on a producer wakes. Look at the rings after it. */
  fallAsleep(): void {
    Atomics.store(this.words, 0, ASLEEP);
  }

  /** As `fallAsleep`, queued on the word, or about to be. */
  fallAsleepOnWord(): void {
    Atomics.store(this.words, 0, ASLEEP_ON_WORD);
  }

  wakeUp(): void {
    Atomics.store(this.words, 0, AWAKE);
  }

  /** The producer's: read it after an entry has been published. Whatever a peer has made of it. */
  get state(): number {
    return this.words[0]!;
  }
}
