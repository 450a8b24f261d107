// Made by cornc from shop/order.proto. Do not edit: changes are lost.

import {
  type AnySource,
  BigIntList,
  BOOL,
  BYTES,
  BytesField,
  type BytesValue,
  DOUBLE,
  ENUM,
  FIXED64,
  FLOAT,
  high64,
  INT64,
  int64,
  int64Number,
  type JsonValue,
  low64,
  MAP,
  MESSAGE,
  Message,
  MessageField,
  MessageList,
  MessageType,
  NumberList,
  REPEATED,
  type ReadOptions,
  SFIXED64,
  type Source,
  STRING,
  StringField,
  type StringValue,
  UINT32,
  UINT64,
  uint64,
  uint64Number,
  type Writer,
} from '@demikernel/cornflakes';
import { Timestamp } from '../google/protobuf/timestamp.ts';
import { type Currency, CurrencyType, Money } from './money.ts';

const ORDER_ITEM: MessageType<OrderItem> = new MessageType<OrderItem>({
  name: 'shop.Order.Item',
  create: () => new OrderItem(),
  words: 1,
  fields: [
    { number: 1, name: 'photo', type: BYTES },
    { number: 2, name: 'count', type: UINT32 },
    { number: 3, name: 'price', type: MESSAGE, message: () => Money.type },
    { number: 4, name: 'codes', type: SFIXED64, label: REPEATED },
    { number: 5, name: 'weights', type: FLOAT, label: REPEATED },
  ],
});

/** One thing, some number of times. */
export class OrderItem extends Message {
  static readonly type: MessageType<OrderItem> = ORDER_ITEM;
  private present0: number;
  private readonly _photo: BytesField;
  private _count: number;
  private readonly _price: MessageField<Money>;
  private readonly _codes: BigIntList;
  private readonly _weights: NumberList;

  constructor() {
    super(ORDER_ITEM);
    this.present0 = 0;
    this._photo = new BytesField();
    this._count = 0;
    this._price = new MessageField<Money>(Money.type);
    this._codes = new BigIntList(SFIXED64);
    this._weights = new NumberList(FLOAT);
  }

  /** A cleared message from the pool. */
  static acquire(): OrderItem {
    return ORDER_ITEM.acquire();
  }

  /** Verifies and reads; the result holds references of its own until `release`. */
  static read(source: AnySource, options?: ReadOptions): OrderItem {
    return ORDER_ITEM.read(source, options);
  }

  static fromJSON(json: JsonValue): OrderItem {
    return ORDER_ITEM.fromJSON(json);
  }

  get hasPhoto(): boolean {
    return (this.present0 & 0x1) !== 0;
  }
  get photo(): Uint8Array {
    return this._photo.bytes();
  }
  set photo(value: BytesValue) {
    this._photo.set(value, this.internals.copyThresholdBytes);
    this.present0 |= 0x1;
  }
  /** Length, leases and copies of `photo` without a view. */
  get photoField(): BytesField {
    return this._photo;
  }
  clearPhoto(): void {
    this._photo.clear();
    this.present0 &= ~0x1;
  }

  get hasCount(): boolean {
    return (this.present0 & 0x2) !== 0;
  }
  get count(): number {
    return this._count;
  }
  set count(value: number) {
    this._count = value >>> 0;
    this.present0 |= 0x2;
  }
  clearCount(): void {
    this._count = 0;
    this.present0 &= ~0x2;
  }

  get hasPrice(): boolean {
    return (this.present0 & 0x4) !== 0;
  }
  /** The message, or `undefined` when there is none. Valid as long as this one. */
  get price(): Money | undefined {
    return this.present0 & 0x4 ? this._price.get() : undefined;
  }
  /** The message, to be filled in; made when there is none. */
  mutablePrice(): Money {
    this.present0 |= 0x4;
    return this._price.mutable(this);
  }
  clearPrice(): void {
    this._price.clear();
    this.present0 &= ~0x4;
  }

  get codes(): BigIntList {
    return this._codes;
  }

  get weights(): NumberList {
    return this._weights;
  }

  override clearFields(): void {
    this.present0 = 0;
    this._photo.clear();
    this._count = 0;
    this._price.clear();
    this._codes.clear();
    this._weights.clear();
  }

  override load(source: Source, at: number): void {
    let p = source.enter(this.internals, ORDER_ITEM, at);
    const present0 = source.present0;
    this.present0 = present0;
    if (present0 & 0x1) {
      this._photo.load(source, p);
      p += 8;
    }
    if (present0 & 0x2) {
      this._count = source.u32(p);
      p += 4;
    }
    if (present0 & 0x4) {
      this._price.load(source, p);
      p += 8;
    }
    if (present0 & 0x8) {
      this._codes.load(source, p);
      p += 8;
    }
    if (present0 & 0x10) this._weights.load(source, p);
  }

  override measure(w: Writer): void {
    this.countLists();
    w.measureHeader(this.internals, ORDER_ITEM, 0);
    w.measureEntries(this.internals, this.present0, 0x1d);
    if (this.present0 & 0x1) this._photo.measure(w);
    if (this.present0 & 0x4) this._price.measure(w);
    if (this.present0 & 0x8) this._codes.measure(w);
    if (this.present0 & 0x10) this._weights.measure(w);
  }

