// Cornflakes: a message is gathered as a push gathers it, and read with its verification. The threshold says which values
// are referred to; Infinity copies all, 0 refers to all.

import { gatherMessage, type Message, OK } from '@demikernel/cornflakes';
import type { ScatterGatherArray, SlotPool } from '@demikernel/memory';
import { Many, Single, Tick } from '../messages/cornflakes.ts';
import { type Library, type PlainMessage, tickNumbers, touch } from './codec.ts';
import type { ManySample, SingleSample, TickSample } from './samples.ts';
import { SliceCodec } from './slice-codec.ts';

export function cornflakes(name: string, pool: SlotPool, copyThresholdBytes: number): Library {
  return {
    name,
    tick: new TickCodec(pool),
    single: new SingleCodec(pool, copyThresholdBytes),
    many: new ManyCodec(pool, copyThresholdBytes),
  };
}

function read(message: Message, wire: ScatterGatherArray): void {
  const reason = message.tryRead(wire);
  if (reason !== OK) throw new Error(`refused: ${reason}`);
}

class TickCodec extends SliceCodec<TickSample> {
  private readonly writing: Tick = Tick.acquire();
  private readonly reading: Tick = Tick.acquire();

  override encode(sample: TickSample): ScatterGatherArray {
    const message = this.writing;
    message.clear();
    message.id = sample.id;
    message.quantity = sample.quantity;
    message.price = sample.price;
    message.buy = sample.buy;
    message.venue = sample.venue;
    message.sequence = sample.sequence;
    message.weight = sample.weight;
    message.kind = sample.kind;
    return gatherMessage(this.pool, message)!;
  }

  override readOne(wire: ScatterGatherArray): number {
    read(this.reading, wire);
    return this.reading.id;
  }

  override readAll(wire: ScatterGatherArray): number {
    const message = this.reading;
    read(message, wire);
    const { id, quantity, price, venue, sequenceNumber, weight, kind } = message;
    return id + quantity + price + (message.buy ? 1 : 0) + venue + sequenceNumber + weight + kind;
  }

  override plain(wire: ScatterGatherArray): PlainMessage {
    read(this.reading, wire);
    const { id, quantity, price, buy, venue, sequenceNumber, weight, kind } = this.reading;
    const sample = { id, quantity, price, buy, venue, sequence: sequenceNumber, weight, kind };
    return { numbers: tickNumbers(sample), values: [] };
  }
}

class SingleCodec extends SliceCodec<SingleSample> {
  private readonly writing: Single = Single.acquire();
  private readonly reading: Single = Single.acquire();

  constructor(pool: SlotPool, copyThresholdBytes: number) {
    super(pool);
    this.writing.copyThresholdBytes = copyThresholdBytes;
  }

  override encode(sample: SingleSample): ScatterGatherArray {
    const message = this.writing;
    message.clear();
    message.id = sample.id;
    message.val = sample.value.slice;
    return gatherMessage(this.pool, message)!;
  }

  override readOne(wire: ScatterGatherArray): number {
    read(this.reading, wire);
    return this.reading.id;
  }

  override readAll(wire: ScatterGatherArray): number {
    read(this.reading, wire);
    return this.reading.id + touch(this.reading.val);
  }

  override plain(wire: ScatterGatherArray): PlainMessage {
    read(this.reading, wire);
    return { numbers: [this.reading.id], values: [this.reading.valField.copy()] };
  }
}

class ManyCodec extends SliceCodec<ManySample> {
  private readonly writing: Many = Many.acquire();
  private readonly reading: Many = Many.acquire();
  private readonly copyThresholdBytes: number;

  constructor(pool: SlotPool, copyThresholdBytes: number) {
    super(pool);
    this.copyThresholdBytes = copyThresholdBytes;
  }

  override encode({ id, values }: ManySample): ScatterGatherArray {
    const message = this.writing;
    message.clear();
    message.id = id;
    const { vals } = message;
    for (let i = 0; i < values.length; i++) vals.add(values[i]!.slice, this.copyThresholdBytes);
    return gatherMessage(this.pool, message)!;
  }

  override readOne(wire: ScatterGatherArray): number {
    read(this.reading, wire);
    return this.reading.id;
  }

  override readAll(wire: ScatterGatherArray): number {
    read(this.reading, wire);
    const { id, vals } = this.reading;
    let sum = id;
    for (let i = 0; i < vals.length; i++) sum += touch(vals.at(i));
    return sum;
  }

  override plain(wire: ScatterGatherArray): PlainMessage {
    read(this.reading, wire);
    const { id, vals } = this.reading;
    return { numbers: [id], values: Array.from({ length: vals.length }, (_, i) => vals.fieldAt(i).copy()) };
  }
}
