// One client of the object protocol: its socket, the message that is arriving, the replies that leave. What happens when is
// object-server.ts.

import { Deframer } from '@demikernel/cornflakes';
import type { ScatterGatherArray } from '@demikernel/memory';
import type { QueueToken } from 'demikernel';
import type { Connected } from '../connection-table.ts';
import type { Outbox } from './outbox.ts';
import { MAX_MESSAGE_BYTES } from './protocol.ts';

export class ObjectConnection implements Connected {
  readonly qd: number;
  readonly outbox: Outbox;
  /** Cuts a stream into messages; `undefined` where messages arrive whole. */
  readonly deframer: Deframer | undefined;
  /** A message that has arrived whole and is still to be answered. */
  message: ScatterGatherArray | undefined;
  popToken: QueueToken;
  pushToken: QueueToken;
  popping: boolean;
  pushing: boolean;
  /** No more input is taken; it is closed when its replies are sent. */
  ending: boolean;
  closed: boolean;

  constructor(qd: number, outbox: Outbox, isStream: boolean) {
    this.qd = qd;
    this.outbox = outbox;
    this.deframer = isStream ? new Deframer({ maxFrameBytes: MAX_MESSAGE_BYTES }) : undefined;
    this.message = undefined;
    this.popToken = -1;
    this.pushToken = -1;
    this.popping = false;
    this.pushing = false;
    this.ending = false;
    this.closed = false;
  }

  /** Takes what has arrived over. */
  received(array: ScatterGatherArray): void {
    if (this.deframer === undefined) this.message = array;
    else {
      this.deframer.add(array);
      array.free();
    }
  }

  /** The next message, the caller's to free; `undefined` when none is whole. @throws ERR_DEMI_FRAME_TOO_LONG */
  next(): ScatterGatherArray | undefined {
    if (this.deframer !== undefined) return this.deframer.next();
    const { message } = this;
    this.message = undefined;
    return message;
  }

  /** No more input is taken, what has arrived included: it makes no sense, or there is no memory for it. */
  break(): void {
    this.ending = true;
    this.deframer?.close();
  }

  /** Bytes of a message that has begun to arrive. */
  get heldBytes(): number {
    return this.deframer === undefined ? 0 : this.deframer.pendingBytes;
  }

  /** Gives back what has arrived and what would have left. */
  drop(): void {
    this.closed = true;
    this.outbox.drop();
    this.deframer?.close();
    this.message?.free();
    this.message = undefined;
  }
}