  /** A list is present when it has entries. */
  private countLists(): void {
    let present0 = this.present0 & ~0x18;
    if (this._codes.length !== 0) present0 |= 0x8;
    if (this._weights.length !== 0) present0 |= 0x10;
    this.present0 = present0;
  }

  override emit(w: Writer, at: number): void {
    const present0 = this.present0;
    let p = w.header(this.internals, at, ORDER_ITEM, 0);
    w.u32(at + 4, present0);
    if (present0 & 0x1) {
      this._photo.emit(w, p);
      p += 8;
    }
    if (present0 & 0x2) {
      w.u32(p, this._count);
      p += 4;
    }
    if (present0 & 0x4) {
      this._price.emit(w, p);
      p += 8;
    }
    if (present0 & 0x8) {
      this._codes.emit(w, p);
      p += 8;
    }
    if (present0 & 0x10) {
      this._weights.emit(w, p);
      p += 8;
    }
    if (this.internals.unknown !== undefined) w.unknownRest(p, this.internals);
  }
}

const ORDER_PICKUP: MessageType<OrderPickup> = new MessageType<OrderPickup>({
  name: 'shop.Order.Pickup',
  create: () => new OrderPickup(),
  words: 1,
  fields: [{ number: 1, name: 'insteadOf', type: MESSAGE, message: () => ORDER }],
});

export class OrderPickup extends Message {
  static readonly type: MessageType<OrderPickup> = ORDER_PICKUP;
  private present0: number;
  private readonly _insteadOf: MessageField<Order>;

  constructor() {
    super(ORDER_PICKUP);
    this.present0 = 0;
    this._insteadOf = new MessageField<Order>(ORDER);
  }

  /** A cleared message from the pool. */
  static acquire(): OrderPickup {
    return ORDER_PICKUP.acquire();
  }

  /** Verifies and reads; the result holds references of its own until `release`. */
  static read(source: AnySource, options?: ReadOptions): OrderPickup {
    return ORDER_PICKUP.read(source, options);
  }

  static fromJSON(json: JsonValue): OrderPickup {
    return ORDER_PICKUP.fromJSON(json);
  }

  get hasInsteadOf(): boolean {
    return (this.present0 & 0x1) !== 0;
  }
  /** The message, or `undefined` when there is none. Valid as long as this one. */
  get insteadOf(): Order | undefined {
    return this.present0 & 0x1 ? this._insteadOf.get() : undefined;
  }
  /** The message, to be filled in; made when there is none. */
  mutableInsteadOf(): Order {
    this.present0 |= 0x1;
    return this._insteadOf.mutable(this);
  }
  clearInsteadOf(): void {
    this._insteadOf.clear();
    this.present0 &= ~0x1;
  }

  override clearFields(): void {
    this.present0 = 0;
    this._insteadOf.clear();
  }

  override load(source: Source, at: number): void {
    const p = source.enter(this.internals, ORDER_PICKUP, at);
    const present0 = source.present0;
    this.present0 = present0;
    if (present0 & 0x1) this._insteadOf.load(source, p);
  }

  override measure(w: Writer): void {
    w.measureHeader(this.internals, ORDER_PICKUP, 0);
    w.measureEntries(this.internals, this.present0, 0x1);
    if (this.present0 & 0x1) this._insteadOf.measure(w);
  }

  override emit(w: Writer, at: number): void {
    const present0 = this.present0;
    let p = w.header(this.internals, at, ORDER_PICKUP, 0);
    w.u32(at + 4, present0);
    if (present0 & 0x1) {
      this._insteadOf.emit(w, p);
      p += 8;
    }
    if (this.internals.unknown !== undefined) w.unknownRest(p, this.internals);
  }
}

const ORDER_VOUCHERS_ENTRY: MessageType<OrderVouchersEntry> = new MessageType<OrderVouchersEntry>({
  name: 'shop.Order.VouchersEntry',
  create: () => new OrderVouchersEntry(),
  words: 1,
  fields: [
    { number: 1, name: 'key', type: STRING },
    { number: 2, name: 'value', type: MESSAGE, message: () => Money.type },
  ],
});

/** One entry of `Order.vouchers`. */
export class OrderVouchersEntry extends Message {
  static readonly type: MessageType<OrderVouchersEntry> = ORDER_VOUCHERS_ENTRY;
  private present0: number;
  private readonly _key: StringField;
  private readonly _value: MessageField<Money>;

  constructor() {
    super(ORDER_VOUCHERS_ENTRY);
    this.present0 = 0;
    this._key = new StringField();
    this._value = new MessageField<Money>(Money.type);
  }

  /** A cleared message from the pool. */
  static acquire(): OrderVouchersEntry {
    return ORDER_VOUCHERS_ENTRY.acquire();
  }

  /** Verifies and reads; the result holds references of its own until `release`. */
  static read(source: AnySource, options?: ReadOptions): OrderVouchersEntry {
    return ORDER_VOUCHERS_ENTRY.read(source, options);
  }

  static fromJSON(json: JsonValue): OrderVouchersEntry {
    return ORDER_VOUCHERS_ENTRY.fromJSON(json);
  }

