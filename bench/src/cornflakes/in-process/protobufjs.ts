// protobufjs: encoders and decoders generated from the schema, as its static code has them, and one writer whose buffer is
// used again. Plain objects go in.

import protobuf from 'protobufjs';
import { BytesCodec, type Library, type PlainMessage, tickNumbers, touch } from './codec.ts';
import type { ManySample, SingleSample, TickSample } from './samples.ts';

/** What the decoder makes of a uint64 where no library for long integers is there: a number, or two words. */
type Uint64 = number | { low: number; high: number };

interface DecodedTick extends Omit<TickSample, 'sequence'> {
  sequence: Uint64;
}

export function protobufjs(schema: string): Library {
  const { root } = protobuf.parse(schema, { keepCase: true });
  return {
    name: 'protobufjs',
    tick: new TickCodec(root.lookupType('bench.Tick')),
    single: new SingleCodec(root.lookupType('bench.Single')),
    many: new ManyCodec(root.lookupType('bench.Many')),
  };
}

function asNumber(value: Uint64): number {
  return typeof value === 'number' ? value : value.high * 2 ** 32 + (value.low >>> 0);
}

abstract class TypeCodec<Sample> extends BytesCodec<Sample> {
  protected readonly type: protobuf.Type;
  private readonly writer: protobuf.Writer;

  constructor(type: protobuf.Type) {
    super();
    this.type = type.setup();
    this.writer = protobuf.Writer.create();
  }

  protected written(message: Record<string, unknown>): Uint8Array {
    return this.type.encode(message, this.writer.reset()).finish(true);
  }

  override readOne(wire: Uint8Array): number {
    return (this.type.decode(wire) as unknown as { id: number }).id;
  }
}

class TickCodec extends TypeCodec<TickSample> {
  override encode({ id, quantity, price, buy, venue, sequence, weight, kind }: TickSample): Uint8Array {
    return this.written({ id, quantity, price, buy, venue, sequence, weight, kind });
  }

  override readAll(wire: Uint8Array): number {
    const { id, quantity, price, buy, venue, sequence, weight, kind } = this.type.decode(
      wire,
    ) as unknown as DecodedTick;
    return id + quantity + price + (buy ? 1 : 0) + venue + asNumber(sequence) + weight + kind;
  }

  override plain(wire: Uint8Array): PlainMessage {
    const message = this.type.decode(wire) as unknown as DecodedTick;
    const { id, quantity, price, buy, venue, sequence, weight, kind } = message;
    const sample = { id, quantity, price, buy, venue, sequence: asNumber(sequence), weight, kind };
    return { numbers: tickNumbers(sample), values: [] };
  }
}

class SingleCodec extends TypeCodec<SingleSample> {
  override encode({ id, value }: SingleSample): Uint8Array {
    return this.written({ id, val: value.bytes });
  }

  override readAll(wire: Uint8Array): number {
    const { id, val } = this.type.decode(wire) as unknown as { id: number; val: Uint8Array };
    return id + touch(val);
  }

  override plain(wire: Uint8Array): PlainMessage {
    const { id, val } = this.type.decode(wire) as unknown as { id: number; val: Uint8Array };
    return { numbers: [id], values: [Uint8Array.from(val)] };
  }
}

class ManyCodec extends TypeCodec<ManySample> {
  override encode({ id, values }: ManySample): Uint8Array {
    const vals: Uint8Array[] = [];
    for (let i = 0; i < values.length; i++) vals.push(values[i]!.bytes);
    return this.written({ id, vals });
  }

  override readAll(wire: Uint8Array): number {
    const { id, vals } = this.type.decode(wire) as unknown as { id: number; vals: Uint8Array[] };
    let sum = id;
    for (let i = 0; i < vals.length; i++) sum += touch(vals[i]!);
    return sum;
  }

  override plain(wire: Uint8Array): PlainMessage {
    const { id, vals } = this.type.decode(wire) as unknown as { id: number; vals: Uint8Array[] };
    return { numbers: [id], values: vals.map(each => Uint8Array.from(each)) };
  }
}
