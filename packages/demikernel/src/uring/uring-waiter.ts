// How a loop that owns its thread sleeps on a ring: inside io_uring_enter(2), one system call from sleep to completions.

import {
  IORING_OP_POLL_ADD,
  POLLIN,
  SIGHUP,
  SIGINT,
  SIGTERM,
  SignalWatch,
  SQE_OPERATION_FLAGS,
} from '@demikernel/native/kernel';
import type { Waiter } from '../runtime/waiter.ts';
import type { CompletionOwner, Ring } from './ring.ts';

/** A waiter on a ring and the signals that end a service. */
export class UringWaiter implements Waiter, CompletionOwner {
  private readonly ring: Ring;
  private readonly signals: SignalWatch;
  private readonly id: number;
  private watching: boolean;

  /** From here on SIGINT, SIGTERM and SIGHUP no longer end the process: `checkSignal` reports them. */
  constructor(ring: Ring) {
    this.ring = ring;
    this.signals = new SignalWatch([SIGINT, SIGTERM, SIGHUP]);
    this.id = ring.attach(this);
    this.watching = false;
  }

  checkSignal(): number {
    return this.signals.check();
  }

  sleep(timeoutUs: number): void {
    if (!this.watching) {
      this.watching = true;
      const at = this.ring.prepare(IORING_OP_POLL_ADD, this.signals.descriptor, this.id, 0);
      this.ring.words[at + SQE_OPERATION_FLAGS] = POLLIN;
    }
    this.ring.sleep(timeoutUs === Number.POSITIVE_INFINITY ? timeoutUs : Math.max(timeoutUs, 1));
  }

  /** A signal: the loop looks for it after every sleep. */
  completed(): void {
    this.watching = false;
  }

  close(): void {
    if (this.watching && this.ring.native.fd >= 0) {
      this.ring.cancel(this.id, 0);
      this.ring.flush();
    }
    this.ring.detach(this.id);
    this.signals.close();
  }
}
