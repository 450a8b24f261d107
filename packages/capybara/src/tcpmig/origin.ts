// The origin's side of moving one connection: a state machine without I/O. It says what to send and what to do with the connection,
// and is told what comes and what time it is. Which host it is in, and how it is reached, is ../host.
//
//   PREPARING ── PREPARE_ACK ──> [freeze] TRANSFERRING ── MOVED ──────────> [release] moved
//       │                              │ REJECT, ABORT, time
//       │ REJECT, time                 v
//       │                        CLAIMING ── owned ────────────────────────> [resume]  stayed
//       v                              ├──── lost, MOVED ──────────────────> [release] moved
//   ASKING ── entry ──> FENCING        ├──── nothing, for very long ───────> [discard] lost
//                          │           │ unknown, and the target gave it up
//                          │           v
//                          │     RELEARNING ── owned ──────────────────────> [resume]  stayed
//                          └── owned ──> stayed     (the connection was never frozen)
//
// Unknown: the switch was restarted meanwhile. The target then says what has become of it; when it is silent, too, nobody knows
// whether there is a newer copy than ours, and the connection is reset. A target that hears "unknown" asks in its turn.
//
// From the freeze on the origin sends nothing for the connection. In doubt it is silent, and asks the switch.

import { type MigrationName, writeName } from './flow.ts';
import { OutgoingFragments } from './fragments.ts';
import {
  ABORT,
  ANY_BACKEND,
  CLAIM_BACK,
  FLAG_ESTIMATE,
  MigrationHeader as Header,
  type MigrationHeader,
  MOVED,
  PREPARE,
  PREPARE_ACK,
  QUERY,
  REASON_BUSY,
  REJECT,
  RELEARN,
  STATE,
  STATE_ACK,
  VERDICT,
  VERDICT_ENTRY,
  VERDICT_LEARNING,
  VERDICT_OWNED,
  VERDICT_STALE,
  VERDICT_UNKNOWN,
} from './header.ts';
import type { SealName, StateSeal } from './seal.ts';
import { type MigrationTiming, Retry } from './timing.ts';

export const ORIGIN_PREPARING = 0;
export const ORIGIN_ASKING = 1;
export const ORIGIN_FENCING = 2;
export const ORIGIN_TRANSFERRING = 3;
export const ORIGIN_CLAIMING = 4;
export const ORIGIN_RELEARNING = 5;
export const ORIGIN_DONE = 6;

/** How it ended. `stayed`: the connection is here, as before. `moved`: it is elsewhere. `lost`: there is no current copy here. */
export type OriginOutcome = 'moved' | 'stayed' | 'lost';

/** What the machine has done to the connection, and to the network. */
export interface OriginActions {
  /** Sends a message to the switch. `payload` is good during the call. */
  send(header: MigrationHeader, payload: Uint8Array | undefined): void;
  /** Freezes the connection and returns its state; `undefined` when it cannot be had: it has ended, or is not to go now. */
  freeze(): Uint8Array | undefined;
  /** The connection goes on here. */
  resume(): void;
  /** The connection lives elsewhere; stragglers go back to the switch. */
  release(): void;
  /** There is no current copy any more: the client is told. */
  reset(): void;
  /** There may be a current copy elsewhere, or not: what is here is given up without a word. */
  discard(): void;
  /** It is over. @param reason of a REJECT, 0 for none */
  ended(outcome: OriginOutcome, reason: number): void;
}

export interface OriginOptions {
  name: MigrationName;
  /** This backend. */
  self: number;
  /** Where to; {@link ANY_BACKEND} leaves it to the switch. */
  target: number;
  flags?: number;
  /** Bytes of state to expect. */
  estimateBytes: number;
  seal: StateSeal;
  timing: MigrationTiming;
  actions: OriginActions;
}

/** One attempt to move one connection away. */
export class OriginMigration {
  readonly name: MigrationName;
  state: number;
  /** Epoch of the switch's entry, once somebody has said it. */
  epoch: number;
  target: number;
  /** When `onTime` is wanted. */
  dueUs: number;
  /** Bytes of state, once it is known. */
  stateBytes: number;
  private readonly self: number;
  private readonly asked: number;
  private readonly flags: number;
  private readonly estimateBytes: number;
  private readonly seal: StateSeal;
  private readonly timing: MigrationTiming;
  private readonly actions: OriginActions;
  private readonly header: MigrationHeader;
  private readonly retry: Retry;
  /** When the present state has lasted too long. */
  private limitUs: number;
  private fragments: OutgoingFragments | undefined;
  private reason: number;
  /** The target has said that it has nothing and will claim nothing. */
  private targetGaveUp: boolean;
  /** The switch does not know the connection. */
  private unknown: boolean;
  /** It is over, nothing of it is here, and nothing was said to the client: a target that has it may go on. */
  private granted: boolean;

