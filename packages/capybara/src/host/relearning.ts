// After a restart the switch knows nobody's connections: each backend says its own, until every one has been confirmed.

import { type Runtime, Timer } from 'demikernel/stack';
import { type FlowName, flowKey, readName, writeName } from '../tcpmig/flow.ts';
import { MigrationHeader, RELEARN, VERDICT_LOST, VERDICT_OWNED, VERDICT_STALE } from '../tcpmig/header.ts';

/** Claims sent in one go: they have to fit in the receive queue of the answers. */
const BURST = 128;

interface Claim {
  readonly flow: FlowName;
  /** `undefined` when the connection has ended, or is on its way: whoever it belongs to then says so. */
  readonly epochOf: () => number | undefined;
}

/** The claims that the switch has not answered. */
export class Relearning {
  /** Connections that the switch says are another's. */
  lost: number;
  private readonly runtime: Runtime;
  private readonly self: number;
  private readonly send: (header: MigrationHeader) => void;
  private readonly retryUs: number;
  private readonly claims: Map<string, Claim>;
  private readonly timer: Timer;
  private readonly header: MigrationHeader;

  constructor(runtime: Runtime, self: number, send: (header: MigrationHeader) => void, retryUs: number) {
    this.lost = 0;
    this.runtime = runtime;
    this.self = self;
    this.send = send;
    this.retryUs = retryUs;
    this.claims = new Map();
    this.timer = new Timer(this, 0);
    this.header = new MigrationHeader();
  }

  /** Claims without an answer. */
  get open(): number {
    return this.claims.size;
  }

  claim(flow: FlowName, epochOf: () => number | undefined): void {
    this.claims.set(flowKey(flow), { flow, epochOf });
  }

  /** Says what is to be said, now and again. */
  begin(): void {
    this.onTimer();
  }

  onTimer(): void {
    let left = BURST;
    for (const [key, claim] of this.claims) {
      if (left-- === 0) break;
      this.say(key, claim);
    }
    if (this.claims.size > 0) this.runtime.timers.arm(this.timer, this.retryUs);
  }

  private say(key: string, { flow, epochOf }: Claim): void {
    const epoch = epochOf();
    if (epoch === undefined) {
      this.claims.delete(key);
      return;
    }
    const h = this.header;
    writeName(h, { ...flow, identifierLow: 0, identifierHigh: 0 });
    h.stage = RELEARN;
    h.epoch = epoch;
    h.origin = this.self;
    h.target = this.self;
    h.sender = this.self;
    this.send(h);
  }

  /** A verdict without an identifier; false when it answers no claim. */
  answered(h: MigrationHeader): boolean {
    if (h.origin !== this.self || h.target !== this.self) return false;
    const key = flowKey(readName(h));
    const claim = this.claims.get(key);
    if (claim === undefined) return true;
    // We knew an earlier start of the switch: the same claim for this one.
    if (h.verdict === VERDICT_STALE) this.say(key, claim);
    if (h.verdict === VERDICT_LOST) this.lost++;
    if (h.verdict === VERDICT_OWNED || h.verdict === VERDICT_LOST) this.claims.delete(key);
    return true;
  }

  close(): void {
    this.runtime.timers.cancel(this.timer);
    this.claims.clear();
  }
}
