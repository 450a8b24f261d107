// INCR and its kin: values that are numbers.

import { heapRegion, type Region } from '@demikernel/memory';
import { findKey, integerAt, keyFits, noteValue } from './arguments.ts';
import type { ClientState } from './client-state.ts';
import { BIG, isInt64, readBigInteger, readInteger } from './integers.ts';
import { writeDigits } from './output.ts';
import * as replies from './replies.ts';
import type { Store } from './store.ts';

export class CounterCommands {
  private readonly store: Store;
  /** Where new numbers are written before they are stored. */
  private readonly scratch: Region;

  constructor(store: Store) {
    this.store = store;
    this.scratch = heapRegion(64);
  }

  /** INCRBY, and with `negate` DECRBY. */
  addArgument(client: ClientState, negate: boolean): void {
    const { out, parser } = client;
    const delta = integerAt(client, 2);
    if (Number.isNaN(delta)) out.put(replies.NOT_INTEGER);
    else if (delta !== BIG) this.add(client, negate ? -delta : delta);
    else {
      const whole = readBigInteger(parser.region, parser.offset(2), parser.lengthOf(2))!;
      if (negate && !isInt64(-whole)) out.put(replies.DECREMENT_OVERFLOW);
      else this.addBig(client, negate ? -whole : whole);
    }
  }

  /** INCR and DECR. */
  add(client: ClientState, delta: number): void {
    const { scratch, store } = this;
    const { out } = client;
    if (!keyFits(client, 1)) return;
    let value = 0;
    if (findKey(store, client, 1)) {
      // A number is never long enough to lie in slots.
      value =
        store.large === undefined
          ? readInteger(store.region, store.valueOffset, store.valueLength)
          : Number.NaN;
      if (Number.isNaN(value)) {
        out.put(replies.NOT_INTEGER);
        return;
      }
      if (value === BIG) {
        this.addBig(client, BigInt(delta));
        return;
      }
    }
    const sum = value + delta;
    let end = 0;
    if (sum < 0) scratch.bytes[end++] = 45;
    end = writeDigits(scratch.bytes, end, sum < 0 ? -sum : sum);
    if (this.putScratch(client, end)) out.number(replies.INTEGER, sum);
  }

  /** Numbers of more than 15 digits. */
  private addBig(client: ClientState, delta: bigint): void {
    const { scratch, store } = this;
    const { out } = client;
    if (!keyFits(client, 1)) return;
    let value: bigint | undefined = 0n;
    if (findKey(store, client, 1)) {
      value =
        store.large === undefined
          ? readBigInteger(store.region, store.valueOffset, store.valueLength)
          : undefined;
    }
    if (value === undefined) {
      out.put(replies.NOT_INTEGER);
      return;
    }
    const sum = value + delta;
    if (!isInt64(sum)) {
      out.put(replies.OVERFLOW);
      return;
    }
    const text = Buffer.from(String(sum), 'latin1');
    scratch.bytes.set(text);
    if (!this.putScratch(client, text.length)) return;
    out.put(Buffer.from(`:${sum}\r\n`, 'latin1'));
  }

  private putScratch(client: ClientState, lengthBytes: number): boolean {
    const { parser } = client;
    const { scratch, store } = this;
    const offset = parser.offset(1);
    const length = parser.lengthOf(1);
    if (!store.put(parser.region, offset, length, scratch, 0, lengthBytes, undefined)) {
      client.out.put(replies.OUT_OF_MEMORY);
      return false;
    }
    noteValue(store, client, 1);
    return true;
  }
}
