// Cap'n Proto by capnp-es: one segment, not packed, which is its quickest form.

import { Message } from 'capnp-es';
import { Many, Single, Tick } from '../messages/capnp.ts';
import { BytesCodec, type Library, type PlainMessage, tickNumbers, touch } from './codec.ts';
import type { ManySample, SingleSample, TickSample } from './samples.ts';

export function capnp(): Library {
  return { name: 'capnp-es', tick: new TickCodec(), single: new SingleCodec(), many: new ManyCodec() };
}

function bytesOf(message: Message): Uint8Array {
  return new Uint8Array(message.toArrayBuffer());
}

class TickCodec extends BytesCodec<TickSample> {
  override encode(sample: TickSample): Uint8Array {
    const message = new Message();
    const root = message.initRoot(Tick);
    root.id = sample.id;
    root.quantity = sample.quantity;
    root.price = sample.price;
    root.buy = sample.buy;
    root.venue = sample.venue;
    root.sequence = BigInt(sample.sequence);
    root.weight = sample.weight;
    root.kind = sample.kind;
    return bytesOf(message);
  }

  override readOne(wire: Uint8Array): number {
    return new Message(wire, false).getRoot(Tick).id;
  }

  override readAll(wire: Uint8Array): number {
    const m = new Message(wire, false).getRoot(Tick);
    let sum = m.id + m.quantity + m.price + (m.buy ? 1 : 0) + m.venue;
    sum += Number(m.sequence);
    return sum + m.weight + m.kind;
  }

  override plain(wire: Uint8Array): PlainMessage {
    const m = new Message(wire, false).getRoot(Tick);
    const { id, quantity, price, buy, venue, sequence, weight, kind } = m;
    const sample = { id, quantity, price, buy, venue, sequence: Number(sequence), weight, kind };
    return { numbers: tickNumbers(sample), values: [] };
  }
}

class SingleCodec extends BytesCodec<SingleSample> {
  override encode({ id, value }: SingleSample): Uint8Array {
    const message = new Message();
    const root = message.initRoot(Single);
    root.id = id;
    root._initVal(value.bytes.length).copyBuffer(value.bytes);
    return bytesOf(message);
  }

  override readOne(wire: Uint8Array): number {
    return new Message(wire, false).getRoot(Single).id;
  }

  override readAll(wire: Uint8Array): number {
    const root = new Message(wire, false).getRoot(Single);
    return root.id + touch(root.val.toUint8Array());
  }

  override plain(wire: Uint8Array): PlainMessage {
    const root = new Message(wire, false).getRoot(Single);
    return { numbers: [root.id], values: [root.val.toUint8Array().slice()] };
  }
}

class ManyCodec extends BytesCodec<ManySample> {
  override encode({ id, values }: ManySample): Uint8Array {
    const message = new Message();
    const root = message.initRoot(Many);
    root.id = id;
    const vals = root._initVals(values.length);
    for (let i = 0; i < values.length; i++) {
      const { bytes } = values[i]!;
      vals.get(i)._initVal(bytes.length).copyBuffer(bytes);
    }
    return bytesOf(message);
  }

  override readOne(wire: Uint8Array): number {
    return new Message(wire, false).getRoot(Many).id;
  }

  override readAll(wire: Uint8Array): number {
    const root = new Message(wire, false).getRoot(Many);
    const { vals } = root;
    let sum = root.id;
    for (let i = 0; i < vals.length; i++) sum += touch(vals.get(i).val.toUint8Array());
    return sum;
  }

  override plain(wire: Uint8Array): PlainMessage {
    const root = new Message(wire, false).getRoot(Many);
    return {
      numbers: [root.id],
      values: Array.from({ length: root.vals.length }, (_, i) => root.vals.get(i).val.toUint8Array().slice()),
    };
  }
}