  get hasKey(): boolean {
    return (this.present0 & 0x1) !== 0;
  }
  get key(): string {
    return this._key.text();
  }
  set key(value: StringValue) {
    this._key.set(value, this.internals.copyThresholdBytes);
    this.present0 |= 0x1;
  }
  /** Length, leases and copies of `key` without a view. */
  get keyField(): StringField {
    return this._key;
  }
  clearKey(): void {
    this._key.clear();
    this.present0 &= ~0x1;
  }

  get hasValue(): boolean {
    return (this.present0 & 0x2) !== 0;
  }
  /** The message, or `undefined` when there is none. Valid as long as this one. */
  get value(): Money | undefined {
    return this.present0 & 0x2 ? this._value.get() : undefined;
  }
  /** The message, to be filled in; made when there is none. */
  mutableValue(): Money {
    this.present0 |= 0x2;
    return this._value.mutable(this);
  }
  clearValue(): void {
    this._value.clear();
    this.present0 &= ~0x2;
  }

  override clearFields(): void {
    this.present0 = 0;
    this._key.clear();
    this._value.clear();
  }

  override load(source: Source, at: number): void {
    let p = source.enter(this.internals, ORDER_VOUCHERS_ENTRY, at);
    const present0 = source.present0;
    this.present0 = present0;
    if (present0 & 0x1) {
      this._key.load(source, p);
      p += 8;
    }
    if (present0 & 0x2) this._value.load(source, p);
  }

  override measure(w: Writer): void {
    w.measureHeader(this.internals, ORDER_VOUCHERS_ENTRY, 0);
    w.measureEntries(this.internals, this.present0, 0x3);
    if (this.present0 & 0x1) this._key.measure(w);
    if (this.present0 & 0x2) this._value.measure(w);
  }

  override emit(w: Writer, at: number): void {
    const present0 = this.present0;
    let p = w.header(this.internals, at, ORDER_VOUCHERS_ENTRY, 0);
    w.u32(at + 4, present0);
    if (present0 & 0x1) {
      this._key.emit(w, p);
      p += 8;
    }
    if (present0 & 0x2) {
      this._value.emit(w, p);
      p += 8;
    }
    if (this.internals.unknown !== undefined) w.unknownRest(p, this.internals);
  }
}

const ORDER_BY_SHELF_ENTRY: MessageType<OrderByShelfEntry> = new MessageType<OrderByShelfEntry>({
  name: 'shop.Order.ByShelfEntry',
  create: () => new OrderByShelfEntry(),
  words: 1,
  fields: [
    { number: 1, name: 'key', type: INT64 },
    { number: 2, name: 'value', type: MESSAGE, message: () => ORDER_ITEM },
  ],
});

/** One entry of `Order.by_shelf`. */
export class OrderByShelfEntry extends Message {
  static readonly type: MessageType<OrderByShelfEntry> = ORDER_BY_SHELF_ENTRY;
  private present0: number;
  private _keyLow: number;
  private _keyHigh: number;
  private readonly _value: MessageField<OrderItem>;

  constructor() {
    super(ORDER_BY_SHELF_ENTRY);
    this.present0 = 0;
    this._keyLow = 0;
    this._keyHigh = 0;
    this._value = new MessageField<OrderItem>(ORDER_ITEM);
  }

  /** A cleared message from the pool. */
  static acquire(): OrderByShelfEntry {
    return ORDER_BY_SHELF_ENTRY.acquire();
  }

  /** Verifies and reads; the result holds references of its own until `release`. */
  static read(source: AnySource, options?: ReadOptions): OrderByShelfEntry {
    return ORDER_BY_SHELF_ENTRY.read(source, options);
  }

  static fromJSON(json: JsonValue): OrderByShelfEntry {
    return ORDER_BY_SHELF_ENTRY.fromJSON(json);
  }

  get hasKey(): boolean {
    return (this.present0 & 0x1) !== 0;
  }
  get key(): bigint {
    return int64(this._keyLow, this._keyHigh);
  }
  set key(value: bigint | number) {
    this._keyLow = low64(value);
    this._keyHigh = high64(value);
    this.present0 |= 0x1;
  }
  /** `key` as a number, without a BigInt. @throws ERR_DEMI_UNSAFE_INTEGER beyond 2^53 */
  get keyNumber(): number {
    return int64Number(this._keyLow, this._keyHigh);
  }
  clearKey(): void {
    this._keyLow = 0;
    this._keyHigh = 0;
    this.present0 &= ~0x1;
  }

  get hasValue(): boolean {
    return (this.present0 & 0x2) !== 0;
  }
  /** The message, or `undefined` when there is none. Valid as long as this one. */
  get value(): OrderItem | undefined {
    return this.present0 & 0x2 ? this._value.get() : undefined;
  }
  /** The message, to be filled in; made when there is none. */
  mutableValue(): OrderItem {
    this.present0 |= 0x2;
    return this._value.mutable(this);
  }
  clearValue(): void {
    this._value.clear();
    this.present0 &= ~0x2;
  }

  override clearFields(): void {
    this.present0 = 0;
    this._keyLow = 0;
    this._keyHigh = 0;
    this._value.clear();
  }

