// Made by cornc from messages.proto. Do not edit: changes are lost.

import {
  type AnySource,
  BOOL,
  BYTES,
  BytesField,
  BytesList,
  type BytesValue,
  DOUBLE,
  FLOAT,
  high64,
  INT32,
  type JsonValue,
  low64,
  Message,
  MessageType,
  REPEATED,
  type ReadOptions,
  type Source,
  UINT32,
  UINT64,
  uint64,
  uint64Number,
  type Writer,
} from '@demikernel/cornflakes';

const TICK: MessageType<Tick> = new MessageType<Tick>({
  name: 'bench.Tick',
  create: () => new Tick(),
  words: 1,
  fields: [
    { number: 1, name: 'id', type: UINT32 },
    { number: 2, name: 'quantity', type: INT32 },
    { number: 3, name: 'price', type: DOUBLE },
    { number: 4, name: 'buy', type: BOOL },
    { number: 5, name: 'venue', type: UINT32 },
    { number: 6, name: 'sequence', type: UINT64 },
    { number: 7, name: 'weight', type: FLOAT },
    { number: 8, name: 'kind', type: UINT32 },
  ],
});

/** Small scalars only. */
export class Tick extends Message {
  static readonly type: MessageType<Tick> = TICK;
  private present0: number;
  private _id: number;
  private _quantity: number;
  private _price: number;
  private _buy: boolean;
  private _venue: number;
  private _sequenceLow: number;
  private _sequenceHigh: number;
  private _weight: number;
  private _kind: number;

  constructor() {
    super(TICK);
    this.present0 = 0;
    this._id = 0;
    this._quantity = 0;
    this._price = 0;
    this._buy = false;
    this._venue = 0;
    this._sequenceLow = 0;
    this._sequenceHigh = 0;
    this._weight = 0;
    this._kind = 0;
  }

  /** A cleared message from the pool. */
  static acquire(): Tick {
    return TICK.acquire();
  }

  /** Verifies and reads; the result holds references of its own until `release`. */
  static read(source: AnySource, options?: ReadOptions): Tick {
    return TICK.read(source, options);
  }

  static fromJSON(json: JsonValue): Tick {
    return TICK.fromJSON(json);
  }

  get hasId(): boolean {
    return (this.present0 & 0x1) !== 0;
  }
  get id(): number {
    return this._id;
  }
  set id(value: number) {
    this._id = value >>> 0;
    this.present0 |= 0x1;
  }
  clearId(): void {
    this._id = 0;
    this.present0 &= ~0x1;
  }

  get hasQuantity(): boolean {
    return (this.present0 & 0x2) !== 0;
  }
  get quantity(): number {
    return this._quantity;
  }
  set quantity(value: number) {
    this._quantity = value | 0;
    this.present0 |= 0x2;
  }
  clearQuantity(): void {
    this._quantity = 0;
    this.present0 &= ~0x2;
  }

  get hasPrice(): boolean {
    return (this.present0 & 0x4) !== 0;
  }
  get price(): number {
    return this._price;
  }
  set price(value: number) {
    this._price = value;
    this.present0 |= 0x4;
  }
  clearPrice(): void {
    this._price = 0;
    this.present0 &= ~0x4;
  }

  get hasBuy(): boolean {
    return (this.present0 & 0x8) !== 0;
  }
  get buy(): boolean {
    return this._buy;
  }
  set buy(value: boolean) {
    this._buy = value;
    this.present0 |= 0x8;
  }
  clearBuy(): void {
    this._buy = false;
    this.present0 &= ~0x8;
  }

  get hasVenue(): boolean {
    return (this.present0 & 0x10) !== 0;
  }
  get venue(): number {
    return this._venue;
  }
  set venue(value: number) {
    this._venue = value >>> 0;
    this.present0 |= 0x10;
  }
  clearVenue(): void {
    this._venue = 0;
    this.present0 &= ~0x10;
  }

  get hasSequence(): boolean {
    return (this.present0 & 0x20) !== 0;
  }
  get sequence(): bigint {
    return uint64(this._sequenceLow, this._sequenceHigh);
  }
  set sequence(value: bigint | number) {
    this._sequenceLow = low64(value);
    this._sequenceHigh = high64(value);
    this.present0 |= 0x20;
  }
  /** `sequence` as a number, without a BigInt. @throws ERR_DEMI_UNSAFE_INTEGER beyond 2^53 */
  get sequenceNumber(): number {
    return uint64Number(this._sequenceLow, this._sequenceHigh);
  }
  clearSequence(): void {
    this._sequenceLow = 0;
    this._sequenceHigh = 0;
    this.present0 &= ~0x20;
  }

