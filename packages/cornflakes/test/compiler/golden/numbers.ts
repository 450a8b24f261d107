// Made by cornc from numbers.proto. Do not edit: changes are lost.

import {
  type AnySource,
  BOOL,
  BYTES,
  BytesField,
  BytesList,
  type BytesValue,
  DOUBLE,
  FIXED32,
  FLOAT,
  high64,
  INT32,
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
  population,
  REPEATED,
  type ReadOptions,
  SINGULAR,
  SINT32,
  type Source,
  STRING,
  StringField,
  type StringValue,
  UINT32,
  type Writer,
} from '@demikernel/cornflakes';

const DENSE: MessageType<Dense> = new MessageType<Dense>({
  name: 'Dense',
  create: () => new Dense(),
  words: 2,
  fields: [
    { number: 1, name: 'first', type: INT32 },
    { number: 32, name: 'bit31', type: BOOL },
    { number: 33, name: 'word1a', type: BOOL },
    { number: 34, name: 'word1b', type: DOUBLE },
    { number: 35, name: 'word1c', type: BOOL, label: REPEATED },
    { number: 36, name: 'word1d', type: STRING },
    { number: 64, name: 'word1e', type: BYTES },
    { number: 65, name: 'tagged1', type: BOOL },
  ],
});

export class Dense extends Message {
  static readonly type: MessageType<Dense> = DENSE;
  private present0: number;
  private present1: number;
  private present2: number;
  private _first: number;
  private _bit31: boolean;
  private _word1a: boolean;
  private _word1b: number;
  private readonly _word1c: NumberList;
  private readonly _word1d: StringField;
  private readonly _word1e: BytesField;
  private _tagged1: boolean;

  constructor() {
    super(DENSE);
    this.present0 = 0;
    this.present1 = 0;
    this.present2 = 0;
    this._first = 0;
    this._bit31 = false;
    this._word1a = false;
    this._word1b = 0;
    this._word1c = new NumberList(BOOL);
    this._word1d = new StringField();
    this._word1e = new BytesField();
    this._tagged1 = false;
  }

  /** A cleared message from the pool. */
  static acquire(): Dense {
    return DENSE.acquire();
  }

  /** Verifies and reads; the result holds references of its own until `release`. */
  static read(source: AnySource, options?: ReadOptions): Dense {
    return DENSE.read(source, options);
  }

  static fromJSON(json: JsonValue): Dense {
    return DENSE.fromJSON(json);
  }

  get hasFirst(): boolean {
    return (this.present0 & 0x1) !== 0;
  }
  get first(): number {
    return this._first;
  }
  set first(value: number) {
    this._first = value | 0;
    this.present0 |= 0x1;
  }
  clearFirst(): void {
    this._first = 0;
    this.present0 &= ~0x1;
  }

  get hasBit31(): boolean {
    return (this.present0 & 0x80000000) !== 0;
  }
  get bit31(): boolean {
    return this._bit31;
  }
  set bit31(value: boolean) {
    this._bit31 = value;
    this.present0 |= 0x80000000;
  }
  clearBit31(): void {
    this._bit31 = false;
    this.present0 &= ~0x80000000;
  }

  get hasWord1a(): boolean {
    return (this.present1 & 0x1) !== 0;
  }
  get word1a(): boolean {
    return this._word1a;
  }
  set word1a(value: boolean) {
    this._word1a = value;
    this.present1 |= 0x1;
  }
  clearWord1a(): void {
    this._word1a = false;
    this.present1 &= ~0x1;
  }

  get hasWord1b(): boolean {
    return (this.present1 & 0x2) !== 0;
  }
  get word1b(): number {
    return this._word1b;
  }
  set word1b(value: number) {
    this._word1b = value;
    this.present1 |= 0x2;
  }
  clearWord1b(): void {
    this._word1b = 0;
    this.present1 &= ~0x2;
  }

  get word1c(): NumberList {
    return this._word1c;
  }

  get hasWord1d(): boolean {
    return (this.present1 & 0x8) !== 0;
  }
  get word1d(): string {
    return this._word1d.text();
  }
  set word1d(value: StringValue) {
    this._word1d.set(value, this.internals.copyThresholdBytes);
    this.present1 |= 0x8;
  }
  /** Length, leases and copies of `word1d` without a view. */
  get word1dField(): StringField {
    return this._word1d;
  }
  clearWord1d(): void {
    this._word1d.clear();
    this.present1 &= ~0x8;
  }