  override load(source: Source, at: number): void {
    let p = source.enter(this.internals, ORDER_BY_SHELF_ENTRY, at);
    const present0 = source.present0;
    this.present0 = present0;
    if (present0 & 0x1) {
      this._keyLow = source.i32(p);
      this._keyHigh = source.i32(p + 4);
      p += 8;
    }
    if (present0 & 0x2) this._value.load(source, p);
  }

  override measure(w: Writer): void {
    w.measureHeader(this.internals, ORDER_BY_SHELF_ENTRY, 0);
    w.measureEntries(this.internals, this.present0, 0x3);
    if (this.present0 & 0x2) this._value.measure(w);
  }

  override emit(w: Writer, at: number): void {
    const present0 = this.present0;
    let p = w.header(this.internals, at, ORDER_BY_SHELF_ENTRY, 0);
    w.u32(at + 4, present0);
    if (present0 & 0x1) {
      w.u64(p, this._keyLow, this._keyHigh);
      p += 8;
    }
    if (present0 & 0x2) {
      this._value.emit(w, p);
      p += 8;
    }
    if (this.internals.unknown !== undefined) w.unknownRest(p, this.internals);
  }
}

const ORDER_CURRENCIES_ENTRY: MessageType<OrderCurrenciesEntry> = new MessageType<OrderCurrenciesEntry>({
  name: 'shop.Order.CurrenciesEntry',
  create: () => new OrderCurrenciesEntry(),
  words: 1,
  fields: [
    { number: 1, name: 'key', type: BOOL },
    { number: 2, name: 'value', type: ENUM, enum: CurrencyType },
  ],
});

/** One entry of `Order.currencies`. */
export class OrderCurrenciesEntry extends Message {
  static readonly type: MessageType<OrderCurrenciesEntry> = ORDER_CURRENCIES_ENTRY;
  private present0: number;
  private _key: boolean;
  private _value: number;

  constructor() {
    super(ORDER_CURRENCIES_ENTRY);
    this.present0 = 0;
    this._key = false;
    this._value = 0;
  }

  /** A cleared message from the pool. */
  static acquire(): OrderCurrenciesEntry {
    return ORDER_CURRENCIES_ENTRY.acquire();
  }

  /** Verifies and reads; the result holds references of its own until `release`. */
  static read(source: AnySource, options?: ReadOptions): OrderCurrenciesEntry {
    return ORDER_CURRENCIES_ENTRY.read(source, options);
  }

  static fromJSON(json: JsonValue): OrderCurrenciesEntry {
    return ORDER_CURRENCIES_ENTRY.fromJSON(json);
  }

  get hasKey(): boolean {
    return (this.present0 & 0x1) !== 0;
  }
  get key(): boolean {
    return this._key;
  }
  set key(value: boolean) {
    this._key = value;
    this.present0 |= 0x1;
  }
  clearKey(): void {
    this._key = false;
    this.present0 &= ~0x1;
  }

  get hasValue(): boolean {
    return (this.present0 & 0x2) !== 0;
  }
  get value(): Currency {
    return this._value;
  }
  set value(value: Currency) {
    this._value = value | 0;
    this.present0 |= 0x2;
  }
  clearValue(): void {
    this._value = 0;
    this.present0 &= ~0x2;
  }

  override clearFields(): void {
    this.present0 = 0;
    this._key = false;
    this._value = 0;
  }

  override load(source: Source, at: number): void {
    let p = source.enter(this.internals, ORDER_CURRENCIES_ENTRY, at);
    const present0 = source.present0;
    this.present0 = present0;
    if (present0 & 0x1) {
      this._key = source.i32(p) !== 0;
      p += 4;
    }
    if (present0 & 0x2) this._value = source.i32(p);
  }

  override measure(w: Writer): void {
    w.measureHeader(this.internals, ORDER_CURRENCIES_ENTRY, 0);
    w.measureEntries(this.internals, this.present0, 0x0);
  }

  override emit(w: Writer, at: number): void {
    const present0 = this.present0;
    let p = w.header(this.internals, at, ORDER_CURRENCIES_ENTRY, 0);
    w.u32(at + 4, present0);
    if (present0 & 0x1) {
      w.u32(p, this._key ? 1 : 0);
      p += 4;
    }
    if (present0 & 0x2) {
      w.u32(p, this._value);
      p += 4;
    }
    if (this.internals.unknown !== undefined) w.unknownRest(p, this.internals);
  }
}

const ORDER: MessageType<Order> = new MessageType<Order>({
  name: 'shop.Order',
  create: () => new Order(),
  words: 1,
  fields: [
    { number: 1, name: 'customer', type: FIXED64 },
    { number: 2, name: 'placedAt', type: MESSAGE, message: () => Timestamp.type },
    { number: 3, name: 'items', type: MESSAGE, label: REPEATED, message: () => ORDER_ITEM },
    { number: 4, name: 'vouchers', type: MESSAGE, label: MAP, message: () => ORDER_VOUCHERS_ENTRY },
    { number: 5, name: 'byShelf', type: MESSAGE, label: MAP, message: () => ORDER_BY_SHELF_ENTRY },
    { number: 6, name: 'currencies', type: MESSAGE, label: MAP, message: () => ORDER_CURRENCIES_ENTRY },
    { number: 7, name: 'address', type: STRING, oneof: 'delivery' },
    { number: 8, name: 'shop', type: UINT32, oneof: 'delivery' },
    { number: 9, name: 'pickup', type: MESSAGE, message: () => ORDER_PICKUP, oneof: 'delivery' },
    { number: 10, name: 'none', type: BOOL, oneof: 'delivery' },
    { number: 11, name: 'distanceKm', type: DOUBLE, oneof: 'delivery' },
    { number: 12, name: 'locker', type: UINT64, oneof: 'delivery' },
    { number: 13, name: 'droneCode', type: BYTES, oneof: 'delivery' },
    { number: 14, name: 'paidIn', type: ENUM, enum: CurrencyType, oneof: 'delivery' },
    { number: 15, name: 'note', type: STRING, optional: true },
    { number: 16, name: 'tip', type: MESSAGE, message: () => Money.type, optional: true },
    { number: 17, name: 'accepted', type: ENUM, label: REPEATED, enum: CurrencyType },
  ],
});

