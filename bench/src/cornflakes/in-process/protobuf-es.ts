// protobuf-es: generated descriptors, one message object per kind whose fields are set again and again.

import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  type Many,
  ManySchema,
  type Single,
  SingleSchema,
  type Tick,
  TickSchema,
} from '../messages/protobuf-es.ts';
import { BytesCodec, type Library, type PlainMessage, tickNumbers, touch } from './codec.ts';
import type { ManySample, SingleSample, TickSample } from './samples.ts';

export function protobufEs(): Library {
  return { name: 'protobuf-es', tick: new TickCodec(), single: new SingleCodec(), many: new ManyCodec() };
}

class TickCodec extends BytesCodec<TickSample> {
  private readonly message: Tick = create(TickSchema);

  override encode(sample: TickSample): Uint8Array {
    const { message } = this;
    message.id = sample.id;
    message.quantity = sample.quantity;
    message.price = sample.price;
    message.buy = sample.buy;
    message.venue = sample.venue;
    message.sequence = BigInt(sample.sequence);
    message.weight = sample.weight;
    message.kind = sample.kind;
    return toBinary(TickSchema, message);
  }

  override readOne(wire: Uint8Array): number {
    return fromBinary(TickSchema, wire).id;
  }

  override readAll(wire: Uint8Array): number {
    const { id, quantity, price, buy, venue, sequence, weight, kind } = fromBinary(TickSchema, wire);
    return id + quantity + price + (buy ? 1 : 0) + venue + Number(sequence) + weight + kind;
  }

  override plain(wire: Uint8Array): PlainMessage {
    const { sequence, ...rest } = fromBinary(TickSchema, wire);
    return { numbers: tickNumbers({ ...rest, sequence: Number(sequence) }), values: [] };
  }
}

class SingleCodec extends BytesCodec<SingleSample> {
  private readonly message: Single = create(SingleSchema);

  override encode({ id, value }: SingleSample): Uint8Array {
    this.message.id = id;
    this.message.val = value.bytes;
    return toBinary(SingleSchema, this.message);
  }

  override readOne(wire: Uint8Array): number {
    return fromBinary(SingleSchema, wire).id;
  }

  override readAll(wire: Uint8Array): number {
    const { id, val } = fromBinary(SingleSchema, wire);
    return id + touch(val);
  }

  override plain(wire: Uint8Array): PlainMessage {
    const { id, val } = fromBinary(SingleSchema, wire);
    return { numbers: [id], values: [Uint8Array.from(val)] };
  }
}

class ManyCodec extends BytesCodec<ManySample> {
  private readonly message: Many = create(ManySchema);

  override encode({ id, values }: ManySample): Uint8Array {
    const { vals } = this.message;
    this.message.id = id;
    vals.length = 0;
    for (let i = 0; i < values.length; i++) vals.push(values[i]!.bytes);
    return toBinary(ManySchema, this.message);
  }

  override readOne(wire: Uint8Array): number {
    return fromBinary(ManySchema, wire).id;
  }

  override readAll(wire: Uint8Array): number {
    const { id, vals } = fromBinary(ManySchema, wire);
    let sum = id;
    for (let i = 0; i < vals.length; i++) sum += touch(vals[i]!);
    return sum;
  }

  override plain(wire: Uint8Array): PlainMessage {
    const { id, vals } = fromBinary(ManySchema, wire);
    return { numbers: [id], values: vals.map(each => Uint8Array.from(each)) };
  }
}
