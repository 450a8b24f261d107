// Whether the application's state is that of its connection: everything that was popped has been taken and worked into it.

import { hasUntaken, isReading, type MovingHost } from 'demikernel/migration';
import type { MigratableHooks } from './hooks.ts';

/** Looked at once per turn of the loop, until it is so. */
export class Readiness {
  private readonly host: MovingHost;
  private readonly qd: number;
  private readonly hooks: MigratableHooks;
  private wasReading: boolean;
  /** Handlers of promises that were settled before have run. */
  private handlersRan: boolean;
  private fence: NodeJS.Immediate | undefined;

  constructor(host: MovingHost, qd: number, hooks: MigratableHooks) {
    this.host = host;
    this.qd = qd;
    this.hooks = hooks;
    this.wasReading = true;
    this.handlersRan = false;
    this.fence = undefined;
  }

  check(): boolean {
    if (this.hooks.readByPromises !== true) return !hasUntaken(this.host, this.qd);
    const reading = isReading(this.host, this.qd);
    // A read was over since the last look: its bytes may be on the way to their handler, which runs between turns of Node's loop.
    if (!reading && this.wasReading) this.waitForHandlers();
    this.wasReading = reading;
    return (reading || this.handlersRan) && this.hooks.mayLeave?.() !== false;
  }

  private waitForHandlers(): void {
    this.handlersRan = false;
    if (this.fence !== undefined) clearImmediate(this.fence);
    this.fence = setImmediate(() => {
      this.handlersRan = true;
    });
    this.fence.unref();
  }
}