  constructor(options: OriginOptions) {
    this.name = options.name;
    this.state = ORIGIN_PREPARING;
    this.epoch = 0;
    this.target = ANY_BACKEND;
    this.dueUs = Number.POSITIVE_INFINITY;
    this.stateBytes = 0;
    this.self = options.self;
    this.asked = options.target;
    this.flags = options.flags ?? 0;
    this.estimateBytes = options.estimateBytes;
    this.seal = options.seal;
    this.timing = options.timing;
    this.actions = options.actions;
    this.header = new Header();
    this.retry = new Retry(options.timing);
    this.limitUs = Number.POSITIVE_INFINITY;
    this.fragments = undefined;
    this.reason = 0;
    this.targetGaveUp = false;
    this.unknown = false;
    this.granted = false;
  }

  /** Whether the connection is frozen: not a byte may leave for it. */
  get frozen(): boolean {
    return this.state >= ORIGIN_TRANSFERRING && this.state <= ORIGIN_RELEARNING;
  }

  start(nowUs: number): void {
    this.retry.begin(nowUs);
    this.sendPrepare();
    this.schedule();
  }

  /** The connection has ended, or is not to move after all. Nothing happens once it is frozen. */
  cancel(nowUs: number): void {
    if (this.state !== ORIGIN_PREPARING) return;
    this.ask(nowUs);
    this.schedule();
  }

  /** The switch has prepared this very connection for us, at a later epoch: then it had left. */
  superseded(epoch: number): boolean {
    if (!this.frozen || ((epoch - this.epoch) | 0) <= 0) return false;
    this.finishMoved(false);
    return true;
  }

  /** A message with our identifier, from the switch or the target; its MAC has been checked. */
  receive(h: MigrationHeader, nowUs: number): void {
    if (this.state === ORIGIN_DONE) {
      if (h.stage === ABORT && h.verdict === VERDICT_UNKNOWN && h.sender === this.target) this.answer();
      return;
    }
    if (h.stage === VERDICT) {
      if (h.sender === this.self) this.receiveVerdict(h, nowUs);
    } else if (h.sender !== this.self || h.stage === REJECT) this.receiveFromTarget(h, nowUs);
    this.schedule();
  }

  /** The time `dueUs` has come. */
  onTime(nowUs: number): void {
    if (this.state === ORIGIN_DONE) return;
    if (nowUs >= this.limitUs) this.tooLate(nowUs);
    else if (nowUs >= this.retry.dueUs) this.tryAgain(nowUs);
    this.schedule();
  }

  private receiveFromTarget(h: MigrationHeader, nowUs: number): void {
    switch (h.stage) {
      case PREPARE_ACK:
        if (this.state === ORIGIN_PREPARING) this.freeze(h, nowUs);
        return;
      case REJECT:
        this.reason = h.verdict;
        if (this.state === ORIGIN_PREPARING) this.rejected(h, nowUs);
        else if (this.frozen && h.sender === this.target) this.takeBack(nowUs);
        return;
      case ABORT:
        if (this.state === ORIGIN_TRANSFERRING && h.sender === this.target) this.claimBack(nowUs);
        return;
      case STATE_ACK:
        if (this.state === ORIGIN_TRANSFERRING && h.sender === this.target) this.acknowledged(h, nowUs);
        return;
      case MOVED:
        if (this.frozen && h.sender === this.target && h.epoch === this.epoch) this.finishMoved(true);
        return;
      default:
    }
  }

  /** The switch has flipped the entry: from here on the client's packets go to the target. */
  private freeze(h: MigrationHeader, nowUs: number): void {
    this.epoch = h.epoch;
    this.target = h.sender;
    const state = this.actions.freeze();
    if (state === undefined) {
      // The connection is still our own, if there is one; the entry has to come back all the same.
      this.sendAbort();
      this.fence(nowUs);
      return;
    }
    this.state = ORIGIN_TRANSFERRING;
    const { self: origin, target, epoch } = this;
    const name: SealName = { ...this.name, epoch, origin, target };
    const fragments = new OutgoingFragments(this.seal.seal(name, state));
    this.fragments = fragments;
    this.stateBytes = fragments.sealed.length;
    this.retry.begin(nowUs);
    this.limitUs = nowUs + this.timing.transferUs;
    this.sendFragments(fragments);
  }

  private acknowledged(h: MigrationHeader, nowUs: number): void {
    const { fragments } = this;
    if (fragments === undefined || h.fragmentCount !== fragments.count) return;
    if (!fragments.acknowledge(h.fragmentIndex)) return;
    this.limitUs = nowUs + this.timing.transferUs;
    this.sendFragments(fragments);
    // The last answer to wait for is the target's that it owns the connection; it comes, or time does.
    if (fragments.done) this.retry.stop();
    else this.retry.begin(nowUs);
  }