  get hasWord1e(): boolean {
    return (this.present1 & 0x80000000) !== 0;
  }
  get word1e(): Uint8Array {
    return this._word1e.bytes();
  }
  set word1e(value: BytesValue) {
    this._word1e.set(value, this.internals.copyThresholdBytes);
    this.present1 |= 0x80000000;
  }
  /** Length, leases and copies of `word1e` without a view. */
  get word1eField(): BytesField {
    return this._word1e;
  }
  clearWord1e(): void {
    this._word1e.clear();
    this.present1 &= ~0x80000000;
  }

  get hasTagged1(): boolean {
    return (this.present2 & 0x1) !== 0;
  }
  get tagged1(): boolean {
    return this._tagged1;
  }
  set tagged1(value: boolean) {
    this._tagged1 = value;
    this.present2 |= 0x1;
  }
  clearTagged1(): void {
    this._tagged1 = false;
    this.present2 &= ~0x1;
  }

  override clearFields(): void {
    this.present0 = 0;
    this.present1 = 0;
    this.present2 = 0;
    this._first = 0;
    this._bit31 = false;
    this._word1a = false;
    this._word1b = 0;
    this._word1c.clear();
    this._word1d.clear();
    this._word1e.clear();
    this._tagged1 = false;
  }

  override load(source: Source, at: number): void {
    let p = source.enter(this.internals, DENSE, at);
    const present0 = source.present0;
    this.present0 = present0;
    const present1 = source.present[1]!;
    this.present1 = present1;
    const present2 = source.present[2]!;
    this.present2 = present2;
    if (present0 & 0x1) {
      this._first = source.i32(p);
      p += 4;
    }
    if (present0 & 0x80000000) {
      this._bit31 = source.i32(p) !== 0;
      p += 4;
    }
    if (present1 & 0x1) {
      this._word1a = source.i32(p) !== 0;
      p += 4;
    }
    if (present1 & 0x2) {
      this._word1b = source.f64(p);
      p += 8;
    }
    if (present1 & 0x4) {
      this._word1c.load(source, p);
      p += 8;
    }
    if (present1 & 0x8) {
      this._word1d.load(source, p);
      p += 8;
    }
    if (present1 & 0x80000000) {
      this._word1e.load(source, p);
      p += 8;
    }
    if (present2 & 0x1) this._tagged1 = source.i32(p) !== 0;
  }

  override measure(w: Writer): void {
    this.countLists();
    w.measureHeader(this.internals, DENSE, population(this.present2));
    w.measureEntries(this.internals, this.present0, 0x0);
    w.measureEntries(this.internals, this.present1, 0x8000000e);
    if (this.present1 & 0x4) this._word1c.measure(w);
    if (this.present1 & 0x8) this._word1d.measure(w);
    if (this.present1 & 0x80000000) this._word1e.measure(w);
  }

  /** A list is present when it has entries. */
  private countLists(): void {
    let present1 = this.present1 & ~0x4;
    if (this._word1c.length !== 0) present1 |= 0x4;
    this.present1 = present1;
  }

  override emit(w: Writer, at: number): void {
    const present0 = this.present0;
    const present1 = this.present1;
    const present2 = this.present2;
    let p = w.header(this.internals, at, DENSE, population(this.present2));
    w.u32(at + 4, present0);
    w.u32(at + 8, present1);
    if (present0 & 0x1) {
      w.u32(p, this._first);
      p += 4;
    }
    if (present0 & 0x80000000) {
      w.u32(p, this._bit31 ? 1 : 0);
      p += 4;
    }
    if (present1 & 0x1) {
      w.u32(p, this._word1a ? 1 : 0);
      p += 4;
    }
    if (present1 & 0x2) {
      w.f64(p, this._word1b);
      p += 8;
    }
    if (present1 & 0x4) {
      this._word1c.emit(w, p);
      p += 8;
    }
    if (present1 & 0x8) {
      this._word1d.emit(w, p);
      p += 8;
    }
    if (present1 & 0x80000000) {
      this._word1e.emit(w, p);
      p += 8;
    }
    if (present2 & 0x1) {
      p = w.sparse(p, 65, BOOL, SINGULAR, this.internals);
      w.u32(p - 8, this._tagged1 ? 1 : 0);
    }
    if (this.internals.unknown !== undefined) w.unknownRest(p, this.internals);
  }
}

