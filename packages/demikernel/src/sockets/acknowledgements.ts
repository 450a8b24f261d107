// Pushes that wait until the peer has acknowledged them. The kernel has no event for that: SIOCOUTQ is asked.

import { errno, libc } from '@demikernel/native/kernel';
import { type Operation, OperationList, type OperationTable } from '../runtime/operation.ts';

// include/uapi/asm-generic/sockios.h: TIOCOUTQ, bytes written and not yet acknowledged.
const SIOCOUTQ = 0x5411;
const outstanding = new Int32Array(1);

/** Bytes, a sent FIN counted as one, that the peer has not acknowledged; or a negative errno. */
export function unacknowledgedBytes(fd: number): number {
  return libc().ioctl(fd, SIOCOUTQ, outstanding) === -1 ? -errno() : outstanding[0]!;
}

/** How often the kernel is asked while nothing arrives: soon at first, because most answers come soon. */
export const FIRST_ASK_US = 50;
const LAST_ASK_US = 2000;

/** The pushes of one connection that wait, in order. */
export class Acknowledgements {
  readonly waiting: OperationList;
  /** Until the kernel is to be asked again. */
  askAgainUs: number;
  private readonly operations: OperationTable;
  // Bytes that the kernel has taken over the connection's life; int32, compared by difference.
  private takenBytes: number;

  constructor(operations: OperationTable) {
    this.waiting = new OperationList();
    this.askAgainUs = FIRST_ASK_US;
    this.operations = operations;
    this.takenBytes = 0;
  }

  /** The kernel has taken more bytes. */
  taken(lengthBytes: number): void {
    this.takenBytes = (this.takenBytes + lengthBytes) | 0;
  }

  /** The push waits for everything taken so far. */
  add(operation: Operation): void {
    operation.mark = this.takenBytes;
    this.waiting.push(operation);
    this.askAgainUs = FIRST_ASK_US;
  }

  /** Completes what has been acknowledged. @param finSent whether SIOCOUTQ counts a FIN */
  ask(fd: number, finSent: boolean): void {
    const left = unacknowledgedBytes(fd);
    if (left < 0) return;
    const acknowledged = (this.takenBytes + (finSent ? 1 : 0) - left) | 0;
    let progress = false;
    for (let push = this.waiting.head; push !== undefined; push = this.waiting.head) {
      if (((acknowledged - push.mark) | 0) < 0) break;
      this.waiting.remove(push);
      this.operations.complete(push, 0);
      progress = true;
    }
    this.askAgainUs = progress ? FIRST_ASK_US : Math.min(this.askAgainUs * 2, LAST_ASK_US);
  }
}