/**
 * What somebody wants to have.
 *
 * Ends no comment: *\/ stands in the text, and `code` is kept.
 */
export class Order extends Message {
  static readonly type: MessageType<Order> = ORDER;
  private present0: number;
  private _customerLow: number;
  private _customerHigh: number;
  private readonly _placedAt: MessageField<Timestamp>;
  private readonly _items: MessageList<OrderItem>;
  private readonly _vouchers: MessageList<OrderVouchersEntry>;
  private readonly _byShelf: MessageList<OrderByShelfEntry>;
  private readonly _currencies: MessageList<OrderCurrenciesEntry>;
  private readonly _address: StringField;
  private _shop: number;
  private readonly _pickup: MessageField<OrderPickup>;
  private _none: boolean;
  private _distanceKm: number;
  private _lockerLow: number;
  private _lockerHigh: number;
  private readonly _droneCode: BytesField;
  private _paidIn: number;
  private readonly _note: StringField;
  private readonly _tip: MessageField<Money>;
  private readonly _accepted: NumberList;

  constructor() {
    super(ORDER);
    this.present0 = 0;
    this._customerLow = 0;
    this._customerHigh = 0;
    this._placedAt = new MessageField<Timestamp>(Timestamp.type);
    this._items = new MessageList<OrderItem>(ORDER_ITEM);
    this._vouchers = new MessageList<OrderVouchersEntry>(ORDER_VOUCHERS_ENTRY);
    this._byShelf = new MessageList<OrderByShelfEntry>(ORDER_BY_SHELF_ENTRY);
    this._currencies = new MessageList<OrderCurrenciesEntry>(ORDER_CURRENCIES_ENTRY);
    this._address = new StringField();
    this._shop = 0;
    this._pickup = new MessageField<OrderPickup>(ORDER_PICKUP);
    this._none = false;
    this._distanceKm = 0;
    this._lockerLow = 0;
    this._lockerHigh = 0;
    this._droneCode = new BytesField();
    this._paidIn = 0;
    this._note = new StringField();
    this._tip = new MessageField<Money>(Money.type);
    this._accepted = new NumberList(ENUM);
  }

  /** A cleared message from the pool. */
  static acquire(): Order {
    return ORDER.acquire();
  }

  /** Verifies and reads; the result holds references of its own until `release`. */
  static read(source: AnySource, options?: ReadOptions): Order {
    return ORDER.read(source, options);
  }

  static fromJSON(json: JsonValue): Order {
    return ORDER.fromJSON(json);
  }

  /** Number of the field of `delivery` that is set; 0 when none is. */
  get deliveryCase(): number {
    if (this.present0 & 0x40) return 7;
    if (this.present0 & 0x80) return 8;
    if (this.present0 & 0x100) return 9;
    if (this.present0 & 0x200) return 10;
    if (this.present0 & 0x400) return 11;
    if (this.present0 & 0x800) return 12;
    if (this.present0 & 0x1000) return 13;
    if (this.present0 & 0x2000) return 14;
    return 0;
  }
  clearDelivery(): void {
    if (this.present0 & 0x40) this.clearAddress();
    if (this.present0 & 0x80) this.clearShop();
    if (this.present0 & 0x100) this.clearPickup();
    if (this.present0 & 0x200) this.clearNone();
    if (this.present0 & 0x400) this.clearDistanceKm();
    if (this.present0 & 0x800) this.clearLocker();
    if (this.present0 & 0x1000) this.clearDroneCode();
    if (this.present0 & 0x2000) this.clearPaidIn();
  }

  get hasCustomer(): boolean {
    return (this.present0 & 0x1) !== 0;
  }
  /** Who ordered, as a number. */
  get customer(): bigint {
    return uint64(this._customerLow, this._customerHigh);
  }
  set customer(value: bigint | number) {
    this._customerLow = low64(value);
    this._customerHigh = high64(value);
    this.present0 |= 0x1;
  }
  /** `customer` as a number, without a BigInt. @throws ERR_DEMI_UNSAFE_INTEGER beyond 2^53 */
  get customerNumber(): number {
    return uint64Number(this._customerLow, this._customerHigh);
  }
  clearCustomer(): void {
    this._customerLow = 0;
    this._customerHigh = 0;
    this.present0 &= ~0x1;
  }

