// JSON, bytes as base64.

import { BytesCodec, type Library, type PlainMessage, tickNumbers, touch } from './codec.ts';
import type { ManySample, SingleSample, StoredValue, TickSample } from './samples.ts';

export function json(): Library {
  return { name: 'json', tick: new TickCodec(), single: new SingleCodec(), many: new ManyCodec() };
}

function parse<T>(wire: Uint8Array): T {
  return JSON.parse((wire as Buffer).toString('utf8')) as T;
}

function base64({ bytes: { buffer, byteLength, byteOffset } }: StoredValue): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString('base64');
}

class TickCodec extends BytesCodec<TickSample> {
  override encode(sample: TickSample): Uint8Array {
    return Buffer.from(JSON.stringify(sample));
  }

  override readOne(wire: Uint8Array): number {
    return parse<TickSample>(wire).id;
  }

  override readAll(wire: Uint8Array): number {
    const { id, quantity, price, buy, venue, sequence, weight, kind } = parse<TickSample>(wire);
    return id + quantity + price + (buy ? 1 : 0) + venue + sequence + weight + kind;
  }

  override plain(wire: Uint8Array): PlainMessage {
    return { numbers: tickNumbers(parse<TickSample>(wire)), values: [] };
  }
}

class SingleCodec extends BytesCodec<SingleSample> {
  override encode({ id, value }: SingleSample): Uint8Array {
    return Buffer.from(JSON.stringify({ id, val: base64(value) }));
  }

  override readOne(wire: Uint8Array): number {
    return parse<{ id: number }>(wire).id;
  }

  override readAll(wire: Uint8Array): number {
    const { id, val } = parse<{ id: number; val: string }>(wire);
    return id + touch(Buffer.from(val, 'base64'));
  }

  override plain(wire: Uint8Array): PlainMessage {
    const { id, val } = parse<{ id: number; val: string }>(wire);
    return { numbers: [id], values: [Uint8Array.from(Buffer.from(val, 'base64'))] };
  }
}

class ManyCodec extends BytesCodec<ManySample> {
  override encode({ id, values }: ManySample): Uint8Array {
    const vals: string[] = [];
    for (let i = 0; i < values.length; i++) vals.push(base64(values[i]!));
    return Buffer.from(JSON.stringify({ id, vals }));
  }

  override readOne(wire: Uint8Array): number {
    return parse<{ id: number }>(wire).id;
  }

  override readAll(wire: Uint8Array): number {
    const { id, vals } = parse<{ id: number; vals: string[] }>(wire);
    let sum = id;
    for (let i = 0; i < vals.length; i++) sum += touch(Buffer.from(vals[i]!, 'base64'));
    return sum;
  }

  override plain(wire: Uint8Array): PlainMessage {
    const { id, vals } = parse<{ id: number; vals: string[] }>(wire);
    return { numbers: [id], values: vals.map(each => Uint8Array.from(Buffer.from(each, 'base64'))) };
  }
}
