// Which start of the switch this host talks to. It is learned from whatever the switch has written into, and asked for by a question
// that no old answer fits; a switch that is another one than before has forgotten everything.

import {
  ANY_BACKEND,
  MigrationHeader,
  PREPARE,
  PREPARE_ACK,
  QUERY,
  REJECT,
  VERDICT,
} from '../tcpmig/header.ts';
import type { IdentifierSource } from './agent.ts';

/** Knows the switch by the identifier of its start. */
export class SwitchWatch {
  /** What claims name. An old message, sent again, may make it an old one: the next claim is told so, and is repeated. */
  boot: number;
  /** From an answer that was certainly new; 0 before the first. */
  private confirmed: number;
  private readonly self: number;
  private readonly random: IdentifierSource;
  private readonly send: (header: MigrationHeader) => void;
  private readonly restarted: () => void;
  private readonly question: MigrationHeader;
  private asked: boolean;

  /** @param restarted the switch is another one than at the last answer */
  constructor(
    self: number,
    random: IdentifierSource,
    send: (header: MigrationHeader) => void,
    restarted: () => void,
  ) {
    this.boot = 0;
    this.confirmed = 0;
    this.self = self;
    this.random = random;
    this.send = send;
    this.restarted = restarted;
    this.question = new MigrationHeader();
    this.asked = false;
  }

  /** Asks about a connection that there cannot be: the answer names the start. */
  ask(): void {
    const h = this.question;
    h.stage = QUERY;
    h.identifierLow = this.random.int32();
    h.identifierHigh = this.random.int32();
    h.origin = this.self;
    h.target = ANY_BACKEND;
    h.sender = this.self;
    this.asked = true;
    this.send(h);
  }

  /** A message of the fleet's. @returns whether it was the answer to our question, and nobody else's */
  receive(h: MigrationHeader): boolean {
    const { question } = this;
    if (
      this.asked &&
      h.stage === VERDICT &&
      h.clientAddress === 0 &&
      h.identifierLow === question.identifierLow &&
      h.identifierHigh === question.identifierHigh
    ) {
      this.asked = false;
      const before = this.confirmed;
      this.boot = h.boot;
      this.confirmed = h.boot;
      if (before !== 0 && before !== h.boot) this.restarted();
      return true;
    }
    // What the switch itself has signed: its answers, and what it fills in or checks on the way.
    const isSwitchs = h.stage === VERDICT || (h.stage === REJECT && h.sender === this.self);
    if (isSwitchs || h.stage === PREPARE || h.stage === PREPARE_ACK) this.boot = h.boot;
    return false;
  }
}