  get hasPlacedAt(): boolean {
    return (this.present0 & 0x2) !== 0;
  }
  /** The message, or `undefined` when there is none. Valid as long as this one. */
  get placedAt(): Timestamp | undefined {
    return this.present0 & 0x2 ? this._placedAt.get() : undefined;
  }
  /** The message, to be filled in; made when there is none. */
  mutablePlacedAt(): Timestamp {
    this.present0 |= 0x2;
    return this._placedAt.mutable(this);
  }
  clearPlacedAt(): void {
    this._placedAt.clear();
    this.present0 &= ~0x2;
  }

  get items(): MessageList<OrderItem> {
    return this._items;
  }

  /** By the name of the voucher. */
  get vouchers(): MessageList<OrderVouchersEntry> {
    return this._vouchers;
  }
  /** The value under `key`; of several entries with one key the last counts. */
  getVouchers(key: string): Money | undefined {
    for (let i = this._vouchers.length - 1; i >= 0; i--) {
      const entry = this._vouchers.at(i);
      if (entry.key === key) return entry.value;
    }
    return undefined;
  }
  /** The value under `key`, to be filled in; a new entry when there is none. */
  mutableVouchers(key: string): Money {
    this._vouchers.own();
    for (let i = this._vouchers.length - 1; i >= 0; i--) {
      const entry = this._vouchers.at(i);
      if (entry.key === key) return entry.mutableValue();
    }
    const entry = this._vouchers.add();
    entry.key = key;
    return entry.mutableValue();
  }

  get byShelf(): MessageList<OrderByShelfEntry> {
    return this._byShelf;
  }
  /** The value under `key`; of several entries with one key the last counts. */
  getByShelf(key: bigint): OrderItem | undefined {
    for (let i = this._byShelf.length - 1; i >= 0; i--) {
      const entry = this._byShelf.at(i);
      if (entry.key === key) return entry.value;
    }
    return undefined;
  }
  /** The value under `key`, to be filled in; a new entry when there is none. */
  mutableByShelf(key: bigint): OrderItem {
    this._byShelf.own();
    for (let i = this._byShelf.length - 1; i >= 0; i--) {
      const entry = this._byShelf.at(i);
      if (entry.key === key) return entry.mutableValue();
    }
    const entry = this._byShelf.add();
    entry.key = key;
    return entry.mutableValue();
  }

  get currencies(): MessageList<OrderCurrenciesEntry> {
    return this._currencies;
  }
  /** The value under `key`; of several entries with one key the last counts. */
  getCurrencies(key: boolean): Currency | undefined {
    for (let i = this._currencies.length - 1; i >= 0; i--) {
      const entry = this._currencies.at(i);
      if (entry.key === key) return entry.value;
    }
    return undefined;
  }
  setCurrencies(key: boolean, value: Currency): void {
    this._currencies.own();
    for (let i = this._currencies.length - 1; i >= 0; i--) {
      const entry = this._currencies.at(i);
      if (entry.key === key) {
        entry.value = value;
        return;
      }
    }
    const entry = this._currencies.add();
    entry.key = key;
    entry.value = value;
  }

  get hasAddress(): boolean {
    return (this.present0 & 0x40) !== 0;
  }
  get address(): string {
    return this._address.text();
  }
  set address(value: StringValue) {
    if (!(this.present0 & 0x40)) this.clearDelivery();
    this._address.set(value, this.internals.copyThresholdBytes);
    this.present0 |= 0x40;
  }
  /** Length, leases and copies of `address` without a view. */
  get addressField(): StringField {
    return this._address;
  }
  clearAddress(): void {
    this._address.clear();
    this.present0 &= ~0x40;
  }

  get hasShop(): boolean {
    return (this.present0 & 0x80) !== 0;
  }
  /** Number of the shop. */
  get shop(): number {
    return this._shop;
  }
  set shop(value: number) {
    if (!(this.present0 & 0x80)) this.clearDelivery();
    this._shop = value >>> 0;
    this.present0 |= 0x80;
  }
  clearShop(): void {
    this._shop = 0;
    this.present0 &= ~0x80;
  }

  get hasPickup(): boolean {
    return (this.present0 & 0x100) !== 0;
  }
  /** The message, or `undefined` when there is none. Valid as long as this one. */
  get pickup(): OrderPickup | undefined {
    return this.present0 & 0x100 ? this._pickup.get() : undefined;
  }
  /** The message, to be filled in; made when there is none. */
  mutablePickup(): OrderPickup {
    if (!(this.present0 & 0x100)) this.clearDelivery();
    this.present0 |= 0x100;
    return this._pickup.mutable(this);
  }
  clearPickup(): void {
    this._pickup.clear();
    this.present0 &= ~0x100;
  }

  get hasNone(): boolean {
    return (this.present0 & 0x200) !== 0;
  }
  get none(): boolean {
    return this._none;
  }
  set none(value: boolean) {
    if (!(this.present0 & 0x200)) this.clearDelivery();
    this._none = value;
    this.present0 |= 0x200;
  }
  clearNone(): void {
    this._none = false;
    this.present0 &= ~0x200;
  }

  get hasDistanceKm(): boolean {
    return (this.present0 & 0x400) !== 0;
  }
  get distanceKm(): number {
    return this._distanceKm;
  }
  set distanceKm(value: number) {
    if (!(this.present0 & 0x400)) this.clearDelivery();
    this._distanceKm = value;
    this.present0 |= 0x400;
  }
  clearDistanceKm(): void {
    this._distanceKm = 0;
    this.present0 &= ~0x400;
  }