const SPARSE_D_ENTRY: MessageType<SparseDEntry> = new MessageType<SparseDEntry>({
  name: 'Sparse.DEntry',
  create: () => new SparseDEntry(),
  words: 1,
  fields: [
    { number: 1, name: 'key', type: UINT32 },
    { number: 2, name: 'value', type: STRING },
  ],
});

/** One entry of `Sparse.d`. */
export class SparseDEntry extends Message {
  static readonly type: MessageType<SparseDEntry> = SPARSE_D_ENTRY;
  private present0: number;
  private _key: number;
  private readonly _value: StringField;

  constructor() {
    super(SPARSE_D_ENTRY);
    this.present0 = 0;
    this._key = 0;
    this._value = new StringField();
  }

  /** A cleared message from the pool. */
  static acquire(): SparseDEntry {
    return SPARSE_D_ENTRY.acquire();
  }

  /** Verifies and reads; the result holds references of its own until `release`. */
  static read(source: AnySource, options?: ReadOptions): SparseDEntry {
    return SPARSE_D_ENTRY.read(source, options);
  }

  static fromJSON(json: JsonValue): SparseDEntry {
    return SPARSE_D_ENTRY.fromJSON(json);
  }

  get hasKey(): boolean {
    return (this.present0 & 0x1) !== 0;
  }
  get key(): number {
    return this._key;
  }
  set key(value: number) {
    this._key = value >>> 0;
    this.present0 |= 0x1;
  }
  clearKey(): void {
    this._key = 0;
    this.present0 &= ~0x1;
  }

  get hasValue(): boolean {
    return (this.present0 & 0x2) !== 0;
  }
  get value(): string {
    return this._value.text();
  }
  set value(value: StringValue) {
    this._value.set(value, this.internals.copyThresholdBytes);
    this.present0 |= 0x2;
  }
  /** Length, leases and copies of `value` without a view. */
  get valueField(): StringField {
    return this._value;
  }
  clearValue(): void {
    this._value.clear();
    this.present0 &= ~0x2;
  }

  override clearFields(): void {
    this.present0 = 0;
    this._key = 0;
    this._value.clear();
  }

  override load(source: Source, at: number): void {
    let p = source.enter(this.internals, SPARSE_D_ENTRY, at);
    const present0 = source.present0;
    this.present0 = present0;
    if (present0 & 0x1) {
      this._key = source.u32(p);
      p += 4;
    }
    if (present0 & 0x2) this._value.load(source, p);
  }

  override measure(w: Writer): void {
    w.measureHeader(this.internals, SPARSE_D_ENTRY, 0);
    w.measureEntries(this.internals, this.present0, 0x2);
    if (this.present0 & 0x2) this._value.measure(w);
  }

  override emit(w: Writer, at: number): void {
    const present0 = this.present0;
    let p = w.header(this.internals, at, SPARSE_D_ENTRY, 0);
    w.u32(at + 4, present0);
    if (present0 & 0x1) {
      w.u32(p, this._key);
      p += 4;
    }
    if (present0 & 0x2) {
      this._value.emit(w, p);
      p += 8;
    }
    if (this.internals.unknown !== undefined) w.unknownRest(p, this.internals);
  }
}

const SPARSE: MessageType<Sparse> = new MessageType<Sparse>({
  name: 'Sparse',
  create: () => new Sparse(),
  words: 1,
  fields: [
    { number: 100, name: 'a', type: FIXED32 },
    { number: 200, name: 'b', type: INT64 },
    { number: 300, name: 'c', type: MESSAGE, label: REPEATED, message: () => SPARSE },
    { number: 400, name: 'd', type: MESSAGE, label: MAP, message: () => SPARSE_D_ENTRY },
    { number: 500, name: 'e', type: SINT32, label: REPEATED },
    { number: 600, name: 'f', type: BOOL, optional: true },
    { number: 700, name: 'g', type: STRING, oneof: 'o' },
    { number: 18999, name: 'h', type: MESSAGE, message: () => SPARSE, oneof: 'o' },
    { number: 20000, name: 'i', type: FLOAT },
    { number: 536870911, name: 'j', type: BYTES, label: REPEATED },
  ],
});