  /**
   * Nobody takes it. Another copy of our PREPARE may have been taken by somebody else nevertheless, whose answer would flip the
   * entry: that is ruled out first.
   */
  private rejected(h: MigrationHeader, nowUs: number): void {
    // Refused by a switch that knows nothing of it: it forwarded nothing, and there is nothing to rule out.
    const knowsNothing =
      h.verdict === VERDICT_LEARNING || h.verdict === VERDICT_UNKNOWN || h.verdict === REASON_BUSY;
    if (h.sender === this.self && knowsNothing && this.retry.tries === 1) {
      this.finish('stayed');
      return;
    }
    this.ask(nowUs);
  }

  private ask(nowUs: number): void {
    this.state = ORIGIN_ASKING;
    this.retry.begin(nowUs);
    this.limitUs = nowUs + this.timing.doubtUs;
    this.sendPlain(QUERY);
  }

  private fence(nowUs: number): void {
    this.state = ORIGIN_FENCING;
    this.retry.begin(nowUs);
    this.limitUs = nowUs + this.timing.doubtUs;
    this.sendPlain(CLAIM_BACK);
  }

  /** The target has given it up. */
  private takeBack(nowUs: number): void {
    this.targetGaveUp = true;
    if (this.state === ORIGIN_TRANSFERRING) this.claimBack(nowUs);
    else if (this.state === ORIGIN_CLAIMING && this.unknown) this.relearn(nowUs);
  }

  /** Two epochs on: one more than the target could have been given by a switch that is no more. */
  private relearn(nowUs: number): void {
    this.state = ORIGIN_RELEARNING;
    this.epoch = (this.epoch + 2) | 0;
    this.retry.begin(nowUs);
    this.limitUs = nowUs + this.timing.doubtUs;
    this.sendPlain(RELEARN);
  }

  private claimBack(nowUs: number): void {
    this.state = ORIGIN_CLAIMING;
    this.fragments = undefined;
    this.retry.begin(nowUs);
    this.limitUs = nowUs + this.timing.doubtUs;
    this.sendPlain(CLAIM_BACK);
  }

  /**
   * Verdicts are judged by the entry that they show, never by the word alone: an old message of ours that somebody repeats draws a
   * verdict, too. Epochs only ever grow, so that an entry of a later epoch than ours is the last word about ours.
   */
  private receiveVerdict(h: MigrationHeader, nowUs: number): void {
    if (h.verdict === VERDICT_LEARNING) return; // asked again in time
    if (h.verdict === VERDICT_STALE) {
      // The switch was restarted; whoever sends for us knows the new one now. One answer draws one message, never more.
      if (this.state === ORIGIN_FENCING || this.state === ORIGIN_CLAIMING) this.sendPlain(CLAIM_BACK);
      else if (this.state === ORIGIN_RELEARNING) this.sendPlain(RELEARN);
      return;
    }
    const unknown = h.verdict === VERDICT_UNKNOWN;
    const isOurs = !unknown && h.entryOwner === this.self && h.entryTarget === ANY_BACKEND;
    if (this.state === ORIGIN_ASKING) this.judgeEntry(h, unknown, nowUs);
    else if (h.epoch !== this.epoch) return;
    else if (this.state === ORIGIN_RELEARNING) {
      if (unknown) return;
      if (isOurs && h.entryEpoch === this.epoch) this.goOn(h);
      else if (((h.entryEpoch - this.epoch) | 0) >= 0) this.finishMoved(false);
    } else if (unknown) this.judgeUnknown(nowUs);
    else if (isOurs && h.entryEpoch === ((this.epoch + 1) | 0)) this.wonBack(h);
    else if (((h.entryEpoch - this.epoch) | 0) > 0) this.judgeLater(h, nowUs);
  }

  private judgeEntry(h: MigrationHeader, unknown: boolean, nowUs: number): void {
    if (unknown) this.finish('stayed');
    else if (h.verdict !== VERDICT_ENTRY) return;
    else if (h.entryOwner === this.self) {
      this.epoch = h.entryEpoch;
      this.fence(nowUs);
    } else this.finishOutlawed();
  }

  /** The entry is at a later epoch, and our claim did not make it so. */
  private judgeLater(h: MigrationHeader, nowUs: number): void {
    if (this.state === ORIGIN_CLAIMING) {
      this.finishMoved(h.entryOwner === this.target && h.entryEpoch === ((this.epoch + 1) | 0));
    } else if (this.state === ORIGIN_FENCING) {
      if (h.entryOwner === this.self) {
        this.epoch = h.entryEpoch;
        this.fence(nowUs);
      } else this.finishOutlawed();
    }
  }