  get hasLocker(): boolean {
    return (this.present0 & 0x800) !== 0;
  }
  get locker(): bigint {
    return uint64(this._lockerLow, this._lockerHigh);
  }
  set locker(value: bigint | number) {
    if (!(this.present0 & 0x800)) this.clearDelivery();
    this._lockerLow = low64(value);
    this._lockerHigh = high64(value);
    this.present0 |= 0x800;
  }
  /** `locker` as a number, without a BigInt. @throws ERR_DEMI_UNSAFE_INTEGER beyond 2^53 */
  get lockerNumber(): number {
    return uint64Number(this._lockerLow, this._lockerHigh);
  }
  clearLocker(): void {
    this._lockerLow = 0;
    this._lockerHigh = 0;
    this.present0 &= ~0x800;
  }

  get hasDroneCode(): boolean {
    return (this.present0 & 0x1000) !== 0;
  }
  get droneCode(): Uint8Array {
    return this._droneCode.bytes();
  }
  set droneCode(value: BytesValue) {
    if (!(this.present0 & 0x1000)) this.clearDelivery();
    this._droneCode.set(value, this.internals.copyThresholdBytes);
    this.present0 |= 0x1000;
  }
  /** Length, leases and copies of `droneCode` without a view. */
  get droneCodeField(): BytesField {
    return this._droneCode;
  }
  clearDroneCode(): void {
    this._droneCode.clear();
    this.present0 &= ~0x1000;
  }

  get hasPaidIn(): boolean {
    return (this.present0 & 0x2000) !== 0;
  }
  get paidIn(): Currency {
    return this._paidIn;
  }
  set paidIn(value: Currency) {
    if (!(this.present0 & 0x2000)) this.clearDelivery();
    this._paidIn = value | 0;
    this.present0 |= 0x2000;
  }
  clearPaidIn(): void {
    this._paidIn = 0;
    this.present0 &= ~0x2000;
  }

  get hasNote(): boolean {
    return (this.present0 & 0x4000) !== 0;
  }
  get note(): string {
    return this._note.text();
  }
  set note(value: StringValue) {
    this._note.set(value, this.internals.copyThresholdBytes);
    this.present0 |= 0x4000;
  }
  /** Length, leases and copies of `note` without a view. */
  get noteField(): StringField {
    return this._note;
  }
  clearNote(): void {
    this._note.clear();
    this.present0 &= ~0x4000;
  }

  get hasTip(): boolean {
    return (this.present0 & 0x8000) !== 0;
  }
  /** The message, or `undefined` when there is none. Valid as long as this one. */
  get tip(): Money | undefined {
    return this.present0 & 0x8000 ? this._tip.get() : undefined;
  }
  /** The message, to be filled in; made when there is none. */
  mutableTip(): Money {
    this.present0 |= 0x8000;
    return this._tip.mutable(this);
  }
  clearTip(): void {
    this._tip.clear();
    this.present0 &= ~0x8000;
  }

  get accepted(): NumberList {
    return this._accepted;
  }

  override clearFields(): void {
    this.present0 = 0;
    this._customerLow = 0;
    this._customerHigh = 0;
    this._placedAt.clear();
    this._items.clear();
    this._vouchers.clear();
    this._byShelf.clear();
    this._currencies.clear();
    this._address.clear();
    this._shop = 0;
    this._pickup.clear();
    this._none = false;
    this._distanceKm = 0;
    this._lockerLow = 0;
    this._lockerHigh = 0;
    this._droneCode.clear();
    this._paidIn = 0;
    this._note.clear();
    this._tip.clear();
    this._accepted.clear();
  }

  override load(source: Source, at: number): void {
    let p = source.enter(this.internals, ORDER, at);
    const present0 = source.present0;
    this.present0 = present0;
    if (present0 & 0x1) {
      this._customerLow = source.i32(p);
      this._customerHigh = source.i32(p + 4);
      p += 8;
    }
    if (present0 & 0x2) {
      this._placedAt.load(source, p);
      p += 8;
    }
    if (present0 & 0x4) {
      this._items.load(source, p);
      p += 8;
    }
    if (present0 & 0x8) {
      this._vouchers.load(source, p);
      p += 8;
    }
    if (present0 & 0x10) {
      this._byShelf.load(source, p);
      p += 8;
    }
    if (present0 & 0x20) {
      this._currencies.load(source, p);
      p += 8;
    }
    if (present0 & 0x40) {
      this._address.load(source, p);
      p += 8;
    }
    if (present0 & 0x80) {
      this._shop = source.u32(p);
      p += 4;
    }
    if (present0 & 0x100) {
      this._pickup.load(source, p);
      p += 8;
    }
    if (present0 & 0x200) {
      this._none = source.i32(p) !== 0;
      p += 4;
    }
    if (present0 & 0x400) {
      this._distanceKm = source.f64(p);
      p += 8;
    }
    if (present0 & 0x800) {
      this._lockerLow = source.i32(p);
      this._lockerHigh = source.i32(p + 4);
      p += 8;
    }
    if (present0 & 0x1000) {
      this._droneCode.load(source, p);
      p += 8;
    }
    if (present0 & 0x2000) {
      this._paidIn = source.i32(p);
      p += 4;
    }
    if (present0 & 0x4000) {
      this._note.load(source, p);
      p += 8;
    }
    if (present0 & 0x8000) {
      this._tip.load(source, p);
      p += 8;
    }
    if (present0 & 0x10000) this._accepted.load(source, p);
  }