export class Sparse extends Message {
  static readonly type: MessageType<Sparse> = SPARSE;
  private present0: number;
  private present1: number;
  private _a: number;
  private _bLow: number;
  private _bHigh: number;
  private readonly _c: MessageList<Sparse>;
  private readonly _d: MessageList<SparseDEntry>;
  private readonly _e: NumberList;
  private _f: boolean;
  private readonly _g: StringField;
  private readonly _h: MessageField<Sparse>;
  private _i: number;
  private readonly _j: BytesList;

  constructor() {
    super(SPARSE);
    this.present0 = 0;
    this.present1 = 0;
    this._a = 0;
    this._bLow = 0;
    this._bHigh = 0;
    this._c = new MessageList<Sparse>(SPARSE);
    this._d = new MessageList<SparseDEntry>(SPARSE_D_ENTRY);
    this._e = new NumberList(SINT32);
    this._f = false;
    this._g = new StringField();
    this._h = new MessageField<Sparse>(SPARSE);
    this._i = 0;
    this._j = new BytesList();
  }

  /** A cleared message from the pool. */
  static acquire(): Sparse {
    return SPARSE.acquire();
  }

  /** Verifies and reads; the result holds references of its own until `release`. */
  static read(source: AnySource, options?: ReadOptions): Sparse {
    return SPARSE.read(source, options);
  }

  static fromJSON(json: JsonValue): Sparse {
    return SPARSE.fromJSON(json);
  }

  /** Number of the field of `o` that is set; 0 when none is. */
  get oCase(): number {
    if (this.present1 & 0x40) return 700;
    if (this.present1 & 0x80) return 18999;
    return 0;
  }
  clearO(): void {
    if (this.present1 & 0x40) this.clearG();
    if (this.present1 & 0x80) this.clearH();
  }

  get hasA(): boolean {
    return (this.present1 & 0x1) !== 0;
  }
  get a(): number {
    return this._a;
  }
  set a(value: number) {
    this._a = value >>> 0;
    this.present1 |= 0x1;
  }
  clearA(): void {
    this._a = 0;
    this.present1 &= ~0x1;
  }

  get hasB(): boolean {
    return (this.present1 & 0x2) !== 0;
  }
  get b(): bigint {
    return int64(this._bLow, this._bHigh);
  }
  set b(value: bigint | number) {
    this._bLow = low64(value);
    this._bHigh = high64(value);
    this.present1 |= 0x2;
  }
  /** `b` as a number, without a BigInt. @throws ERR_DEMI_UNSAFE_INTEGER beyond 2^53 */
  get bNumber(): number {
    return int64Number(this._bLow, this._bHigh);
  }
  clearB(): void {
    this._bLow = 0;
    this._bHigh = 0;
    this.present1 &= ~0x2;
  }

  get c(): MessageList<Sparse> {
    return this._c;
  }

  get d(): MessageList<SparseDEntry> {
    return this._d;
  }
  /** The value under `key`; of several entries with one key the last counts. */
  getD(key: number): string | undefined {
    for (let i = this._d.length - 1; i >= 0; i--) {
      const entry = this._d.at(i);
      if (entry.key === key) return entry.value;
    }
    return undefined;
  }
  setD(key: number, value: StringValue): void {
    this._d.own();
    for (let i = this._d.length - 1; i >= 0; i--) {
      const entry = this._d.at(i);
      if (entry.key === key) {
        entry.value = value;
        return;
      }
    }
    const entry = this._d.add();
    entry.key = key;
    entry.value = value;
  }

  get e(): NumberList {
    return this._e;
  }

  get hasF(): boolean {
    return (this.present1 & 0x20) !== 0;
  }
  get f(): boolean {
    return this._f;
  }
  set f(value: boolean) {
    this._f = value;
    this.present1 |= 0x20;
  }
  clearF(): void {
    this._f = false;
    this.present1 &= ~0x20;
  }