  private judgeUnknown(nowUs: number): void {
    if (this.state === ORIGIN_FENCING) this.finish('stayed');
    if (this.state !== ORIGIN_CLAIMING) return;
    if (this.targetGaveUp) {
      this.relearn(nowUs);
      return;
    }
    if (!this.unknown) this.limitUs = nowUs + this.timing.orphanUs;
    this.unknown = true;
    this.sendAbort();
  }

  private wonBack(h: MigrationHeader): void {
    if (this.state === ORIGIN_FENCING) {
      this.epoch = h.entryEpoch;
      this.finish('stayed');
    } else if (this.state === ORIGIN_CLAIMING) this.goOn(h);
  }

  private goOn(h: MigrationHeader): void {
    this.sendAbort();
    this.epoch = h.entryEpoch;
    this.actions.resume();
    this.finish('stayed');
  }

  private tooLate(nowUs: number): void {
    if (this.state === ORIGIN_TRANSFERRING) {
      this.claimBack(nowUs);
      return;
    }
    // Nobody has answered for a minute. What was never frozen goes on: without the switch no client reaches anybody.
    if (this.frozen) {
      if (this.unknown) this.actions.reset();
      else {
        this.granted = true;
        this.actions.discard();
      }
      this.finish('lost');
    } else this.finish('stayed');
  }

  private tryAgain(nowUs: number): void {
    if (this.state === ORIGIN_PREPARING && this.retry.tries >= this.timing.prepareTries) {
      this.ask(nowUs);
      return;
    }
    this.retry.again(nowUs);
    if (this.state === ORIGIN_PREPARING) this.sendPrepare();
    else if (this.state === ORIGIN_ASKING) this.sendPlain(QUERY);
    else if (this.state === ORIGIN_TRANSFERRING) this.fragments?.again(index => this.sendFragment(index));
    else this.sendPlain(this.state === ORIGIN_RELEARNING ? RELEARN : CLAIM_BACK);
  }

  /** The target was told by a switch that has forgotten since, or will be told by nobody. */
  private answer(): void {
    const h = this.prepareHeader(ABORT);
    h.verdict = this.granted ? VERDICT_OWNED : 0;
    this.actions.send(h, undefined);
  }

  /** @param granted whether the target has it, as far as the switch knew */
  private finishMoved(granted: boolean): void {
    this.granted = granted;
    this.actions.release();
    this.finish('moved');
  }

  /** The switch says that another has the connection, which never left: what is here is nobody's. */
  private finishOutlawed(): void {
    this.actions.discard();
    this.finish('lost');
  }

  private finish(outcome: OriginOutcome): void {
    this.state = ORIGIN_DONE;
    this.fragments = undefined;
    this.retry.stop();
    this.limitUs = Number.POSITIVE_INFINITY;
    this.actions.ended(outcome, this.reason);
  }

  private schedule(): void {
    this.dueUs = Math.min(this.retry.dueUs, this.limitUs);
  }

  private prepareHeader(stage: number): MigrationHeader {
    const h = this.header;
    writeName(h, this.name);
    h.stage = stage;
    h.flags = this.flags;
    h.verdict = 0;
    h.epoch = this.epoch;
    h.origin = this.self;
    h.target = this.target;
    h.sender = this.self;
    h.fragmentIndex = 0;
    h.fragmentCount = 0;
    h.totalBytes = 0;
    h.payloadBytes = 0;
    return h;
  }

  private sendPrepare(): void {
    const h = this.prepareHeader(PREPARE);
    h.flags |= FLAG_ESTIMATE;
    h.epoch = 0;
    h.target = this.asked;
    h.totalBytes = this.estimateBytes;
    this.actions.send(h, undefined);
  }

  private sendPlain(stage: number): void {
    this.actions.send(this.prepareHeader(stage), undefined);
  }

  private sendAbort(): void {
    if (this.target !== ANY_BACKEND) this.sendPlain(ABORT);
  }

  private sendFragments(fragments: OutgoingFragments): void {
    for (let index = fragments.takeNext(); index >= 0; index = fragments.takeNext()) this.sendFragment(index);
  }

  private sendFragment(index: number): void {
    const { fragments } = this;
    if (fragments === undefined) return;
    const h = this.prepareHeader(STATE);
    const payload = fragments.bytes(index);
    h.fragmentIndex = index;
    h.fragmentCount = fragments.count;
    h.totalBytes = fragments.sealed.length;
    h.payloadBytes = payload.length;
    this.actions.send(h, payload);
  }
}