  override measure(w: Writer): void {
    this.countLists();
    w.measureHeader(this.internals, ORDER, 0);
    w.measureEntries(this.internals, this.present0, 0x1dd7f);
    if (this.present0 & 0x2) this._placedAt.measure(w);
    if (this.present0 & 0x4) this._items.measure(w);
    if (this.present0 & 0x8) this._vouchers.measure(w);
    if (this.present0 & 0x10) this._byShelf.measure(w);
    if (this.present0 & 0x20) this._currencies.measure(w);
    if (this.present0 & 0x40) this._address.measure(w);
    if (this.present0 & 0x100) this._pickup.measure(w);
    if (this.present0 & 0x1000) this._droneCode.measure(w);
    if (this.present0 & 0x4000) this._note.measure(w);
    if (this.present0 & 0x8000) this._tip.measure(w);
    if (this.present0 & 0x10000) this._accepted.measure(w);
  }

  /** A list is present when it has entries. */
  private countLists(): void {
    let present0 = this.present0 & ~0x1003c;
    if (this._items.length !== 0) present0 |= 0x4;
    if (this._vouchers.length !== 0) present0 |= 0x8;
    if (this._byShelf.length !== 0) present0 |= 0x10;
    if (this._currencies.length !== 0) present0 |= 0x20;
    if (this._accepted.length !== 0) present0 |= 0x10000;
    this.present0 = present0;
  }

  override emit(w: Writer, at: number): void {
    const present0 = this.present0;
    let p = w.header(this.internals, at, ORDER, 0);
    w.u32(at + 4, present0);
    if (present0 & 0x1) {
      w.u64(p, this._customerLow, this._customerHigh);
      p += 8;
    }
    if (present0 & 0x2) {
      this._placedAt.emit(w, p);
      p += 8;
    }
    if (present0 & 0x4) {
      this._items.emit(w, p);
      p += 8;
    }
    if (present0 & 0x8) {
      this._vouchers.emit(w, p);
      p += 8;
    }
    if (present0 & 0x10) {
      this._byShelf.emit(w, p);
      p += 8;
    }
    if (present0 & 0x20) {
      this._currencies.emit(w, p);
      p += 8;
    }
    if (present0 & 0x40) {
      this._address.emit(w, p);
      p += 8;
    }
    if (present0 & 0x80) {
      w.u32(p, this._shop);
      p += 4;
    }
    if (present0 & 0x100) {
      this._pickup.emit(w, p);
      p += 8;
    }
    if (present0 & 0x200) {
      w.u32(p, this._none ? 1 : 0);
      p += 4;
    }
    if (present0 & 0x400) {
      w.f64(p, this._distanceKm);
      p += 8;
    }
    if (present0 & 0x800) {
      w.u64(p, this._lockerLow, this._lockerHigh);
      p += 8;
    }
    if (present0 & 0x1000) {
      this._droneCode.emit(w, p);
      p += 8;
    }
    if (present0 & 0x2000) {
      w.u32(p, this._paidIn);
      p += 4;
    }
    if (present0 & 0x4000) {
      this._note.emit(w, p);
      p += 8;
    }
    if (present0 & 0x8000) {
      this._tip.emit(w, p);
      p += 8;
    }
    if (present0 & 0x10000) {
      this._accepted.emit(w, p);
      p += 8;
    }
    if (this.internals.unknown !== undefined) w.unknownRest(p, this.internals);
  }
}

const EMPTY: MessageType<Empty> = new MessageType<Empty>({
  name: 'shop.Empty',
  create: () => new Empty(),
  words: 1,
  fields: [],
});

/** Nothing to say. */
export class Empty extends Message {
  static readonly type: MessageType<Empty> = EMPTY;
  private present0: number;

  constructor() {
    super(EMPTY);
    this.present0 = 0;
  }

  /** A cleared message from the pool. */
  static acquire(): Empty {
    return EMPTY.acquire();
  }

  /** Verifies and reads; the result holds references of its own until `release`. */
  static read(source: AnySource, options?: ReadOptions): Empty {
    return EMPTY.read(source, options);
  }

  static fromJSON(json: JsonValue): Empty {
    return EMPTY.fromJSON(json);
  }

  override clearFields(): void {
    this.present0 = 0;
  }

  override load(source: Source, at: number): void {
    source.enter(this.internals, EMPTY, at);
    this.present0 = source.present0;
  }

  override measure(w: Writer): void {
    w.measureHeader(this.internals, EMPTY, 0);
    w.measureEntries(this.internals, this.present0, 0x0);
  }

  override emit(w: Writer, at: number): void {
    const present0 = this.present0;
    const p = w.header(this.internals, at, EMPTY, 0);
    w.u32(at + 4, present0);
    if (this.internals.unknown !== undefined) w.unknownRest(p, this.internals);
  }
}
