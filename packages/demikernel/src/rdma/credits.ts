// Credits: how many messages each end may send before the other has a receive posted for one more, so that "receiver not ready"
// never happens. Counting only.
//
// Data leaves three credits untouched: they are for control messages, so that both ends can always give credits back.

/** Credits that data does not touch. */
const CONTROL_RESERVE = 3;
/** Control messages received that are worth a message of their own. */
const CONTROL_OWED = 2;

/** One end of one connection. */
export class Credits {
  /** Messages that we may still send. */
  available: number;
  /** What the peer may send at most, and may still send. */
  readonly window: number;
  promised: number;
  /** To be given back: receives that data, and that control messages, have used. */
  owedData: number;
  owedControl: number;
  private readonly most: number;

  /** @param available what the peer has granted @param window what we have granted the peer */
  constructor(available: number, window: number) {
    this.available = available;
    this.most = available;
    this.window = window;
    this.promised = window;
    this.owedData = 0;
    this.owedControl = 0;
  }

  get canSendData(): boolean {
    return this.available > CONTROL_RESERVE;
  }

  /** Whether what is owed deserves a message of its own. */
  get worthControl(): boolean {
    return this.owedData >= this.window >> 2 || this.owedControl >= CONTROL_OWED;
  }

  /** Takes what the peer gives back. False: more than it ever had. */
  give(count: number): boolean {
    this.available += count;
    return this.available <= this.most;
  }

  /** The peer has sent a message. False: it had no credit for it. */
  received(): boolean {
    if (this.promised === 0) return false;
    this.promised--;
    return true;
  }

  /** Gives back what is owed, as far as receives are posted for it. How many. */
  takeOwed(posted: number): number {
    const owed = this.owedData + this.owedControl;
    const count = owed < posted ? owed : posted;
    const control = count < this.owedControl ? count : this.owedControl;
    this.owedControl -= control;
    this.owedData -= count - control;
    this.promised += count;
    return count;
  }
}
