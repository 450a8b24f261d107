// What every library is measured by: one codec per kind of message. `Sample` is the program's side, `Wire` what the library
// hands to whoever sends it.

import type { ScatterGatherArray, SlotPool } from '@demikernel/memory';
import type { ManySample, SingleSample, TickSample } from './samples.ts';

/** Fields of a message as plain values, to be compared: numbers, and bytes. */
export interface PlainMessage {
  numbers: number[];
  values: Uint8Array[];
}

export abstract class Codec<Sample, Wire> {
  /** Writes a message. The result may lie in memory that the next one overwrites. */
  abstract encode(sample: Sample): Wire;
  /** Bytes on the wire. */
  abstract size(wire: Wire): number;
  /** Gives back what `encode` took. */
  abstract drop(wire: Wire): void;
  /** What is written as slices of registered memory, as it leaves: copied, if it lies elsewhere. Ends what `encode` gave. */
  abstract toSend(wire: Wire, pool: SlotPool): ScatterGatherArray;
  /** The same bytes as they would arrive: in one piece of memory that stays. */
  abstract received(wire: Wire): Wire;
  /** Reads the first field only. */
  abstract readOne(wire: Wire): number;
  /** Reads every number, and of every value its length, first and last byte: their sum. */
  abstract readAll(wire: Wire): number;
  /** Reads everything. */
  abstract plain(wire: Wire): PlainMessage;
}

/** A library, with what may be written in it. */
export interface Library {
  name: string;
  tick: Codec<TickSample, unknown>;
  single: Codec<SingleSample, unknown>;
  many: Codec<ManySample, unknown>;
}

/** What `readAll` counts of a value. */
export function touch(bytes: Uint8Array): number {
  const { length } = bytes;
  return length === 0 ? 0 : length + bytes[0]! + bytes[length - 1]!;
}

/** A codec of a library that writes byte arrays. */
export abstract class BytesCodec<Sample> extends Codec<Sample, Uint8Array> {
  override size(wire: Uint8Array): number {
    return wire.length;
  }

  override drop(_wire: Uint8Array): void {}

  override toSend(wire: Uint8Array, pool: SlotPool): ScatterGatherArray {
    const array = pool.allocArray(wire.length)!;
    const { offset } = array.segments[0]!;
    pool.region.bytes.set(wire, offset);
    return array;
  }

  override received(wire: Uint8Array): Uint8Array {
    // A Buffer, as a socket gives it: libraries have quicker paths for it.
    return Buffer.from(wire);
  }
}

/** The fields of a tick, in order. */
export function tickNumbers(tick: TickSample): number[] {
  const { id, quantity, price, buy, venue, sequence, weight, kind } = tick;
  return [id, quantity, price, buy ? 1 : 0, venue, sequence, weight, kind];
}
