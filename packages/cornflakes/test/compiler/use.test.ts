// The generated classes of golden/, used as an application would.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Message as Clash, INT32, Lower, MessageKind, Source, Uint8Array_ } from './golden/names.ts';
import { Dense, OneField, Sparse } from './golden/numbers.ts';
import { Currency, Money } from './golden/shop/money.ts';
import { Order } from './golden/shop/order.ts';

describe('generated classes', () => {
  it('hold every kind of field', () => {
    const order = Order.acquire();
    order.customer = 12n;
    order.mutablePlacedAt().seconds = 1_700_000_000;
    const item = order.items.add();
    item.photo = new Uint8Array([1, 2, 3]);
    item.count = -1;
    item.codes.add(-5n);
    item.weights.add(0.1);
    item.mutablePrice().units = 250n;
    order.mutableVouchers('SPRING').currency = Currency.EUR;
    order.mutableByShelf(7n).count = 3;
    order.setCurrencies(true, Currency.USD);
    order.setCurrencies(true, 77);
    order.accepted.add(Currency.EUR);
    order.note = '';
    const bytes = order.toBytes();
    order.release();

    const read = Order.read(bytes);
    assert.equal(read.customer, 12n);
    assert.equal(read.customerNumber, 12);
    assert.equal(read.placedAt?.seconds, 1_700_000_000n);
    assert.equal(read.items.length, 1);
    assert.deepEqual([...read.items.at(0).photo], [1, 2, 3]);
    assert.equal(read.items.at(0).count, 2 ** 32 - 1);
    assert.equal(read.items.at(0).codes.at(0), -5n);
    assert.equal(read.items.at(0).weights.at(0), Math.fround(0.1));
    assert.equal(read.items.at(0).price?.units, 250n);
    assert.equal(read.getVouchers('SPRING')?.currency, Currency.EUR);
    assert.equal(read.getVouchers('WINTER'), undefined);
    assert.equal(read.getByShelf(7n)?.count, 3);
    assert.equal(read.getCurrencies(true), 77);
    assert.equal(read.getCurrencies(false), undefined);
    assert.deepEqual([...read.accepted], [Currency.EUR]);
    assert.equal(read.hasNote, true);
    assert.equal(read.note, '');
    assert.equal(read.hasTip, false);
    assert.equal(read.tip, undefined);
    read.release();
  });

  it('keep one member of a oneof', () => {
    const order = Order.acquire();
    assert.equal(order.deliveryCase, 0);
    order.address = 'here';
    assert.equal(order.deliveryCase, 7);
    order.locker = 3n;
    assert.equal(order.deliveryCase, 12);
    assert.equal(order.address, '');
    order.mutablePickup().mutableInsteadOf().none = false;
    assert.equal(order.locker, 0n);
    assert.deepEqual(order.toJSON(), { pickup: { insteadOf: { none: false } } });
    order.clearDelivery();
    assert.equal(order.deliveryCase, 0);
    assert.deepEqual(order.toJSON(), {});
    order.release();
  });

  it('keep names apart', () => {
    const message = Clash.acquire();
    message.constructor_ = 'a';
    message.hasX = true;
    message.x_ = -3n;
    message.xLow = 4n;
    message.class = new Uint8Array([255]);
    message.setLookup('__proto__', new Uint8Array([1]));
    message.mutableSources(-1n);
    message._1 = -0;
    message.typeCase_ = 'b';
    message.foobar = 5;
    message.quoted = 6;
    message.hasOwnProperty_ = 7;
    message.source_.add(8);
    message.release_ = true;
    message.valueOf_ = 'c';
    message.xNumber = 'd';
    assert.equal(message.hasX, true);
    assert.equal(message.hasX_, true);
    assert.equal(message.x_Number, -3);
    const expected = {
      constructor: 'a',
      hasX: true,
      x: '-3',
      xLow: '4',
      class: '/w==',
      // Written out, it would set the prototype.
      Lookup: JSON.parse('{"__proto__":"AQ=="}') as unknown,
      sources: { '-1': {} },
      '1': -0,
      typeCase: 'b',
      FOOBAR: 5,
      'it\'s "quoted"': 6,
      hasOwnProperty: 7,
      source: [8],
      release: true,
      valueOf: 'c',
      xNumber: 'd',
    };
    const read = Clash.read(message.toBytes());
    assert.deepEqual(Object.entries(read.toJSON() as object).sort(), Object.entries(expected).sort());
    assert.equal(Object.getPrototypeOf(read.toJSON()), Object.prototype);
    const again = Clash.fromJSON(read.toJSON());
    assert.deepEqual(again.toBytes(), message.toBytes());
    again.release();
    read.release();
    message.release();
  });

  it('keep names of types apart', () => {
    const array = Uint8Array_.acquire();
    array.number = INT32.ZERO;
    assert.equal(array.hasNumber, true);
    array.release();
    const source = Source.acquire();
    assert.deepEqual(source.toJSON(), {});
    assert.deepEqual(Source.read(source.toBytes()).toJSON(), {});
    source.release();
    assert.equal(MessageKind.prototype, -5);
    const nested = Lower.acquire();
    nested.mutableLower().mutableLower();
    assert.deepEqual(Lower.read(nested.toBytes()).toJSON(), { lower: { lower: {} } });
    nested.release();
  });

  it('use several presence words, and tags', () => {
    const json = {
      first: -1,
      bit31: true,
      word1a: true,
      word1b: 0.5,
      word1c: [true, false],
      word1d: 'd',
      word1e: 'AA==',
    };
    const dense = Dense.fromJSON({ ...json, tagged1: true });
    assert.deepEqual(Dense.read(dense.toBytes()).toJSON(), { ...json, tagged1: true });
    dense.release();
    const value = {
      a: 1,
      b: '-2',
      c: [{ a: 3 }],
      d: { 4: 'v' },
      e: [-5, 6],
      f: false,
      h: { g: '' },
      i: 0.5,
      j: ['AQ=='],
    };
    const sparse = Sparse.fromJSON(value);
    assert.deepEqual(Sparse.read(sparse.toBytes()).toJSON(), value);
    sparse.release();
    const one = OneField.acquire();
    one.only = new Uint8Array(600).fill(7);
    assert.deepEqual([...OneField.read(one.toBytes()).only], [...new Uint8Array(600).fill(7)]);
    one.release();
  });

  it('are cleared when they come back from the pool', () => {
    const first = Money.acquire();
    first.units = 1n;
    first.currency = Currency.USD;
    first.release();
    const second = Money.acquire();
    assert.equal(second.hasUnits, false);
    assert.equal(second.units, 0n);
    assert.equal(second.currency, Currency.CURRENCY_UNSPECIFIED);
    second.release();
  });
});
