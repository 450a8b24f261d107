// Sending slices where they lie: sendmsg(2) over vectors that point into the pool's region.

import type { ScatterGatherArray } from '@demikernel/memory';
import type { SocketAddress as NativeAddress } from '@demikernel/native/kernel';
import { type Address, addressOf, MAX_VECTORS, Message, MSG_NOSIGNAL } from '@demikernel/native/kernel';

/** One message header for every socket of one library OS. */
export class Sender {
  /** What the last call offered: a stream that took less has no room for more. */
  offeredBytes: number;
  private readonly message: Message;
  // Private by `#`, so that V8 keeps the one number on the heap: an ordinary field of doubles would hold it unboxed, and
  // box it anew for every call it is passed to.
  readonly #base: Address;

  /** @param base native address of the region that the slices lie in */
  constructor(base: Address) {
    this.offeredBytes = 0;
    this.message = new Message({ vectors: MAX_VECTORS });
    this.#base = base;
  }

  /** Where {@link sendTo} sends. */
  get destination(): NativeAddress {
    return this.message.name;
  }

  /** Sends the bytes of an array behind its first `skipBytes`. Bytes the kernel has taken, or a negative errno. */
  send(fd: number, array: ScatterGatherArray, skipBytes: number): number {
    this.point(array, skipBytes);
    return this.message.send(fd, MSG_NOSIGNAL);
  }

  /** Sends an array as one datagram to {@link destination}. Its length, or a negative errno. */
  sendTo(fd: number, array: ScatterGatherArray): number {
    this.point(array, 0);
    return this.message.sendTo(fd, MSG_NOSIGNAL);
  }

  private point(array: ScatterGatherArray, skipBytes: number): void {
    const message = this.message;
    const base = this.#base;
    let skip = skipBytes;
    let vectors = 0;
    let offered = 0;
    for (let i = 0; i < array.count && vectors < MAX_VECTORS; i++) {
      const slice = array.segments[i]!;
      const length = slice.length - skip;
      if (length <= 0) {
        skip -= slice.length;
        continue;
      }
      // A Gatherable may bring slices of another pool.
      if (slice.pool === array.pool) message.setVector(vectors, base, slice.offset + skip, length);
      else message.setVector(vectors, addressOf(slice.pool.region.bytes), slice.offset + skip, length);
      skip = 0;
      vectors++;
      offered += length;
    }
    this.offeredBytes = offered;
    message.setCount(vectors);
  }

  close(): void {
    this.message.close();
  }
}
