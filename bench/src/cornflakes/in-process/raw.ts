// The limit: framing written by hand, fields at fixed offsets, values copied once into registered memory. Little-endian:
//
//   tick:   u32 id, i32 quantity, f64 price, u32 buy, u32 venue, f64 sequence, f32 weight, u32 kind
//   single: u32 id, u32 length, the value
//   many:   u32 id, u32 count, u32 length of each, the values

import type { ScatterGatherArray, SlotPool } from '@demikernel/memory';
import { type Library, type PlainMessage, tickNumbers, touch } from './codec.ts';
import type { ManySample, SingleSample, TickSample } from './samples.ts';
import { SliceCodec } from './slice-codec.ts';

const TICK_BYTES = 40;

export function raw(pool: SlotPool): Library {
  return { name: 'raw', tick: new TickCodec(pool), single: new SingleCodec(pool), many: new ManyCodec(pool) };
}

class TickCodec extends SliceCodec<TickSample> {
  override encode(sample: TickSample): ScatterGatherArray {
    const wire = this.alloc(TICK_BYTES);
    const at = wire.segments[0]!.offset;
    const { view } = this.pool.region;
    view.setUint32(at, sample.id, true);
    view.setInt32(at + 4, sample.quantity, true);
    view.setFloat64(at + 8, sample.price, true);
    view.setUint32(at + 16, sample.buy ? 1 : 0, true);
    view.setUint32(at + 20, sample.venue, true);
    view.setFloat64(at + 24, sample.sequence, true);
    view.setFloat32(at + 32, sample.weight, true);
    view.setUint32(at + 36, sample.kind, true);
    return wire;
  }

  override readOne(wire: ScatterGatherArray): number {
    return this.pool.region.view.getUint32(wire.segments[0]!.offset, true);
  }

  override readAll(wire: ScatterGatherArray): number {
    const at = wire.segments[0]!.offset;
    const { view } = this.pool.region;
    let sum = view.getUint32(at, true) + view.getInt32(at + 4, true) + view.getFloat64(at + 8, true);
    sum += view.getUint32(at + 16, true) + view.getUint32(at + 20, true) + view.getFloat64(at + 24, true);
    return sum + view.getFloat32(at + 32, true) + view.getUint32(at + 36, true);
  }

  override plain(wire: ScatterGatherArray): PlainMessage {
    const at = wire.segments[0]!.offset;
    const { view } = this.pool.region;
    const sample: TickSample = {
      id: view.getUint32(at, true),
      quantity: view.getInt32(at + 4, true),
      price: view.getFloat64(at + 8, true),
      buy: view.getUint32(at + 16, true) === 1,
      venue: view.getUint32(at + 20, true),
      sequence: view.getFloat64(at + 24, true),
      weight: view.getFloat32(at + 32, true),
      kind: view.getUint32(at + 36, true),
    };
    return { numbers: tickNumbers(sample), values: [] };
  }
}

class SingleCodec extends SliceCodec<SingleSample> {
  override encode({ id, value: { slice } }: SingleSample): ScatterGatherArray {
    const wire = this.alloc(8 + slice.length);
    const at = wire.segments[0]!.offset;
    const { view } = this.pool.region;
    view.setUint32(at, id, true);
    view.setUint32(at + 4, slice.length, true);
    this.copy(at + 8, slice.offset, slice.length);
    return wire;
  }

  override readOne(wire: ScatterGatherArray): number {
    return this.pool.region.view.getUint32(wire.segments[0]!.offset, true);
  }

  override readAll(wire: ScatterGatherArray): number {
    return this.readOne(wire) + touch(this.value(wire));
  }

  private value(wire: ScatterGatherArray): Uint8Array {
    const at = wire.segments[0]!.offset;
    const { bytes, view } = this.pool.region;
    return bytes.subarray(at + 8, at + 8 + view.getUint32(at + 4, true));
  }

  override plain(wire: ScatterGatherArray): PlainMessage {
    return { numbers: [this.readOne(wire)], values: [this.value(wire).slice()] };
  }
}

class ManyCodec extends SliceCodec<ManySample> {
  override encode({ id, values }: ManySample): ScatterGatherArray {
    let length = 8 + 4 * values.length;
    for (let i = 0; i < values.length; i++) length += values[i]!.slice.length;
    const wire = this.alloc(length);
    const at = wire.segments[0]!.offset;
    const { view } = this.pool.region;
    view.setUint32(at, id, true);
    view.setUint32(at + 4, values.length, true);
    let end = at + 8 + 4 * values.length;
    for (let i = 0; i < values.length; i++) {
      const { slice } = values[i]!;
      view.setUint32(at + 8 + 4 * i, slice.length, true);
      end = this.copy(end, slice.offset, slice.length);
    }
    return wire;
  }

  override readOne(wire: ScatterGatherArray): number {
    return this.pool.region.view.getUint32(wire.segments[0]!.offset, true);
  }

  override readAll(wire: ScatterGatherArray): number {
    const at = wire.segments[0]!.offset;
    const { bytes, view } = this.pool.region;
    const count = view.getUint32(at + 4, true);
    let sum = view.getUint32(at, true);
    let start = at + 8 + 4 * count;
    for (let i = 0; i < count; i++) {
      const end = start + view.getUint32(at + 8 + 4 * i, true);
      sum += touch(bytes.subarray(start, end));
      start = end;
    }
    return sum;
  }

  override plain(wire: ScatterGatherArray): PlainMessage {
    const at = wire.segments[0]!.offset;
    const { bytes, view } = this.pool.region;
    const values: Uint8Array[] = [];
    let start = at + 8 + 4 * view.getUint32(at + 4, true);
    for (let i = 0; i < view.getUint32(at + 4, true); i++) {
      const end = start + view.getUint32(at + 8 + 4 * i, true);
      values.push(bytes.slice(start, end));
      start = end;
    }
    return { numbers: [view.getUint32(at, true)], values };
  }
}
