// The ablation of the fused push: a codec whose replies are first serialized into a buffer of their own, and copied from
// there into what is sent, as with a library that knows no push. For codecs that copy every value.

import type { Codec, ObjectReply, ObjectRequest } from '@demikernel/apps/kv-objects';
import { type Gatherable, heapRegion, type ScatterGatherArray, SlotPool } from '@demikernel/memory';

/** Holds any reply of a workload in one piece. */
const BUFFER_BYTES = 131_072;

/** A message that has been written already. */
class Written implements Gatherable {
  private readonly pool: SlotPool = new SlotPool(heapRegion(2 * BUFFER_BYTES), {
    slotSizeBytes: BUFFER_BYTES,
  });
  private array: ScatterGatherArray | undefined = undefined;

  of(message: Gatherable): this {
    this.release();
    this.array = this.pool.allocArray(message.copiedBytes())!;
    message.write(this.array);
    return this;
  }

  copiedBytes(): number {
    return this.array!.lengthBytes;
  }

  write(into: ScatterGatherArray): void {
    into.copyFromArray(this.array!);
  }

  gather(): void {}

  release(): void {
    this.array?.free();
    this.array = undefined;
  }
}

export class SerializeFirst implements Codec {
  readonly name: Codec['name'];
  private readonly inner: Codec;
  private readonly written: Written;

  /** @param inner must not refer to anything: what it would gather is not sent */
  constructor(inner: Codec) {
    this.name = inner.name;
    this.inner = inner;
    this.written = new Written();
  }

  encodeRequest(request: ObjectRequest): Gatherable {
    return this.inner.encodeRequest(request);
  }

  encodeReply(reply: ObjectReply): Gatherable {
    return this.written.of(this.inner.encodeReply(reply));
  }

  decodeRequest(frame: ScatterGatherArray, into: ObjectRequest): boolean {
    return this.inner.decodeRequest(frame, into);
  }

  decodeReply(frame: ScatterGatherArray, into: ObjectReply): boolean {
    return this.inner.decodeReply(frame, into);
  }

  release(): void {
    this.inner.release();
    this.written.release();
  }
}