  get hasG(): boolean {
    return (this.present1 & 0x40) !== 0;
  }
  get g(): string {
    return this._g.text();
  }
  set g(value: StringValue) {
    if (!(this.present1 & 0x40)) this.clearO();
    this._g.set(value, this.internals.copyThresholdBytes);
    this.present1 |= 0x40;
  }
  /** Length, leases and copies of `g` without a view. */
  get gField(): StringField {
    return this._g;
  }
  clearG(): void {
    this._g.clear();
    this.present1 &= ~0x40;
  }

  get hasH(): boolean {
    return (this.present1 & 0x80) !== 0;
  }
  /** The message, or `undefined` when there is none. Valid as long as this one. */
  get h(): Sparse | undefined {
    return this.present1 & 0x80 ? this._h.get() : undefined;
  }
  /** The message, to be filled in; made when there is none. */
  mutableH(): Sparse {
    if (!(this.present1 & 0x80)) this.clearO();
    this.present1 |= 0x80;
    return this._h.mutable(this);
  }
  clearH(): void {
    this._h.clear();
    this.present1 &= ~0x80;
  }

  get hasI(): boolean {
    return (this.present1 & 0x100) !== 0;
  }
  get i(): number {
    return this._i;
  }
  set i(value: number) {
    this._i = Math.fround(value);
    this.present1 |= 0x100;
  }
  clearI(): void {
    this._i = 0;
    this.present1 &= ~0x100;
  }

  get j(): BytesList {
    return this._j;
  }

  override clearFields(): void {
    this.present0 = 0;
    this.present1 = 0;
    this._a = 0;
    this._bLow = 0;
    this._bHigh = 0;
    this._c.clear();
    this._d.clear();
    this._e.clear();
    this._f = false;
    this._g.clear();
    this._h.clear();
    this._i = 0;
    this._j.clear();
  }

  override load(source: Source, at: number): void {
    let p = source.enter(this.internals, SPARSE, at);
    const present0 = source.present0;
    this.present0 = present0;
    const present1 = source.present[1]!;
    this.present1 = present1;
    if (present1 & 0x1) {
      this._a = source.u32(p);
      p += 4;
    }
    if (present1 & 0x2) {
      this._bLow = source.i32(p);
      this._bHigh = source.i32(p + 4);
      p += 8;
    }
    if (present1 & 0x4) {
      this._c.load(source, p);
      p += 8;
    }
    if (present1 & 0x8) {
      this._d.load(source, p);
      p += 8;
    }
    if (present1 & 0x10) {
      this._e.load(source, p);
      p += 8;
    }
    if (present1 & 0x20) {
      this._f = source.i32(p) !== 0;
      p += 4;
    }
    if (present1 & 0x40) {
      this._g.load(source, p);
      p += 8;
    }
    if (present1 & 0x80) {
      this._h.load(source, p);
      p += 8;
    }
    if (present1 & 0x100) {
      this._i = Math.fround(source.f64(p));
      p += 8;
    }
    if (present1 & 0x200) this._j.load(source, p);
  }

  override measure(w: Writer): void {
    this.countLists();
    w.measureHeader(this.internals, SPARSE, population(this.present1));
    w.measureEntries(this.internals, this.present0, 0x0);
    if (this.present1 & 0x4) this._c.measure(w);
    if (this.present1 & 0x8) this._d.measure(w);
    if (this.present1 & 0x10) this._e.measure(w);
    if (this.present1 & 0x40) this._g.measure(w);
    if (this.present1 & 0x80) this._h.measure(w);
    if (this.present1 & 0x200) this._j.measure(w);
  }

  /** A list is present when it has entries. */
  private countLists(): void {
    let present1 = this.present1 & ~0x21c;
    if (this._c.length !== 0) present1 |= 0x4;
    if (this._d.length !== 0) present1 |= 0x8;
    if (this._e.length !== 0) present1 |= 0x10;
    if (this._j.length !== 0) present1 |= 0x200;
    this.present1 = present1;
  }

