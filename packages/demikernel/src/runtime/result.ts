// Results: what is left of an operation when it is over.

import type { ScatterGatherArray } from '@demikernel/memory';
import { OP_NONE, type Operation, type QueueToken } from './operation.ts';
import { SocketAddress } from './socket-address.ts';

/**
 * The outcome of one operation. Wait sets and coroutines reuse theirs: it is valid until the set's next wait, or the
 * coroutine's next `yield*`. The memory in `array` outlives it and is yours to free.
 */
export class Result {
  /** `OP_PUSH`, `OP_POP`, `OP_ACCEPT`, `OP_CONNECT`, `OP_OPEN`, `OP_TRUNCATE`. */
  opcode: number;
  qd: number;
  token: QueueToken;
  /** 0, or why the operation failed. */
  errno: number;
  /** Pop: the bytes; an empty array (`count` 0) is the end of the stream. Otherwise `undefined`. */
  array: ScatterGatherArray | undefined;
  /** Accept: the descriptor of the connection. Open and create: that of the log. */
  acceptedQd: number;
  /** Pop: bytes received. Push: bytes taken. */
  lengthBytes: number;
  /** Logs: where the record pushed or popped begins, for `seek` and `truncate`. Elsewhere -1. */
  position: number;
  /** Accept: the peer. Pop of a datagram: its source. */
  readonly address: SocketAddress;

  constructor() {
    this.opcode = OP_NONE;
    this.qd = -1;
    this.token = 0;
    this.errno = 0;
    this.array = undefined;
    this.acceptedQd = -1;
    this.lengthBytes = 0;
    this.position = -1;
    this.address = new SocketAddress();
  }

  /** Takes over what a complete operation has to say. */
  readFrom(operation: Operation): void {
    const { array } = operation;
    this.opcode = operation.opcode;
    this.qd = operation.qd;
    this.token = operation.token;
    this.errno = operation.errno;
    this.array = array;
    this.acceptedQd = operation.acceptedQd;
    this.lengthBytes = array === undefined ? operation.doneBytes : array.lengthBytes;
    this.position = operation.position;
    if (operation.addressed) this.address.copyFrom(operation.address);
    else this.address.setIpv4(0, 0);
  }

  clone(): Result {
    const copy = new Result();
    copy.opcode = this.opcode;
    copy.qd = this.qd;
    copy.token = this.token;
    copy.errno = this.errno;
    copy.array = this.array;
    copy.acceptedQd = this.acceptedQd;
    copy.lengthBytes = this.lengthBytes;
    copy.position = this.position;
    copy.address.copyFrom(this.address);
    return copy;
  }
}
