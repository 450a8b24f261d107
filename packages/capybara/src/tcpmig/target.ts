// The target's side of moving one connection: a state machine without I/O, as origin.ts.
//
//   [hold packets] EXPECTING ── STATE, all of it ──> [import] COMMITTING ── owned ───> [resume] owned
//        │ nothing comes                                  ├──── lost, ABORT ─────────> [discard] gone
//        v                                                ├──── nothing, for very long [discard] gone
//   [let go] RELEASING ── any verdict ──> gone            │ unknown, and the origin gave it up
//                                                         └> RELEARNING ── owned ────> [resume] owned
//
// Not a byte leaves for the connection before the switch has said "owned". What is gone stays gone, and the origin hears so.

import { type MigrationName, readName, writeName } from './flow.ts';
import { fragmentCount, IncomingFragments } from './fragments.ts';
import {
  ABORT,
  ANY_BACKEND,
  COMMIT,
  MigrationHeader as Header,
  type MigrationHeader,
  MOVED,
  PREPARE,
  PREPARE_ACK,
  REASON_BAD_STATE,
  REASON_GONE,
  REASON_TOO_LARGE,
  REJECT,
  RELEARN,
  RELEASE,
  STATE,
  STATE_ACK,
  VERDICT,
  VERDICT_LEARNING,
  VERDICT_OWNED,
  VERDICT_STALE,
  VERDICT_UNKNOWN,
} from './header.ts';
import type { SealName, StateSeal } from './seal.ts';
import { type MigrationTiming, Retry } from './timing.ts';

export const TARGET_EXPECTING = 0;
export const TARGET_COMMITTING = 1;
export const TARGET_RELEARNING = 2;
export const TARGET_RELEASING = 3;
export const TARGET_DONE = 4;

/** How it ended. `owned`: the connection is here. `gone`: nothing of it is. */
export type TargetOutcome = 'owned' | 'gone';

/** A whole that does not open is asked for again this often: somebody forges fragments. */
const OPENING_TRIES = 3;

export interface TargetActions {
  /** Sends a message to the switch. */
  send(header: MigrationHeader): void;
  /** Makes the connection of its state, frozen. @returns 0, or the reason of a REJECT */
  import(state: Uint8Array): number;
  /** The connection is ours and goes on, packets that came early first. */
  resume(): void;
  /** Gives up what there is: held packets, the connection. */
  discard(): void;
  ended(outcome: TargetOutcome): void;
}

export interface TargetOptions {
  /** The PREPARE that began it. */
  prepare: MigrationHeader;
  /** This backend. */
  self: number;
  /** Bytes of a sealed state that are taken at most. */
  maximumStateBytes: number;
  seal: StateSeal;
  timing: MigrationTiming;
  actions: TargetActions;
}

/** One attempt to take over one connection. */
export class TargetMigration {
  readonly name: MigrationName;
  readonly origin: number;
  state: number;
  /** Epoch of the entry while it is prepared; once it is owned, the new one. */
  epoch: number;
  dueUs: number;
  /** What it has come to; a PREPARE or STATE that is repeated later is answered by it. */
  outcome: TargetOutcome | undefined;
  /** Wholes that did not open. */
  badWholes: number;
  private readonly self: number;
  private readonly maximumStateBytes: number;
  private readonly seal: StateSeal;
  private readonly timing: MigrationTiming;
  private readonly actions: TargetActions;
  private readonly header: MigrationHeader;
  private readonly retry: Retry;
  private limitUs: number;
  private fragments: IncomingFragments | undefined;
  /** The switch does not know the connection. */
  private unknown: boolean;

  constructor(options: TargetOptions) {
    const { prepare, timing } = options;
    this.name = readName(prepare);
    this.origin = prepare.origin;
    this.state = TARGET_EXPECTING;
    this.epoch = prepare.epoch;
    this.dueUs = Number.POSITIVE_INFINITY;
    this.outcome = undefined;
    this.badWholes = 0;
    this.self = options.self;
    this.maximumStateBytes = options.maximumStateBytes;
    this.seal = options.seal;
    this.timing = timing;
    this.actions = options.actions;
    this.header = new Header();
    this.retry = new Retry(timing);
    this.limitUs = Number.POSITIVE_INFINITY;
    this.fragments = undefined;
    this.unknown = false;
  }

  /** Packets of the connection are held from now on: the origin may know. */
  start(nowUs: number): void {
    this.limitUs = nowUs + this.timing.expectUs;
    this.sendPlain(PREPARE_ACK);
    this.schedule();
  }

  /** A message with our identifier; its MAC has been checked. @param payload good during the call */
  receive(h: MigrationHeader, payload: Uint8Array, nowUs: number): void {
    if (h.stage === VERDICT) {
      if (h.sender === this.self) this.receiveVerdict(h, nowUs);
    } else if (h.sender === this.origin && h.origin === this.origin)
      this.receiveFromOrigin(h, payload, nowUs);
    this.schedule();
  }

