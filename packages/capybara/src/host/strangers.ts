// Packets for a virtual address whose connection is not here. Perhaps it is elsewhere, and the packet late: the switch is asked, and
// only when no living backend has it the client is told.

import type { Demikernel } from 'demikernel';
import { resetStranger, type Stranger } from 'demikernel/migration';
import { type FlowName, flowKey, readName, writeName } from '../tcpmig/flow.ts';
import {
  ANY_BACKEND,
  MigrationHeader,
  QUERY,
  RELEASE,
  VERDICT_ENTRY,
  VERDICT_UNKNOWN,
} from '../tcpmig/header.ts';

/** Strangers that are asked for at once; the others come again. */
const MAX_ASKED = 1024;
/** Questions per second: anybody can send packets that belong to nobody. */
const QUESTIONS_PER_SECOND = 2000;
const US_PER_QUESTION = 1_000_000 / QUESTIONS_PER_SECOND;
/** Questions that may come at once after a pause. */
const BURST = 64;

/** Asks for strangers, one question per connection at a time. */
export class Strangers {
  private readonly os: Demikernel;
  private readonly self: number;
  private readonly send: (header: MigrationHeader) => void;
  private readonly isDown: (backend: number) => boolean;
  private readonly asked: Map<string, { listenerQd: number; stranger: Stranger }>;
  private readonly header: MigrationHeader;
  /** When the allowance is whole again. */
  private wholeAtUs: number;

  constructor(
    os: Demikernel,
    self: number,
    send: (header: MigrationHeader) => void,
    isDown: (backend: number) => boolean,
  ) {
    this.os = os;
    this.self = self;
    this.send = send;
    this.isDown = isDown;
    this.asked = new Map();
    this.header = new MigrationHeader();
    this.wholeAtUs = 0;
  }

  private mayAsk(): boolean {
    const nowUs = this.os.libraryOs.runtime.clock.micros[0]!;
    const wholeAtUs = Math.max(this.wholeAtUs, nowUs) + US_PER_QUESTION;
    if (wholeAtUs > nowUs + BURST * US_PER_QUESTION) return false;
    this.wholeAtUs = wholeAtUs;
    return true;
  }

  meet(listenerQd: number, stranger: Stranger): void {
    if (!this.mayAsk()) return;
    const flow: FlowName = {
      clientAddress: stranger.remoteAddress,
      clientPort: stranger.remotePort,
      virtualAddress: stranger.localAddress,
      virtualPort: stranger.localPort,
    };
    const key = flowKey(flow);
    // The oldest question has been answered, or its answer is lost.
    if (this.asked.size >= MAX_ASKED) this.asked.delete(this.asked.keys().next().value!);
    this.asked.set(key, { listenerQd, stranger });
    const h = this.header;
    writeName(h, { ...flow, identifierLow: 0, identifierHigh: 0 });
    h.stage = QUERY;
    h.origin = this.self;
    h.target = ANY_BACKEND;
    h.sender = this.self;
    this.send(h);
  }

  /** The entry is prepared for us, of an attempt that is over here: its origin, or its death, is nearer to the truth. */
  private giveBack(h: MigrationHeader): void {
    const answer = this.header;
    writeName(answer, { ...readName(h), identifierLow: 0, identifierHigh: 0 });
    answer.stage = RELEASE;
    answer.epoch = h.entryEpoch;
    answer.origin = h.entryOwner;
    answer.target = this.self;
    answer.sender = this.self;
    this.send(answer);
  }

  /**
   * The switch has answered.
   *
   * @param isHere whether the connection has arrived meanwhile
   * @param isYoung whether the switch was restarted so lately that what it does not know may be in doubt between two hosts: nobody
   *   is reset for that, and the client comes again
   */
  judge(h: MigrationHeader, isHere: boolean, isYoung: boolean): void {
    const key = flowKey(readName(h));
    const asked = this.asked.get(key);
    if (asked === undefined) return;
    this.asked.delete(key);
    if (isHere) return;
    if (h.verdict === VERDICT_ENTRY && h.entryTarget === this.self) {
      this.giveBack(h);
      return;
    }
    const ours = h.entryOwner === this.self && h.entryTarget === ANY_BACKEND;
    const dead = h.entryTarget === ANY_BACKEND && this.isDown(h.entryOwner);
    const nowhere =
      (h.verdict === VERDICT_UNKNOWN && !isYoung) || (h.verdict === VERDICT_ENTRY && (ours || dead));
    if (nowhere) resetStranger(this.os.libraryOs, asked.listenerQd, asked.stranger);
  }
}
