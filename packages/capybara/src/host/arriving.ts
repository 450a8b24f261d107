// One connection on its way in: what the target's state machine does to the connection.

import { DemiError, EEXIST, ENOBUFS } from 'demikernel';
import type { ArrivingConnection, Expected } from 'demikernel/migration';
import {
  type MigrationHeader,
  REASON_BAD_STATE,
  REASON_BUSY,
  REASON_EXISTS,
  REASON_REFUSED,
} from '../tcpmig/header.ts';
import type { TargetActions, TargetOutcome } from '../tcpmig/target.ts';
import { unpackState } from './connection-state.ts';

export interface ArrivingOptions {
  expected: Expected;
  /** Whether the application here understands what was saved. */
  canGoOn(saved: Uint8Array): boolean;
  send(header: MigrationHeader): void;
  ended(outcome: TargetOutcome): void;
}

/** The connection that one `TargetMigration` is about. */
export class ArrivingState implements TargetActions {
  /** Its queue, once it has been imported. */
  qd: number;
  saved: Uint8Array;
  private readonly options: ArrivingOptions;
  private arriving: ArrivingConnection | undefined;

  constructor(options: ArrivingOptions) {
    this.qd = -1;
    this.saved = new Uint8Array(0);
    this.options = options;
    this.arriving = undefined;
  }

  send(header: MigrationHeader): void {
    this.options.send(header);
  }

  import(bytes: Uint8Array): number {
    const state = unpackState(bytes);
    if (state === undefined) return REASON_BAD_STATE;
    if (!this.options.canGoOn(state.saved)) return REASON_REFUSED;
    try {
      this.arriving = this.options.expected.import(state.record);
    } catch (error) {
      return reasonOf(error);
    }
    this.qd = this.arriving.qd;
    this.saved = state.saved;
    return 0;
  }

  resume(): void {
    this.arriving?.resume();
    this.arriving = undefined;
  }

  discard(): void {
    if (this.arriving === undefined) this.options.expected.abandon();
    else this.arriving.discard();
    this.arriving = undefined;
  }

  ended(outcome: TargetOutcome): void {
    this.options.ended(outcome);
  }
}

function reasonOf(error: unknown): number {
  if (!(error instanceof DemiError)) throw error;
  if (error.code === 'ERR_DEMI_RECORD') return REASON_BAD_STATE;
  if (error.errno === ENOBUFS) return REASON_BUSY;
  return error.errno === EEXIST ? REASON_EXISTS : REASON_REFUSED;
}
