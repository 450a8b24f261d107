// FlatBuffers: one builder that is cleared and used again, byte vectors set as a whole, readers that are used again.

import { Builder, ByteBuffer } from 'flatbuffers';
import { Blob, Many, Single, Tick } from '../messages/flatbuffers.ts';
import { BytesCodec, type Library, type PlainMessage, tickNumbers, touch } from './codec.ts';
import type { ManySample, SingleSample, TickSample } from './samples.ts';

const BUILDER_BYTES = 16_384;

export function flatbuffers(): Library {
  return { name: 'flatbuffers', tick: new TickCodec(), single: new SingleCodec(), many: new ManyCodec() };
}

class TickCodec extends BytesCodec<TickSample> {
  private readonly builder: Builder = new Builder(BUILDER_BYTES);
  private readonly reading: Tick = new Tick();

  override encode(sample: TickSample): Uint8Array {
    const { builder } = this;
    builder.clear();
    Tick.startTick(builder);
    Tick.addId(builder, sample.id);
    Tick.addQuantity(builder, sample.quantity);
    Tick.addPrice(builder, sample.price);
    Tick.addBuy(builder, sample.buy);
    Tick.addVenue(builder, sample.venue);
    Tick.addSequence(builder, BigInt(sample.sequence));
    Tick.addWeight(builder, sample.weight);
    Tick.addKind(builder, sample.kind);
    builder.finish(Tick.endTick(builder));
    return builder.asUint8Array();
  }

  private read(wire: Uint8Array): Tick {
    return Tick.getRootAsTick(new ByteBuffer(wire), this.reading);
  }

  override readOne(wire: Uint8Array): number {
    return this.read(wire).id();
  }

  override readAll(wire: Uint8Array): number {
    const m = this.read(wire);
    let sum = m.id() + m.quantity() + m.price() + (m.buy() ? 1 : 0) + m.venue();
    sum += Number(m.sequence());
    return sum + m.weight() + m.kind();
  }

  override plain(wire: Uint8Array): PlainMessage {
    const m = this.read(wire);
    const sample: TickSample = {
      id: m.id(),
      quantity: m.quantity(),
      price: m.price(),
      buy: m.buy(),
      venue: m.venue(),
      sequence: Number(m.sequence()),
      weight: m.weight(),
      kind: m.kind(),
    };
    return { numbers: tickNumbers(sample), values: [] };
  }
}

class SingleCodec extends BytesCodec<SingleSample> {
  private readonly builder: Builder = new Builder(BUILDER_BYTES);
  private readonly reading: Single = new Single();

  override encode({ id, value }: SingleSample): Uint8Array {
    const { builder } = this;
    builder.clear();
    const val = builder.createByteVector(value.bytes);
    builder.finish(Single.createSingle(builder, id, val));
    return builder.asUint8Array();
  }

  private read(wire: Uint8Array): Single {
    return Single.getRootAsSingle(new ByteBuffer(wire), this.reading);
  }

  override readOne(wire: Uint8Array): number {
    return this.read(wire).id();
  }

  override readAll(wire: Uint8Array): number {
    const message = this.read(wire);
    return message.id() + touch(message.valArray()!);
  }

  override plain(wire: Uint8Array): PlainMessage {
    const message = this.read(wire);
    return { numbers: [message.id()], values: [message.valArray()!.slice()] };
  }
}

class ManyCodec extends BytesCodec<ManySample> {
  private readonly builder: Builder = new Builder(BUILDER_BYTES);
  private readonly reading: Many = new Many();
  private readonly blob: Blob = new Blob();
  private readonly offsets: number[] = [];

  override encode({ id, values }: ManySample): Uint8Array {
    const { builder, offsets } = this;
    builder.clear();
    offsets.length = 0;
    for (let i = 0; i < values.length; i++) {
      offsets.push(Blob.createBlob(builder, builder.createByteVector(values[i]!.bytes)));
    }
    builder.finish(Many.createMany(builder, id, Many.createValsVector(builder, offsets)));
    return builder.asUint8Array();
  }

  private read(wire: Uint8Array): Many {
    return Many.getRootAsMany(new ByteBuffer(wire), this.reading);
  }

  override readOne(wire: Uint8Array): number {
    return this.read(wire).id();
  }

  override readAll(wire: Uint8Array): number {
    const message = this.read(wire);
    let sum = message.id();
    const count = message.valsLength();
    for (let i = 0; i < count; i++) sum += touch(message.vals(i, this.blob)!.valArray()!);
    return sum;
  }

  override plain(wire: Uint8Array): PlainMessage {
    const message = this.read(wire);
    const values = Array.from({ length: message.valsLength() }, (_, i) =>
      message.vals(i)!.valArray()!.slice(),
    );
    return { numbers: [message.id()], values };
  }
}
