// A submission ring and its completion ring: places, command identifiers, the phase bit, doorbells. What commands say is in
// commands.ts, whose they are is the controller's.

import type { DmaMemory } from './door.ts';
import { COMPLETION_ENTRY_WORDS, SUBMISSION_ENTRY_WORDS } from './registers.ts';

/*
 *            submission ring (ours to write)           completion ring (the device's)
 *
 *   tail ->  [ 64 B: identifier 31:16 | opcode ]       [ 16 B: result, -, queue|head, status 31:17 | phase 16 | identifier ]
 *            …                                          …                              <- completionHead
 *
 * A completion entry is new when its phase bit equals ours, which turns over with every round of the ring. An identifier is
 * a place in our tables (low byte) and how often that place has been used (high byte): an answer that comes twice, or for a
 * command of an earlier life, is known by it.
 */

/** Most entries, so that a place fits a byte. */
export const MAX_QUEUE_ENTRIES = 256;
/** Answers taken in one poll. */
const POLL_BUDGET = 256;

/** Who hears of answers. */
export interface CompletionSink {
  /**
   * A command is over; its place is free.
   *
   * @param place what `prepare` gave
   * @param status 15 bits: type 10:8, code 7:0, do-not-retry bit 14; 0 for success
   * @param result the answer's first word
   */
  commandDone(pair: QueuePair, place: number, status: number, result: number): void;
}

export interface QueuePairOptions {
  /** 0 for the admin queue. */
  id: number;
  /** 2 to {@link MAX_QUEUE_ENTRIES}; one less command can be under way. */
  entries: number;
  submission: DmaMemory;
  completion: DmaMemory;
  /** A page per entry, for lists. */
  lists: DmaMemory;
  registers: Uint32Array;
  /** Index of the submission doorbell in `registers`; the completion doorbell is the next one. */
  doorbell: number;
  doorbellStrideWords: number;
}

export class QueuePair {
  readonly id: number;
  readonly entries: number;
  /** Submission entries: from `entryOf(place)` on, until `submit`. */
  readonly words: Int32Array;
  readonly lists: DmaMemory;
  /** By place: whether a command is under way. */
  readonly live: Uint8Array;
  /** By place, for whoever watches time-outs: when it was submitted, and whether that has had consequences. */
  readonly startedMs: Int32Array;
  readonly abortAsked: Uint8Array;
  /** Commands under way. */
  underWay: number;
  /** Answers to nothing that was asked. */
  strangeCompletions: number;
  readonly submissionPage: number;
  readonly completionPage: number;
  private readonly completions: Int32Array;
  private readonly registers: Uint32Array;
  private readonly tailDoorbell: number;
  private readonly headDoorbell: number;
  private readonly fence: Int32Array;
  private readonly identifiers: Uint16Array;
  private readonly freePlaces: Uint8Array;
  private freeCount: number;
  private tail: number;
  private rungTail: number;
  private completionHead: number;
  private phase: number;

  constructor(options: QueuePairOptions) {
    const { id, entries, submission, completion, doorbell, doorbellStrideWords } = options;
    this.id = id;
    this.entries = entries;
    this.words = submission.words;
    this.lists = options.lists;
    this.live = new Uint8Array(entries);
    this.startedMs = new Int32Array(entries);
    this.abortAsked = new Uint8Array(entries);
    this.underWay = 0;
    this.strangeCompletions = 0;
    this.submissionPage = submission.firstPage;
    this.completionPage = completion.firstPage;
    this.completions = completion.words;
    this.registers = options.registers;
    this.tailDoorbell = doorbell;
    this.headDoorbell = doorbell + doorbellStrideWords;
    this.fence = new Int32Array(1);
    this.identifiers = new Uint16Array(entries);
    this.freePlaces = new Uint8Array(entries);
    this.freeCount = 0;
    this.tail = 0;
    this.rungTail = 0;
    this.completionHead = 0;
    this.phase = 1;
    this.reset();
  }

  /** The state of a queue that was just created; what was under way is forgotten. */
  reset(): void {
    this.completions.fill(0, 0, this.entries * COMPLETION_ENTRY_WORDS);
    this.live.fill(0);
    this.abortAsked.fill(0);
    this.underWay = 0;
    // One place less than entries: a full ring must not look like an empty one.
    this.freeCount = this.entries - 1;
    for (let i = 0; i < this.freeCount; i++) this.freePlaces[i] = this.freeCount - 1 - i;
    this.tail = 0;
    this.rungTail = 0;
    this.completionHead = 0;
    this.phase = 1;
  }

  /** A place for a command whose zeroed entry begins at {@link entry}; -1 when all are taken. Encode, then `submit`. */
  prepare(): number {
    if (this.freeCount === 0) return -1;
    const place = this.freePlaces[--this.freeCount]!;
    const at = this.entry;
    this.words.fill(0, at, at + SUBMISSION_ENTRY_WORDS);
    const identifier = ((this.identifiers[place]! + 0x100) & 0xff00) | place;
    this.identifiers[place] = identifier;
    this.words[at] = identifier << 16;
    return place;
  }

  /** First word of the entry that is being prepared. */
  get entry(): number {
    return this.tail * SUBMISSION_ENTRY_WORDS;
  }

  /** The prepared command leaves with the next `ring`. */
  submit(place: number, nowMs: number): void {
    this.live[place] = 1;
    this.abortAsked[place] = 0;
    this.startedMs[place] = nowMs;
    this.underWay++;
    this.tail = this.tail + 1 === this.entries ? 0 : this.tail + 1;
  }

  /** The identifier that the device knows a command by. */
  identifierOf(place: number): number {
    return this.identifiers[place]!;
  }

  /** First word, in `lists.words`, of a place's own page; and the device's number of that page. */
  listAt(place: number): number {
    return place << 10;
  }

  listPage(place: number): number {
    return this.lists.firstPage + place;
  }

  /** Tells the device of what was submitted: one store, however much it is. */
  ring(): boolean {
    if (this.tail === this.rungTail) return false;
    this.rungTail = this.tail;
    // No Atomics on device memory: this one keeps the compiler from moving the entries' stores behind the doorbell's, and
    // x86-64 keeps stores in order.
    Atomics.store(this.fence, 0, 0);
    this.registers[this.tailDoorbell] = this.tail;
    return true;
  }

  /** Takes answers that have come. Returns how many. */
  poll(sink: CompletionSink): number {
    const { completions, entries } = this;
    let taken = 0;
    while (taken < POLL_BUDGET) {
      const at = this.completionHead * COMPLETION_ENTRY_WORDS;
      // The word with the phase is read first, and the others not before it.
      const last = Atomics.load(completions, at + 3);
      if (((last >>> 16) & 1) !== this.phase) break;
      const result = completions[at]!;
      if (++this.completionHead === entries) {
        this.completionHead = 0;
        this.phase ^= 1;
      }
      taken++;
      this.complete(sink, last & 0xffff, last >>> 17, result);
    }
    if (taken > 0) this.registers[this.headDoorbell] = this.completionHead;
    return taken;
  }

  private complete(sink: CompletionSink, identifier: number, status: number, result: number): void {
    const place = identifier & 0xff;
    // What the device writes may be anything.
    if (place >= this.entries || this.live[place] !== 1 || this.identifiers[place] !== identifier) {
      this.strangeCompletions++;
      return;
    }
    this.release(place);
    sink.commandDone(this, place, status, result);
  }

  private release(place: number): void {
    this.live[place] = 0;
    this.underWay--;
    this.freePlaces[this.freeCount++] = place;
  }
}