  get hasWeight(): boolean {
    return (this.present0 & 0x40) !== 0;
  }
  get weight(): number {
    return this._weight;
  }
  set weight(value: number) {
    this._weight = Math.fround(value);
    this.present0 |= 0x40;
  }
  clearWeight(): void {
    this._weight = 0;
    this.present0 &= ~0x40;
  }

  get hasKind(): boolean {
    return (this.present0 & 0x80) !== 0;
  }
  get kind(): number {
    return this._kind;
  }
  set kind(value: number) {
    this._kind = value >>> 0;
    this.present0 |= 0x80;
  }
  clearKind(): void {
    this._kind = 0;
    this.present0 &= ~0x80;
  }

  override clearFields(): void {
    this.present0 = 0;
    this._id = 0;
    this._quantity = 0;
    this._price = 0;
    this._buy = false;
    this._venue = 0;
    this._sequenceLow = 0;
    this._sequenceHigh = 0;
    this._weight = 0;
    this._kind = 0;
  }

  override load(source: Source, at: number): void {
    let p = source.enter(this.internals, TICK, at);
    const present0 = source.present0;
    this.present0 = present0;
    if (present0 & 0x1) {
      this._id = source.u32(p);
      p += 4;
    }
    if (present0 & 0x2) {
      this._quantity = source.i32(p);
      p += 4;
    }
    if (present0 & 0x4) {
      this._price = source.f64(p);
      p += 8;
    }
    if (present0 & 0x8) {
      this._buy = source.i32(p) !== 0;
      p += 4;
    }
    if (present0 & 0x10) {
      this._venue = source.u32(p);
      p += 4;
    }
    if (present0 & 0x20) {
      this._sequenceLow = source.i32(p);
      this._sequenceHigh = source.i32(p + 4);
      p += 8;
    }
    if (present0 & 0x40) {
      this._weight = Math.fround(source.f64(p));
      p += 8;
    }
    if (present0 & 0x80) this._kind = source.u32(p);
  }

  override measure(w: Writer): void {
    w.measureHeader(this.internals, TICK, 0);
    w.measureEntries(this.internals, this.present0, 0x64);
  }

  override emit(w: Writer, at: number): void {
    const present0 = this.present0;
    let p = w.header(this.internals, at, TICK, 0);
    w.u32(at + 4, present0);
    if (present0 & 0x1) {
      w.u32(p, this._id);
      p += 4;
    }
    if (present0 & 0x2) {
      w.u32(p, this._quantity);
      p += 4;
    }
    if (present0 & 0x4) {
      w.f64(p, this._price);
      p += 8;
    }
    if (present0 & 0x8) {
      w.u32(p, this._buy ? 1 : 0);
      p += 4;
    }
    if (present0 & 0x10) {
      w.u32(p, this._venue);
      p += 4;
    }
    if (present0 & 0x20) {
      w.u64(p, this._sequenceLow, this._sequenceHigh);
      p += 8;
    }
    if (present0 & 0x40) {
      w.f64(p, this._weight);
      p += 8;
    }
    if (present0 & 0x80) {
      w.u32(p, this._kind);
      p += 4;
    }
    if (this.internals.unknown !== undefined) w.unknownRest(p, this.internals);
  }
}

const SINGLE: MessageType<Single> = new MessageType<Single>({
  name: 'bench.Single',
  create: () => new Single(),
  words: 1,
  fields: [
    { number: 1, name: 'id', type: UINT32 },
    { number: 2, name: 'val', type: BYTES },
  ],
});

/** One value, as a reply to a get has it. */
export class Single extends Message {
  static readonly type: MessageType<Single> = SINGLE;
  private present0: number;
  private _id: number;
  private readonly _val: BytesField;

  constructor() {
    super(SINGLE);
    this.present0 = 0;
    this._id = 0;
    this._val = new BytesField();
  }

  /** A cleared message from the pool. */
  static acquire(): Single {
    return SINGLE.acquire();
  }

  /** Verifies and reads; the result holds references of its own until `release`. */
  static read(source: AnySource, options?: ReadOptions): Single {
    return SINGLE.read(source, options);
  }

  static fromJSON(json: JsonValue): Single {
    return SINGLE.fromJSON(json);
  }

