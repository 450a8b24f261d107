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

/**
 * A waiter on a ring and the signals that end a service. The ring watches for signals too, so that looking for one costs
 * nothing while there is none.
 */
export class UringWaiter implements Waiter, CompletionOwner {
  private readonly ring: Ring;
  private readonly signals: SignalWatch;
  private readonly id: number;
  private watching: boolean;
  /** libuv looks at its own descriptor, and ours can watch it, only after the first look. */
  private looked: boolean;
  /** There may be a signal: look before sleeping. */
  private rang: boolean;

  /** From here on SIGINT, SIGTERM and SIGHUP no longer end the process: `checkSignal` reports them. */
  constructor(ring: Ring) {
    this.ring = ring;
    this.signals = new SignalWatch([SIGINT, SIGTERM, SIGHUP]);
    this.id = ring.attach(this);
    this.watching = false;
    this.looked = false;
    this.rang = false;
  }

  checkSignal(): number {
    if (this.watching) return 0;
    this.rang = false;
    const signal = this.signals.check();
    if (this.looked) this.watch();
    this.looked = true;
    return signal;
  }

  private watch(): void {
    this.watching = true;
    const at = this.ring.prepare(IORING_OP_POLL_ADD, this.signals.descriptor, this.id, 0);
    this.ring.words[at + SQE_OPERATION_FLAGS] = POLLIN;
  }

  sleep(timeoutUs: number): void {
    if (this.rang) return;
    if (!this.watching) this.watch();
    this.ring.sleep(timeoutUs === Number.POSITIVE_INFINITY ? timeoutUs : Math.max(timeoutUs, 1));
  }

  /** A signal: the next look finds it. */
  completed(): void {
    this.watching = false;
    this.rang = true;
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