  /**
   * The switch has a later epoch for this connection than the one this attempt is about: it has been decided without us. The same
   * epoch means that the origin began another attempt, which it does when this one is over for it.
   */
  superseded(epoch: number): boolean {
    const later = (epoch - this.epoch) | 0;
    if (this.state === TARGET_DONE || later < 0 || (later === 0 && this.state !== TARGET_EXPECTING))
      return false;
    this.actions.discard();
    this.finish('gone');
    this.schedule();
    return true;
  }

  onTime(nowUs: number): void {
    if (this.state === TARGET_DONE) return;
    if (nowUs >= this.limitUs) this.tooLate(nowUs);
    else if (nowUs >= this.retry.dueUs) {
      this.retry.again(nowUs);
      this.sendClaim();
    }
    this.schedule();
  }

  private receiveFromOrigin(h: MigrationHeader, payload: Uint8Array, nowUs: number): void {
    if (h.stage === PREPARE) this.prepareAgain(h);
    else if (h.stage === STATE) this.receiveState(h, payload, nowUs);
    else if (h.stage === ABORT) this.abort(h, nowUs);
  }

  /** From an origin that has the connection back, or that no switch remembers; or that answers our question. */
  private abort(h: MigrationHeader, nowUs: number): void {
    if (h.verdict === VERDICT_OWNED) {
      if (this.state === TARGET_COMMITTING && this.unknown) this.relearn(nowUs);
      return;
    }
    if (this.outcome === 'owned') {
      this.sendMoved();
      return;
    }
    if (this.state < TARGET_RELEASING) this.actions.discard();
    if (this.state !== TARGET_DONE) this.finish('gone');
    this.sendReject(REASON_GONE);
  }

  /** Our answer got lost, or was not needed: the epoch is the entry's now. */
  private prepareAgain(h: MigrationHeader): void {
    if (this.state !== TARGET_EXPECTING || this.fragments !== undefined) return;
    this.epoch = h.epoch;
    this.sendPlain(PREPARE_ACK);
  }

  private receiveState(h: MigrationHeader, payload: Uint8Array, nowUs: number): void {
    if (h.epoch !== this.epoch && this.outcome === undefined) return;
    if (this.outcome === 'owned') this.sendMoved();
    else if (this.outcome === 'gone') this.sendReject(REASON_GONE);
    else if (this.state === TARGET_COMMITTING || this.state === TARGET_RELEARNING) this.acknowledge(h);
    else if (this.state === TARGET_EXPECTING) this.takeFragment(h, payload, nowUs);
  }

  private takeFragment(h: MigrationHeader, payload: Uint8Array, nowUs: number): void {
    const { totalBytes } = h;
    if (this.fragments === undefined) {
      if (totalBytes < 0 || totalBytes > this.maximumStateBytes) {
        this.refuse(REASON_TOO_LARGE);
        return;
      }
      if (h.fragmentCount !== fragmentCount(totalBytes)) return;
      this.fragments = new IncomingFragments(totalBytes);
    }
    const { fragments } = this;
    if (totalBytes !== fragments.totalBytes || h.fragmentCount !== fragments.count) return;
    const before = fragments.arrivedCount;
    if (!fragments.take(h.fragmentIndex, payload)) return;
    // Only news is a sign of life: what is old anybody may repeat.
    if (fragments.arrivedCount > before) this.limitUs = nowUs + this.timing.expectUs;
    const { whole } = fragments;
    if (whole === undefined) {
      this.acknowledge(h);
      return;
    }
    this.open(h, whole, nowUs);
  }

  private open(h: MigrationHeader, whole: Uint8Array, nowUs: number): void {
    const { epoch, origin, self: target } = this;
    const name: SealName = { ...this.name, epoch, origin, target };
    const state = this.seal.open(name, whole);
    if (state === undefined) {
      this.badWholes++;
      this.fragments!.clear();
      // The last fragment is not acknowledged, but those before it were: only the origin can begin anew, by giving it up.
      if (this.badWholes >= OPENING_TRIES || h.fragmentCount > 1) this.refuse(REASON_BAD_STATE);
      return;
    }
    const reason = this.actions.import(state);
    if (reason !== 0) {
      this.refuse(reason);
      return;
    }
    this.state = TARGET_COMMITTING;
    this.fragments = undefined;
    this.limitUs = nowUs + this.timing.doubtUs;
    this.retry.begin(nowUs);
    // The claim before the answer: it is what the client waits for.
    this.sendPlain(COMMIT);
    this.acknowledge(h);
  }