  get hasId(): boolean {
    return (this.present0 & 0x1) !== 0;
  }
  get id(): number {
    return this._id;
  }
  set id(value: number) {
    this._id = value >>> 0;
    this.present0 |= 0x1;
  }
  clearId(): void {
    this._id = 0;
    this.present0 &= ~0x1;
  }

  get hasVal(): boolean {
    return (this.present0 & 0x2) !== 0;
  }
  get val(): Uint8Array {
    return this._val.bytes();
  }
  set val(value: BytesValue) {
    this._val.set(value, this.internals.copyThresholdBytes);
    this.present0 |= 0x2;
  }
  /** Length, leases and copies of `val` without a view. */
  get valField(): BytesField {
    return this._val;
  }
  clearVal(): void {
    this._val.clear();
    this.present0 &= ~0x2;
  }

  override clearFields(): void {
    this.present0 = 0;
    this._id = 0;
    this._val.clear();
  }

  override load(source: Source, at: number): void {
    let p = source.enter(this.internals, SINGLE, at);
    const present0 = source.present0;
    this.present0 = present0;
    if (present0 & 0x1) {
      this._id = source.u32(p);
      p += 4;
    }
    if (present0 & 0x2) this._val.load(source, p);
  }

  override measure(w: Writer): void {
    w.measureHeader(this.internals, SINGLE, 0);
    w.measureEntries(this.internals, this.present0, 0x2);
    if (this.present0 & 0x2) this._val.measure(w);
  }

  override emit(w: Writer, at: number): void {
    const present0 = this.present0;
    let p = w.header(this.internals, at, SINGLE, 0);
    w.u32(at + 4, present0);
    if (present0 & 0x1) {
      w.u32(p, this._id);
      p += 4;
    }
    if (present0 & 0x2) {
      this._val.emit(w, p);
      p += 8;
    }
    if (this.internals.unknown !== undefined) w.unknownRest(p, this.internals);
  }
}

const MANY: MessageType<Many> = new MessageType<Many>({
  name: 'bench.Many',
  create: () => new Many(),
  words: 1,
  fields: [
    { number: 1, name: 'id', type: UINT32 },
    { number: 2, name: 'vals', type: BYTES, label: REPEATED },
  ],
});

/** Several values. */
export class Many extends Message {
  static readonly type: MessageType<Many> = MANY;
  private present0: number;
  private _id: number;
  private readonly _vals: BytesList;

  constructor() {
    super(MANY);
    this.present0 = 0;
    this._id = 0;
    this._vals = new BytesList();
  }

  /** A cleared message from the pool. */
  static acquire(): Many {
    return MANY.acquire();
  }

  /** Verifies and reads; the result holds references of its own until `release`. */
  static read(source: AnySource, options?: ReadOptions): Many {
    return MANY.read(source, options);
  }

  static fromJSON(json: JsonValue): Many {
    return MANY.fromJSON(json);
  }

  get hasId(): boolean {
    return (this.present0 & 0x1) !== 0;
  }
  get id(): number {
    return this._id;
  }
  set id(value: number) {
    this._id = value >>> 0;
    this.present0 |= 0x1;
  }
  clearId(): void {
    this._id = 0;
    this.present0 &= ~0x1;
  }

  get vals(): BytesList {
    return this._vals;
  }

  override clearFields(): void {
    this.present0 = 0;
    this._id = 0;
    this._vals.clear();
  }

  override load(source: Source, at: number): void {
    let p = source.enter(this.internals, MANY, at);
    const present0 = source.present0;
    this.present0 = present0;
    if (present0 & 0x1) {
      this._id = source.u32(p);
      p += 4;
    }
    if (present0 & 0x2) this._vals.load(source, p);
  }

  override measure(w: Writer): void {
    this.countLists();
    w.measureHeader(this.internals, MANY, 0);
    w.measureEntries(this.internals, this.present0, 0x2);
    if (this.present0 & 0x2) this._vals.measure(w);
  }

  /** A list is present when it has entries. */
  private countLists(): void {
    let present0 = this.present0 & ~0x2;
    if (this._vals.length !== 0) present0 |= 0x2;
    this.present0 = present0;
  }

  override emit(w: Writer, at: number): void {
    const present0 = this.present0;
    let p = w.header(this.internals, at, MANY, 0);
    w.u32(at + 4, present0);
    if (present0 & 0x1) {
      w.u32(p, this._id);
      p += 4;
    }
    if (present0 & 0x2) {
      this._vals.emit(w, p);
      p += 8;
    }
    if (this.internals.unknown !== undefined) w.unknownRest(p, this.internals);
  }
}
