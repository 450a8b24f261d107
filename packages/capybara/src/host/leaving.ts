// One connection on its way out: what the origin's state machine does to the connection and tells the application.

import { type DepartingConnection, exportConnection, type MovingHost } from 'demikernel/migration';
import type { MigrationHeader } from '../tcpmig/header.ts';
import type { OriginActions, OriginMigration, OriginOutcome } from '../tcpmig/origin.ts';
import { packState } from './connection-state.ts';
import type { MigratableHooks } from './hooks.ts';

export interface LeavingOptions {
  host: MovingHost;
  qd: number;
  hooks: MigratableHooks;
  heldPackets: number;
  graceUs: number;
  send(header: MigrationHeader, payload: Uint8Array | undefined): void;
  /** A backend's own address, where its late packets are handed to. */
  addressOf(backend: number): number | undefined;
  ended(outcome: OriginOutcome, reason: number): void;
  /** A hook of the application's has thrown. */
  hookFailed(error: unknown): void;
}

/** The connection that one {@link OriginMigration} is about. */
export class LeavingConnection implements OriginActions {
  /** Set by whoever makes the machine. */
  migration: OriginMigration | undefined;
  /** Packets that came late and were handed on. */
  forwardedPackets: number;
  private readonly options: LeavingOptions;
  private departing: DepartingConnection | undefined;

  constructor(options: LeavingOptions) {
    this.migration = undefined;
    this.forwardedPackets = 0;
    this.options = options;
    this.departing = undefined;
  }

  send(header: MigrationHeader, payload: Uint8Array | undefined): void {
    this.options.send(header, payload);
  }

  freeze(): Uint8Array | undefined {
    const { host, qd, hooks, heldPackets } = this.options;
    if (hooks.mayLeave?.() === false) return undefined;
    let departing: DepartingConnection;
    try {
      departing = exportConnection(host, qd, { heldPackets });
    } catch {
      return undefined; // it has ended meanwhile
    }
    let saved: Uint8Array;
    try {
      saved = hooks.save();
    } catch (error) {
      departing.resume();
      this.options.hookFailed(error);
      return undefined;
    }
    this.departing = departing;
    return packState(departing.record, saved);
  }

  resume(): void {
    this.departing?.resume();
    this.departing = undefined;
    this.options.hooks.stayed?.();
  }

  release(): void {
    const { hooks, graceUs, addressOf } = this.options;
    const { departing } = this;
    const to = addressOf(this.migration?.target ?? -1);
    departing?.release(packet => {
      if (to !== undefined && departing.forward(packet, to)) this.forwardedPackets++;
    }, graceUs);
    this.departing = undefined;
    hooks.left?.();
  }

  reset(): void {
    this.departing?.reset();
    this.departing = undefined;
    this.options.hooks.lost?.();
  }

  discard(): void {
    // Never frozen, and another's nevertheless: it may not say another word either.
    if (this.departing === undefined) this.freezeForGood();
    this.departing?.discard();
    this.departing = undefined;
    this.options.hooks.lost?.();
  }

  private freezeForGood(): void {
    const { host, qd } = this.options;
    try {
      this.departing = exportConnection(host, qd);
    } catch {
      // It has ended already.
    }
  }

  ended(outcome: OriginOutcome, reason: number): void {
    this.options.ended(outcome, reason);
  }
}