  /** As the origin's: judged by the entry shown, because anybody may have our old messages answered again. */
  private receiveVerdict(h: MigrationHeader, nowUs: number): void {
    if (h.verdict === VERDICT_LEARNING) return;
    if (h.verdict === VERDICT_STALE) {
      // The switch was restarted; whoever sends for us knows the new one now. One answer draws one message, never more.
      if (this.state === TARGET_EXPECTING && this.fragments === undefined) this.sendPlain(PREPARE_ACK);
      else if (this.state > TARGET_EXPECTING && this.state < TARGET_DONE) this.sendClaim();
      return;
    }
    if (this.state === TARGET_RELEASING) {
      this.finish('gone');
      return;
    }
    if (h.epoch !== this.epoch || this.state === TARGET_DONE) return;
    if (h.verdict === VERDICT_UNKNOWN) {
      if (this.state === TARGET_COMMITTING) this.judgeUnknown(nowUs);
      return;
    }
    const isOurs = h.entryOwner === this.self && h.entryTarget === ANY_BACKEND;
    const later = (h.entryEpoch - this.epoch) | 0;
    if (this.state === TARGET_RELEARNING) {
      if (isOurs && later === 0) this.takeOver(h);
      else if (later >= 0) this.giveUp();
    } else if (this.state === TARGET_COMMITTING && isOurs && later === 1) this.takeOver(h);
    else if (later > 0) this.giveUp();
    else if (this.state === TARGET_EXPECTING && later === 0) {
      // Another target was quicker.
      if (h.entryTarget !== this.self && h.entryTarget !== ANY_BACKEND) this.giveUp();
    }
  }

  private takeOver(h: MigrationHeader): void {
    this.actions.resume();
    this.sendMoved();
    this.epoch = h.entryEpoch;
    this.finish('owned');
  }

  private giveUp(): void {
    this.actions.discard();
    this.finish('gone');
  }

  /** Perhaps a switch that is no more gave it to us, and the origin has heard so. */
  private judgeUnknown(nowUs: number): void {
    if (!this.unknown) this.limitUs = nowUs + this.timing.orphanUs;
    this.unknown = true;
    const question = this.prepareHeader(ABORT);
    question.verdict = VERDICT_UNKNOWN;
    this.actions.send(question);
  }

  /** The origin has nothing any more, and the switch that gave it to us is no more: we are who has it. */
  private relearn(nowUs: number): void {
    this.state = TARGET_RELEARNING;
    // What a grant of the old switch would have made of it.
    this.epoch = (this.epoch + 1) | 0;
    this.retry.begin(nowUs);
    this.limitUs = nowUs + this.timing.doubtUs;
    this.sendPlain(RELEARN);
  }

  private tooLate(nowUs: number): void {
    if (this.state === TARGET_EXPECTING) {
      this.actions.discard();
      this.state = TARGET_RELEASING;
      this.fragments = undefined;
      this.retry.begin(nowUs);
      // The origin claims it back by itself, too: there is no need to insist.
      this.limitUs = nowUs + this.timing.expectUs;
      this.sendPlain(RELEASE);
      return;
    }
    if (this.state !== TARGET_RELEASING) this.actions.discard();
    this.finish('gone');
  }

  /** The origin still has it, and is told why. */
  private refuse(reason: number): void {
    this.actions.discard();
    this.sendReject(reason);
    this.finish('gone');
  }

  private sendReject(reason: number): void {
    const h = this.prepareHeader(REJECT);
    h.verdict = reason;
    this.actions.send(h);
  }

  private finish(outcome: TargetOutcome): void {
    this.state = TARGET_DONE;
    this.outcome = outcome;
    this.fragments = undefined;
    this.retry.stop();
    this.limitUs = Number.POSITIVE_INFINITY;
    this.actions.ended(outcome);
  }

  private schedule(): void {
    this.dueUs = Math.min(this.retry.dueUs, this.limitUs);
  }

  private prepareHeader(stage: number): MigrationHeader {
    const h = this.header;
    writeName(h, this.name);
    h.stage = stage;
    h.verdict = 0;
    h.epoch = this.epoch;
    h.origin = this.origin;
    h.target = this.self;
    h.sender = this.self;
    h.fragmentIndex = 0;
    h.fragmentCount = 0;
    h.totalBytes = 0;
    h.entryOwner = ANY_BACKEND;
    return h;
  }

  /** What the present state asks of the switch. */
  private sendClaim(): void {
    if (this.state === TARGET_RELEARNING) this.sendPlain(RELEARN);
    else this.sendPlain(this.state === TARGET_COMMITTING ? COMMIT : RELEASE);
  }

  private sendPlain(stage: number): void {
    this.actions.send(this.prepareHeader(stage));
  }

  private acknowledge(of: MigrationHeader): void {
    const h = this.prepareHeader(STATE_ACK);
    h.fragmentIndex = of.fragmentIndex;
    h.fragmentCount = of.fragmentCount;
    this.actions.send(h);
  }

  private sendMoved(): void {
    const h = this.prepareHeader(MOVED);
    // The epoch that the origin knows: the one before ours.
    if (this.outcome === 'owned') h.epoch = (this.epoch - 1) | 0;
    this.actions.send(h);
  }
}