  override emit(w: Writer, at: number): void {
    const present0 = this.present0;
    const present1 = this.present1;
    let p = w.header(this.internals, at, SPARSE, population(this.present1));
    w.u32(at + 4, present0);
    if (present1 & 0x1) {
      p = w.sparse(p, 100, FIXED32, SINGULAR, this.internals);
      w.u32(p - 8, this._a);
    }
    if (present1 & 0x2) {
      p = w.sparse(p, 200, INT64, SINGULAR, this.internals);
      w.u64(p - 8, this._bLow, this._bHigh);
    }
    if (present1 & 0x4) {
      p = w.sparse(p, 300, MESSAGE, REPEATED, this.internals);
      this._c.emit(w, p - 8);
    }
    if (present1 & 0x8) {
      p = w.sparse(p, 400, MESSAGE, MAP, this.internals);
      this._d.emit(w, p - 8);
    }
    if (present1 & 0x10) {
      p = w.sparse(p, 500, SINT32, REPEATED, this.internals);
      this._e.emit(w, p - 8);
    }
    if (present1 & 0x20) {
      p = w.sparse(p, 600, BOOL, SINGULAR, this.internals);
      w.u32(p - 8, this._f ? 1 : 0);
    }
    if (present1 & 0x40) {
      p = w.sparse(p, 700, STRING, SINGULAR, this.internals);
      this._g.emit(w, p - 8);
    }
    if (present1 & 0x80) {
      p = w.sparse(p, 18999, MESSAGE, SINGULAR, this.internals);
      this._h.emit(w, p - 8);
    }
    if (present1 & 0x100) {
      p = w.sparse(p, 20000, FLOAT, SINGULAR, this.internals);
      w.f64(p - 8, this._i);
    }
    if (present1 & 0x200) {
      p = w.sparse(p, 536870911, BYTES, REPEATED, this.internals);
      this._j.emit(w, p - 8);
    }
    if (this.internals.unknown !== undefined) w.unknownRest(p, this.internals);
  }
}

const ONE_FIELD: MessageType<OneField> = new MessageType<OneField>({
  name: 'OneField',
  create: () => new OneField(),
  words: 1,
  fields: [{ number: 1, name: 'only', type: BYTES }],
});

export class OneField extends Message {
  static readonly type: MessageType<OneField> = ONE_FIELD;
  private present0: number;
  private readonly _only: BytesField;

  constructor() {
    super(ONE_FIELD);
    this.present0 = 0;
    this._only = new BytesField();
  }

  /** A cleared message from the pool. */
  static acquire(): OneField {
    return ONE_FIELD.acquire();
  }

  /** Verifies and reads; the result holds references of its own until `release`. */
  static read(source: AnySource, options?: ReadOptions): OneField {
    return ONE_FIELD.read(source, options);
  }

  static fromJSON(json: JsonValue): OneField {
    return ONE_FIELD.fromJSON(json);
  }

  get hasOnly(): boolean {
    return (this.present0 & 0x1) !== 0;
  }
  get only(): Uint8Array {
    return this._only.bytes();
  }
  set only(value: BytesValue) {
    this._only.set(value, this.internals.copyThresholdBytes);
    this.present0 |= 0x1;
  }
  /** Length, leases and copies of `only` without a view. */
  get onlyField(): BytesField {
    return this._only;
  }
  clearOnly(): void {
    this._only.clear();
    this.present0 &= ~0x1;
  }

  override clearFields(): void {
    this.present0 = 0;
    this._only.clear();
  }

  override load(source: Source, at: number): void {
    const p = source.enter(this.internals, ONE_FIELD, at);
    const present0 = source.present0;
    this.present0 = present0;
    if (present0 & 0x1) this._only.load(source, p);
  }

  override measure(w: Writer): void {
    w.measureHeader(this.internals, ONE_FIELD, 0);
    w.measureEntries(this.internals, this.present0, 0x1);
    if (this.present0 & 0x1) this._only.measure(w);
  }

  override emit(w: Writer, at: number): void {
    const present0 = this.present0;
    let p = w.header(this.internals, at, ONE_FIELD, 0);
    w.u32(at + 4, present0);
    if (present0 & 0x1) {
      this._only.emit(w, p);
      p += 8;
    }
    if (this.internals.unknown !== undefined) w.unknownRest(p, this.internals);
  }
}
