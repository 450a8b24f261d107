// Made by hand from contract.proto, in exactly the shape that cornc generates. Not made by a compiler: it is what the
// compiler is measured by.

import {
  type AnySource,
  BigIntList,
  BOOL,
  BYTES,
  BytesField,
  BytesList,
  type BytesValue,
  DOUBLE,
  ENUM,
  type EnumType,
  enumType,
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
  SFIXED32,
  SINGULAR,
  SINT32,
  type Source,
  STRING,
  StringField,
  StringList,
  type StringValue,
  UINT32,
  UINT64,
  uint64,
  uint64Number,
  type Writer,
} from '../../src/index.ts';

/** A colour. */
export const Color = { RED: 0, GREEN: 1, BLUE: 5 } as const;
/** A colour. Open, as proto3 has it: numbers without a name are kept. */
export type Color = number;
export const ColorType: EnumType = enumType('contract.Color', Color);

const POINT: MessageType<Point> = new MessageType<Point>({
  name: 'contract.Point',
  create: () => new Point(),
  words: 1,
  fields: [
    { number: 1, name: 'x', type: INT32 },
    { number: 2, name: 'y', type: INT32 },
  ],
});

/** Where something is. Only types of the reference's wire format: encoded in format 0. */
export class Point extends Message {
  static readonly type: MessageType<Point> = POINT;
  private present0: number;
  private _x: number;
  private _y: number;

  constructor() {
    super(POINT);
    this.present0 = 0;
    this._x = 0;
    this._y = 0;
  }

  /** A cleared message from the pool. */
  static acquire(): Point {
    return POINT.acquire();
  }

  /** Verifies and reads; the result holds references of its own until `release`. */
  static read(source: AnySource, options?: ReadOptions): Point {
    return POINT.read(source, options);
  }

  static fromJSON(json: JsonValue): Point {
    return POINT.fromJSON(json);
  }

  get hasX(): boolean {
    return (this.present0 & 0x1) !== 0;
  }
  get x(): number {
    return this._x;
  }
  set x(value: number) {
    this._x = value | 0;
    this.present0 |= 0x1;
  }
  clearX(): void {
    this._x = 0;
    this.present0 &= ~0x1;
  }

  get hasY(): boolean {
    return (this.present0 & 0x2) !== 0;
  }
  get y(): number {
    return this._y;
  }
  set y(value: number) {
    this._y = value | 0;
    this.present0 |= 0x2;
  }
  clearY(): void {
    this._y = 0;
    this.present0 &= ~0x2;
  }

  override clearFields(): void {
    this.present0 = 0;
    this._x = 0;
    this._y = 0;
  }

  override load(source: Source, at: number): void {
    let p = source.enter(this.internals, POINT, at);
    const present0 = source.present0;
    this.present0 = present0;
    if (present0 & 0x1) {
      this._x = source.i32(p);
      p += 4;
    }
    if (present0 & 0x2) this._y = source.i32(p);
  }

  override measure(w: Writer): void {
    w.measureHeader(this.internals, POINT, 0);
    w.measureEntries(this.internals, this.present0, 0x0);
  }

  override emit(w: Writer, at: number): void {
    const present0 = this.present0;
    let p = w.header(this.internals, at, POINT, 0);
    w.u32(at + 4, present0);
    if (present0 & 0x1) {
      w.u32(p, this._x);
      p += 4;
    }
    if (present0 & 0x2) {
      w.u32(p, this._y);
      p += 4;
    }
    if (this.internals.unknown !== undefined) w.unknownRest(p, this.internals);
  }
}

const GET_RESP: MessageType<GetResp> = new MessageType<GetResp>({
  name: 'contract.GetResp',
  create: () => new GetResp(),
  words: 1,
  fields: [
    { number: 1, name: 'id', type: UINT32 },
    { number: 2, name: 'val', type: BYTES },
  ],
});

/** The reference's own example. */
export class GetResp extends Message {
  static readonly type: MessageType<GetResp> = GET_RESP;
  private present0: number;
  private _id: number;
  private readonly _val: BytesField;

  constructor() {
    super(GET_RESP);
    this.present0 = 0;
    this._id = 0;
    this._val = new BytesField();
  }

  /** A cleared message from the pool. */
  static acquire(): GetResp {
    return GET_RESP.acquire();
  }

  /** Verifies and reads; the result holds references of its own until `release`. */
  static read(source: AnySource, options?: ReadOptions): GetResp {
    return GET_RESP.read(source, options);
  }

  static fromJSON(json: JsonValue): GetResp {
    return GET_RESP.fromJSON(json);
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
    let p = source.enter(this.internals, GET_RESP, at);
    const present0 = source.present0;
    this.present0 = present0;
    if (present0 & 0x1) {
      this._id = source.u32(p);
      p += 4;
    }
    if (present0 & 0x2) this._val.load(source, p);
  }

  override measure(w: Writer): void {
    w.measureHeader(this.internals, GET_RESP, 0);
    w.measureEntries(this.internals, this.present0, 0x2);
    if (this.present0 & 0x2) this._val.measure(w);
  }

  override emit(w: Writer, at: number): void {
    const present0 = this.present0;
    let p = w.header(this.internals, at, GET_RESP, 0);
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

const EVERYTHING_COUNTS_ENTRY: MessageType<EverythingCountsEntry> = new MessageType<EverythingCountsEntry>({
  name: 'contract.Everything.CountsEntry',
  create: () => new EverythingCountsEntry(),
  words: 1,
  fields: [
    { number: 1, name: 'key', type: STRING },
    { number: 2, name: 'value', type: INT32 },
  ],
});

/** One entry of `Everything.counts`. */
export class EverythingCountsEntry extends Message {
  static readonly type: MessageType<EverythingCountsEntry> = EVERYTHING_COUNTS_ENTRY;
  private present0: number;
  private readonly _key: StringField;
  private _value: number;

  constructor() {
    super(EVERYTHING_COUNTS_ENTRY);
    this.present0 = 0;
    this._key = new StringField();
    this._value = 0;
  }

  /** A cleared message from the pool. */
  static acquire(): EverythingCountsEntry {
    return EVERYTHING_COUNTS_ENTRY.acquire();
  }

  /** Verifies and reads; the result holds references of its own until `release`. */
  static read(source: AnySource, options?: ReadOptions): EverythingCountsEntry {
    return EVERYTHING_COUNTS_ENTRY.read(source, options);
  }

  static fromJSON(json: JsonValue): EverythingCountsEntry {
    return EVERYTHING_COUNTS_ENTRY.fromJSON(json);
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
  get value(): number {
    return this._value;
  }
  set value(value: number) {
    this._value = value | 0;
    this.present0 |= 0x2;
  }
  clearValue(): void {
    this._value = 0;
    this.present0 &= ~0x2;
  }

  override clearFields(): void {
    this.present0 = 0;
    this._key.clear();
    this._value = 0;
  }

  override load(source: Source, at: number): void {
    let p = source.enter(this.internals, EVERYTHING_COUNTS_ENTRY, at);
    const present0 = source.present0;
    this.present0 = present0;
    if (present0 & 0x1) {
      this._key.load(source, p);
      p += 8;
    }
    if (present0 & 0x2) this._value = source.i32(p);
  }

  override measure(w: Writer): void {
    w.measureHeader(this.internals, EVERYTHING_COUNTS_ENTRY, 0);
    w.measureEntries(this.internals, this.present0, 0x1);
    if (this.present0 & 0x1) this._key.measure(w);
  }

  override emit(w: Writer, at: number): void {
    const present0 = this.present0;
    let p = w.header(this.internals, at, EVERYTHING_COUNTS_ENTRY, 0);
    w.u32(at + 4, present0);
    if (present0 & 0x1) {
      this._key.emit(w, p);
      p += 8;
    }
    if (present0 & 0x2) {
      w.u32(p, this._value);
      p += 4;
    }
    if (this.internals.unknown !== undefined) w.unknownRest(p, this.internals);
  }
}

const EVERYTHING_PLACES_ENTRY: MessageType<EverythingPlacesEntry> = new MessageType<EverythingPlacesEntry>({
  name: 'contract.Everything.PlacesEntry',
  create: () => new EverythingPlacesEntry(),
  words: 1,
  fields: [
    { number: 1, name: 'key', type: INT32 },
    { number: 2, name: 'value', type: MESSAGE, message: () => POINT },
  ],
});

/** One entry of `Everything.places`. */
export class EverythingPlacesEntry extends Message {
  static readonly type: MessageType<EverythingPlacesEntry> = EVERYTHING_PLACES_ENTRY;
  private present0: number;
  private _key: number;
  private readonly _value: MessageField<Point>;

  constructor() {
    super(EVERYTHING_PLACES_ENTRY);
    this.present0 = 0;
    this._key = 0;
    this._value = new MessageField<Point>(POINT);
  }

  /** A cleared message from the pool. */
  static acquire(): EverythingPlacesEntry {
    return EVERYTHING_PLACES_ENTRY.acquire();
  }

  /** Verifies and reads; the result holds references of its own until `release`. */
  static read(source: AnySource, options?: ReadOptions): EverythingPlacesEntry {
    return EVERYTHING_PLACES_ENTRY.read(source, options);
  }

  static fromJSON(json: JsonValue): EverythingPlacesEntry {
    return EVERYTHING_PLACES_ENTRY.fromJSON(json);
  }

  get hasKey(): boolean {
    return (this.present0 & 0x1) !== 0;
  }
  get key(): number {
    return this._key;
  }
  set key(value: number) {
    this._key = value | 0;
    this.present0 |= 0x1;
  }
  clearKey(): void {
    this._key = 0;
    this.present0 &= ~0x1;
  }

  get hasValue(): boolean {
    return (this.present0 & 0x2) !== 0;
  }
  /** The message, or `undefined` when there is none. Valid as long as this one. */
  get value(): Point | undefined {
    return this.present0 & 0x2 ? this._value.get() : undefined;
  }
  /** The message, to be filled in; made when there is none. */
  mutableValue(): Point {
    this.present0 |= 0x2;
    return this._value.mutable(this);
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
    let p = source.enter(this.internals, EVERYTHING_PLACES_ENTRY, at);
    const present0 = source.present0;
    this.present0 = present0;
    if (present0 & 0x1) {
      this._key = source.i32(p);
      p += 4;
    }
    if (present0 & 0x2) this._value.load(source, p);
  }

  override measure(w: Writer): void {
    w.measureHeader(this.internals, EVERYTHING_PLACES_ENTRY, 0);
    w.measureEntries(this.internals, this.present0, 0x2);
    if (this.present0 & 0x2) this._value.measure(w);
  }

  override emit(w: Writer, at: number): void {
    const present0 = this.present0;
    let p = w.header(this.internals, at, EVERYTHING_PLACES_ENTRY, 0);
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

const EVERYTHING: MessageType<Everything> = new MessageType<Everything>({
  name: 'contract.Everything',
  create: () => new Everything(),
  words: 1,
  fields: [
    { number: 1, name: 'small', type: INT32 },
    { number: 2, name: 'count', type: UINT32 },
    { number: 3, name: 'delta', type: SINT32 },
    { number: 4, name: 'crc', type: FIXED32 },
    { number: 5, name: 'shift', type: SFIXED32 },
    { number: 6, name: 'when', type: INT64 },
    { number: 7, name: 'total', type: UINT64 },
    { number: 8, name: 'ratio', type: FLOAT },
    { number: 9, name: 'exact', type: DOUBLE },
    { number: 10, name: 'ready', type: BOOL },
    { number: 11, name: 'color', type: ENUM, enum: ColorType },
    { number: 12, name: 'name', type: STRING },
    { number: 13, name: 'data', type: BYTES },
    { number: 14, name: 'point', type: MESSAGE, message: () => POINT },
    { number: 15, name: 'steps', type: INT32, label: REPEATED },
    { number: 16, name: 'times', type: INT64, label: REPEATED },
    { number: 17, name: 'weights', type: DOUBLE, label: REPEATED },
    { number: 18, name: 'flags', type: BOOL, label: REPEATED },
    { number: 19, name: 'colors', type: ENUM, label: REPEATED, enum: ColorType },
    { number: 20, name: 'names', type: STRING, label: REPEATED },
    { number: 21, name: 'blobs', type: BYTES, label: REPEATED },
    { number: 22, name: 'points', type: MESSAGE, label: REPEATED, message: () => POINT },
    { number: 23, name: 'counts', type: MESSAGE, label: MAP, message: () => EVERYTHING_COUNTS_ENTRY },
    { number: 24, name: 'places', type: MESSAGE, label: MAP, message: () => EVERYTHING_PLACES_ENTRY },
    { number: 25, name: 'number', type: UINT32, oneof: 'choice' },
    { number: 26, name: 'text', type: STRING, oneof: 'choice' },
    { number: 27, name: 'spot', type: MESSAGE, message: () => POINT, oneof: 'choice' },
    { number: 28, name: 'maybe', type: UINT32, optional: true },
    { number: 29, name: 'inner', type: MESSAGE, message: () => EVERYTHING },
    { number: 1000, name: 'far', type: STRING },
    { number: 536870911, name: 'farthest', type: UINT32 },
  ],
});

/** Every kind of field. */
export class Everything extends Message {
  static readonly type: MessageType<Everything> = EVERYTHING;
  private present0: number;
  private present1: number;
  private _small: number;
  private _count: number;
  private _delta: number;
  private _crc: number;
  private _shift: number;
  private _whenLow: number;
  private _whenHigh: number;
  private _totalLow: number;
  private _totalHigh: number;
  private _ratio: number;
  private _exact: number;
  private _ready: boolean;
  private _color: number;
  private readonly _name: StringField;
  private readonly _data: BytesField;
  private readonly _point: MessageField<Point>;
  private readonly _steps: NumberList;
  private readonly _times: BigIntList;
  private readonly _weights: NumberList;
  private readonly _flags: NumberList;
  private readonly _colors: NumberList;
  private readonly _names: StringList;
  private readonly _blobs: BytesList;
  private readonly _points: MessageList<Point>;
  private readonly _counts: MessageList<EverythingCountsEntry>;
  private readonly _places: MessageList<EverythingPlacesEntry>;
  private _number: number;
  private readonly _text: StringField;
  private readonly _spot: MessageField<Point>;
  private _maybe: number;
  private readonly _inner: MessageField<Everything>;
  private readonly _far: StringField;
  private _farthest: number;

  constructor() {
    super(EVERYTHING);
    this.present0 = 0;
    this.present1 = 0;
    this._small = 0;
    this._count = 0;
    this._delta = 0;
    this._crc = 0;
    this._shift = 0;
    this._whenLow = 0;
    this._whenHigh = 0;
    this._totalLow = 0;
    this._totalHigh = 0;
    this._ratio = 0;
    this._exact = 0;
    this._ready = false;
    this._color = 0;
    this._name = new StringField();
    this._data = new BytesField();
    this._point = new MessageField<Point>(POINT);
    this._steps = new NumberList(INT32);
    this._times = new BigIntList(INT64);
    this._weights = new NumberList(DOUBLE);
    this._flags = new NumberList(BOOL);
    this._colors = new NumberList(ENUM);
    this._names = new StringList();
    this._blobs = new BytesList();
    this._points = new MessageList<Point>(POINT);
    this._counts = new MessageList<EverythingCountsEntry>(EVERYTHING_COUNTS_ENTRY);
    this._places = new MessageList<EverythingPlacesEntry>(EVERYTHING_PLACES_ENTRY);
    this._number = 0;
    this._text = new StringField();
    this._spot = new MessageField<Point>(POINT);
    this._maybe = 0;
    this._inner = new MessageField<Everything>(EVERYTHING);
    this._far = new StringField();
    this._farthest = 0;
  }

  /** A cleared message from the pool. */
  static acquire(): Everything {
    return EVERYTHING.acquire();
  }

  /** Verifies and reads; the result holds references of its own until `release`. */
  static read(source: AnySource, options?: ReadOptions): Everything {
    return EVERYTHING.read(source, options);
  }

  static fromJSON(json: JsonValue): Everything {
    return EVERYTHING.fromJSON(json);
  }

  /** Number of the field of `choice` that is set; 0 when none is. */
  get choiceCase(): number {
    if (this.present0 & 0x1000000) return 25;
    if (this.present0 & 0x2000000) return 26;
    if (this.present0 & 0x4000000) return 27;
    return 0;
  }
  clearChoice(): void {
    if (this.present0 & 0x1000000) this.clearNumber();
    if (this.present0 & 0x2000000) this.clearText();
    if (this.present0 & 0x4000000) this.clearSpot();
  }

  get hasSmall(): boolean {
    return (this.present0 & 0x1) !== 0;
  }
  get small(): number {
    return this._small;
  }
  set small(value: number) {
    this._small = value | 0;
    this.present0 |= 0x1;
  }
  clearSmall(): void {
    this._small = 0;
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

  get hasDelta(): boolean {
    return (this.present0 & 0x4) !== 0;
  }
  get delta(): number {
    return this._delta;
  }
  set delta(value: number) {
    this._delta = value | 0;
    this.present0 |= 0x4;
  }
  clearDelta(): void {
    this._delta = 0;
    this.present0 &= ~0x4;
  }

  get hasCrc(): boolean {
    return (this.present0 & 0x8) !== 0;
  }
  get crc(): number {
    return this._crc;
  }
  set crc(value: number) {
    this._crc = value >>> 0;
    this.present0 |= 0x8;
  }
  clearCrc(): void {
    this._crc = 0;
    this.present0 &= ~0x8;
  }

  get hasShift(): boolean {
    return (this.present0 & 0x10) !== 0;
  }
  get shift(): number {
    return this._shift;
  }
  set shift(value: number) {
    this._shift = value | 0;
    this.present0 |= 0x10;
  }
  clearShift(): void {
    this._shift = 0;
    this.present0 &= ~0x10;
  }

  get hasWhen(): boolean {
    return (this.present0 & 0x20) !== 0;
  }
  get when(): bigint {
    return int64(this._whenLow, this._whenHigh);
  }
  set when(value: bigint | number) {
    this._whenLow = low64(value);
    this._whenHigh = high64(value);
    this.present0 |= 0x20;
  }
  /** `when` as a number, without a BigInt. @throws ERR_DEMI_UNSAFE_INTEGER beyond 2^53 */
  get whenNumber(): number {
    return int64Number(this._whenLow, this._whenHigh);
  }
  clearWhen(): void {
    this._whenLow = 0;
    this._whenHigh = 0;
    this.present0 &= ~0x20;
  }

  get hasTotal(): boolean {
    return (this.present0 & 0x40) !== 0;
  }
  get total(): bigint {
    return uint64(this._totalLow, this._totalHigh);
  }
  set total(value: bigint | number) {
    this._totalLow = low64(value);
    this._totalHigh = high64(value);
    this.present0 |= 0x40;
  }
  /** `total` as a number, without a BigInt. @throws ERR_DEMI_UNSAFE_INTEGER beyond 2^53 */
  get totalNumber(): number {
    return uint64Number(this._totalLow, this._totalHigh);
  }
  clearTotal(): void {
    this._totalLow = 0;
    this._totalHigh = 0;
    this.present0 &= ~0x40;
  }

  get hasRatio(): boolean {
    return (this.present0 & 0x80) !== 0;
  }
  get ratio(): number {
    return this._ratio;
  }
  set ratio(value: number) {
    this._ratio = Math.fround(value);
    this.present0 |= 0x80;
  }
  clearRatio(): void {
    this._ratio = 0;
    this.present0 &= ~0x80;
  }

  get hasExact(): boolean {
    return (this.present0 & 0x100) !== 0;
  }
  get exact(): number {
    return this._exact;
  }
  set exact(value: number) {
    this._exact = value;
    this.present0 |= 0x100;
  }
  clearExact(): void {
    this._exact = 0;
    this.present0 &= ~0x100;
  }

  get hasReady(): boolean {
    return (this.present0 & 0x200) !== 0;
  }
  get ready(): boolean {
    return this._ready;
  }
  set ready(value: boolean) {
    this._ready = value;
    this.present0 |= 0x200;
  }
  clearReady(): void {
    this._ready = false;
    this.present0 &= ~0x200;
  }

  get hasColor(): boolean {
    return (this.present0 & 0x400) !== 0;
  }
  get color(): Color {
    return this._color;
  }
  set color(value: Color) {
    this._color = value | 0;
    this.present0 |= 0x400;
  }
  clearColor(): void {
    this._color = 0;
    this.present0 &= ~0x400;
  }

  get hasName(): boolean {
    return (this.present0 & 0x800) !== 0;
  }
  get name(): string {
    return this._name.text();
  }
  set name(value: StringValue) {
    this._name.set(value, this.internals.copyThresholdBytes);
    this.present0 |= 0x800;
  }
  /** Length, leases and copies of `name` without a view. */
  get nameField(): StringField {
    return this._name;
  }
  clearName(): void {
    this._name.clear();
    this.present0 &= ~0x800;
  }

  get hasData(): boolean {
    return (this.present0 & 0x1000) !== 0;
  }
  get data(): Uint8Array {
    return this._data.bytes();
  }
  set data(value: BytesValue) {
    this._data.set(value, this.internals.copyThresholdBytes);
    this.present0 |= 0x1000;
  }
  /** Length, leases and copies of `data` without a view. */
  get dataField(): BytesField {
    return this._data;
  }
  clearData(): void {
    this._data.clear();
    this.present0 &= ~0x1000;
  }

  get hasPoint(): boolean {
    return (this.present0 & 0x2000) !== 0;
  }
  /** The message, or `undefined` when there is none. Valid as long as this one. */
  get point(): Point | undefined {
    return this.present0 & 0x2000 ? this._point.get() : undefined;
  }
  /** The message, to be filled in; made when there is none. */
  mutablePoint(): Point {
    this.present0 |= 0x2000;
    return this._point.mutable(this);
  }
  clearPoint(): void {
    this._point.clear();
    this.present0 &= ~0x2000;
  }

  get steps(): NumberList {
    return this._steps;
  }

  get times(): BigIntList {
    return this._times;
  }

  get weights(): NumberList {
    return this._weights;
  }

  get flags(): NumberList {
    return this._flags;
  }

  get colors(): NumberList {
    return this._colors;
  }

  get names(): StringList {
    return this._names;
  }

  get blobs(): BytesList {
    return this._blobs;
  }

  get points(): MessageList<Point> {
    return this._points;
  }

  get counts(): MessageList<EverythingCountsEntry> {
    return this._counts;
  }
  /** The value under `key`; of several entries with one key the last counts. */
  getCounts(key: string): number | undefined {
    for (let i = this._counts.length - 1; i >= 0; i--) {
      const entry = this._counts.at(i);
      if (entry.key === key) return entry.value;
    }
    return undefined;
  }
  setCounts(key: string, value: number): void {
    this._counts.own();
    for (let i = this._counts.length - 1; i >= 0; i--) {
      const entry = this._counts.at(i);
      if (entry.key === key) {
        entry.value = value;
        return;
      }
    }
    const entry = this._counts.add();
    entry.key = key;
    entry.value = value;
  }

  get places(): MessageList<EverythingPlacesEntry> {
    return this._places;
  }
  /** The value under `key`; of several entries with one key the last counts. */
  getPlaces(key: number): Point | undefined {
    for (let i = this._places.length - 1; i >= 0; i--) {
      const entry = this._places.at(i);
      if (entry.key === key) return entry.value;
    }
    return undefined;
  }
  /** The value under `key`, to be filled in; a new entry when there is none. */
  mutablePlaces(key: number): Point {
    this._places.own();
    for (let i = this._places.length - 1; i >= 0; i--) {
      const entry = this._places.at(i);
      if (entry.key === key) return entry.mutableValue();
    }
    const entry = this._places.add();
    entry.key = key;
    return entry.mutableValue();
  }

  get hasNumber(): boolean {
    return (this.present0 & 0x1000000) !== 0;
  }
  get number(): number {
    return this._number;
  }
  set number(value: number) {
    if (!(this.present0 & 0x1000000)) this.clearChoice();
    this._number = value >>> 0;
    this.present0 |= 0x1000000;
  }
  clearNumber(): void {
    this._number = 0;
    this.present0 &= ~0x1000000;
  }

  get hasText(): boolean {
    return (this.present0 & 0x2000000) !== 0;
  }
  get text(): string {
    return this._text.text();
  }
  set text(value: StringValue) {
    if (!(this.present0 & 0x2000000)) this.clearChoice();
    this._text.set(value, this.internals.copyThresholdBytes);
    this.present0 |= 0x2000000;
  }
  /** Length, leases and copies of `text` without a view. */
  get textField(): StringField {
    return this._text;
  }
  clearText(): void {
    this._text.clear();
    this.present0 &= ~0x2000000;
  }

  get hasSpot(): boolean {
    return (this.present0 & 0x4000000) !== 0;
  }
  /** The message, or `undefined` when there is none. Valid as long as this one. */
  get spot(): Point | undefined {
    return this.present0 & 0x4000000 ? this._spot.get() : undefined;
  }
  /** The message, to be filled in; made when there is none. */
  mutableSpot(): Point {
    if (!(this.present0 & 0x4000000)) this.clearChoice();
    this.present0 |= 0x4000000;
    return this._spot.mutable(this);
  }
  clearSpot(): void {
    this._spot.clear();
    this.present0 &= ~0x4000000;
  }

  get hasMaybe(): boolean {
    return (this.present0 & 0x8000000) !== 0;
  }
  get maybe(): number {
    return this._maybe;
  }
  set maybe(value: number) {
    this._maybe = value >>> 0;
    this.present0 |= 0x8000000;
  }
  clearMaybe(): void {
    this._maybe = 0;
    this.present0 &= ~0x8000000;
  }

  get hasInner(): boolean {
    return (this.present0 & 0x10000000) !== 0;
  }
  /** The message, or `undefined` when there is none. Valid as long as this one. */
  get inner(): Everything | undefined {
    return this.present0 & 0x10000000 ? this._inner.get() : undefined;
  }
  /** The message, to be filled in; made when there is none. */
  mutableInner(): Everything {
    this.present0 |= 0x10000000;
    return this._inner.mutable(this);
  }
  clearInner(): void {
    this._inner.clear();
    this.present0 &= ~0x10000000;
  }

  get hasFar(): boolean {
    return (this.present1 & 0x1) !== 0;
  }
  get far(): string {
    return this._far.text();
  }
  set far(value: StringValue) {
    this._far.set(value, this.internals.copyThresholdBytes);
    this.present1 |= 0x1;
  }
  /** Length, leases and copies of `far` without a view. */
  get farField(): StringField {
    return this._far;
  }
  clearFar(): void {
    this._far.clear();
    this.present1 &= ~0x1;
  }

  get hasFarthest(): boolean {
    return (this.present1 & 0x2) !== 0;
  }
  get farthest(): number {
    return this._farthest;
  }
  set farthest(value: number) {
    this._farthest = value >>> 0;
    this.present1 |= 0x2;
  }
  clearFarthest(): void {
    this._farthest = 0;
    this.present1 &= ~0x2;
  }

  override clearFields(): void {
    this.present0 = 0;
    this.present1 = 0;
    this._small = 0;
    this._count = 0;
    this._delta = 0;
    this._crc = 0;
    this._shift = 0;
    this._whenLow = 0;
    this._whenHigh = 0;
    this._totalLow = 0;
    this._totalHigh = 0;
    this._ratio = 0;
    this._exact = 0;
    this._ready = false;
    this._color = 0;
    this._name.clear();
    this._data.clear();
    this._point.clear();
    this._steps.clear();
    this._times.clear();
    this._weights.clear();
    this._flags.clear();
    this._colors.clear();
    this._names.clear();
    this._blobs.clear();
    this._points.clear();
    this._counts.clear();
    this._places.clear();
    this._number = 0;
    this._text.clear();
    this._spot.clear();
    this._maybe = 0;
    this._inner.clear();
    this._far.clear();
    this._farthest = 0;
  }

  override load(source: Source, at: number): void {
    let p = source.enter(this.internals, EVERYTHING, at);
    const present0 = source.present0;
    this.present0 = present0;
    const present1 = source.present[1]!;
    this.present1 = present1;
    if (present0 & 0x1) {
      this._small = source.i32(p);
      p += 4;
    }
    if (present0 & 0x2) {
      this._count = source.u32(p);
      p += 4;
    }
    if (present0 & 0x4) {
      this._delta = source.i32(p);
      p += 4;
    }
    if (present0 & 0x8) {
      this._crc = source.u32(p);
      p += 4;
    }
    if (present0 & 0x10) {
      this._shift = source.i32(p);
      p += 4;
    }
    if (present0 & 0x20) {
      this._whenLow = source.i32(p);
      this._whenHigh = source.i32(p + 4);
      p += 8;
    }
    if (present0 & 0x40) {
      this._totalLow = source.i32(p);
      this._totalHigh = source.i32(p + 4);
      p += 8;
    }
    if (present0 & 0x80) {
      this._ratio = Math.fround(source.f64(p));
      p += 8;
    }
    if (present0 & 0x100) {
      this._exact = source.f64(p);
      p += 8;
    }
    if (present0 & 0x200) {
      this._ready = source.i32(p) !== 0;
      p += 4;
    }
    if (present0 & 0x400) {
      this._color = source.i32(p);
      p += 4;
    }
    if (present0 & 0x800) {
      this._name.load(source, p);
      p += 8;
    }
    if (present0 & 0x1000) {
      this._data.load(source, p);
      p += 8;
    }
    if (present0 & 0x2000) {
      this._point.load(source, p);
      p += 8;
    }
    if (present0 & 0x4000) {
      this._steps.load(source, p);
      p += 8;
    }
    if (present0 & 0x8000) {
      this._times.load(source, p);
      p += 8;
    }
    if (present0 & 0x10000) {
      this._weights.load(source, p);
      p += 8;
    }
    if (present0 & 0x20000) {
      this._flags.load(source, p);
      p += 8;
    }
    if (present0 & 0x40000) {
      this._colors.load(source, p);
      p += 8;
    }
    if (present0 & 0x80000) {
      this._names.load(source, p);
      p += 8;
    }
    if (present0 & 0x100000) {
      this._blobs.load(source, p);
      p += 8;
    }
    if (present0 & 0x200000) {
      this._points.load(source, p);
      p += 8;
    }
    if (present0 & 0x400000) {
      this._counts.load(source, p);
      p += 8;
    }
    if (present0 & 0x800000) {
      this._places.load(source, p);
      p += 8;
    }
    if (present0 & 0x1000000) {
      this._number = source.u32(p);
      p += 4;
    }
    if (present0 & 0x2000000) {
      this._text.load(source, p);
      p += 8;
    }
    if (present0 & 0x4000000) {
      this._spot.load(source, p);
      p += 8;
    }
    if (present0 & 0x8000000) {
      this._maybe = source.u32(p);
      p += 4;
    }
    if (present0 & 0x10000000) {
      this._inner.load(source, p);
      p += 8;
    }
    if (present1 & 0x1) {
      this._far.load(source, p);
      p += 8;
    }
    if (present1 & 0x2) this._farthest = source.u32(p);
  }

  override measure(w: Writer): void {
    this.countLists();
    w.measureHeader(this.internals, EVERYTHING, population(this.present1));
    w.measureEntries(this.internals, this.present0, 0x16fff9e0);
    if (this.present0 & 0x800) this._name.measure(w);
    if (this.present0 & 0x1000) this._data.measure(w);
    if (this.present0 & 0x2000) this._point.measure(w);
    if (this.present0 & 0x4000) this._steps.measure(w);
    if (this.present0 & 0x8000) this._times.measure(w);
    if (this.present0 & 0x10000) this._weights.measure(w);
    if (this.present0 & 0x20000) this._flags.measure(w);
    if (this.present0 & 0x40000) this._colors.measure(w);
    if (this.present0 & 0x80000) this._names.measure(w);
    if (this.present0 & 0x100000) this._blobs.measure(w);
    if (this.present0 & 0x200000) this._points.measure(w);
    if (this.present0 & 0x400000) this._counts.measure(w);
    if (this.present0 & 0x800000) this._places.measure(w);
    if (this.present0 & 0x2000000) this._text.measure(w);
    if (this.present0 & 0x4000000) this._spot.measure(w);
    if (this.present0 & 0x10000000) this._inner.measure(w);
    if (this.present1 & 0x1) this._far.measure(w);
  }

  /** A list is present when it has entries. */
  private countLists(): void {
    let present0 = this.present0 & ~0xffc000;
    if (this._steps.length !== 0) present0 |= 0x4000;
    if (this._times.length !== 0) present0 |= 0x8000;
    if (this._weights.length !== 0) present0 |= 0x10000;
    if (this._flags.length !== 0) present0 |= 0x20000;
    if (this._colors.length !== 0) present0 |= 0x40000;
    if (this._names.length !== 0) present0 |= 0x80000;
    if (this._blobs.length !== 0) present0 |= 0x100000;
    if (this._points.length !== 0) present0 |= 0x200000;
    if (this._counts.length !== 0) present0 |= 0x400000;
    if (this._places.length !== 0) present0 |= 0x800000;
    this.present0 = present0;
  }

  override emit(w: Writer, at: number): void {
    const present0 = this.present0;
    const present1 = this.present1;
    let p = w.header(this.internals, at, EVERYTHING, population(this.present1));
    w.u32(at + 4, present0);
    if (present0 & 0x1) {
      w.u32(p, this._small);
      p += 4;
    }
    if (present0 & 0x2) {
      w.u32(p, this._count);
      p += 4;
    }
    if (present0 & 0x4) {
      w.u32(p, this._delta);
      p += 4;
    }
    if (present0 & 0x8) {
      w.u32(p, this._crc);
      p += 4;
    }
    if (present0 & 0x10) {
      w.u32(p, this._shift);
      p += 4;
    }
    if (present0 & 0x20) {
      w.u64(p, this._whenLow, this._whenHigh);
      p += 8;
    }
    if (present0 & 0x40) {
      w.u64(p, this._totalLow, this._totalHigh);
      p += 8;
    }
    if (present0 & 0x80) {
      w.f64(p, this._ratio);
      p += 8;
    }
    if (present0 & 0x100) {
      w.f64(p, this._exact);
      p += 8;
    }
    if (present0 & 0x200) {
      w.u32(p, this._ready ? 1 : 0);
      p += 4;
    }
    if (present0 & 0x400) {
      w.u32(p, this._color);
      p += 4;
    }
    if (present0 & 0x800) {
      this._name.emit(w, p);
      p += 8;
    }
    if (present0 & 0x1000) {
      this._data.emit(w, p);
      p += 8;
    }
    if (present0 & 0x2000) {
      this._point.emit(w, p);
      p += 8;
    }
    if (present0 & 0x4000) {
      this._steps.emit(w, p);
      p += 8;
    }
    if (present0 & 0x8000) {
      this._times.emit(w, p);
      p += 8;
    }
    if (present0 & 0x10000) {
      this._weights.emit(w, p);
      p += 8;
    }
    if (present0 & 0x20000) {
      this._flags.emit(w, p);
      p += 8;
    }
    if (present0 & 0x40000) {
      this._colors.emit(w, p);
      p += 8;
    }
    if (present0 & 0x80000) {
      this._names.emit(w, p);
      p += 8;
    }
    if (present0 & 0x100000) {
      this._blobs.emit(w, p);
      p += 8;
    }
    if (present0 & 0x200000) {
      this._points.emit(w, p);
      p += 8;
    }
    if (present0 & 0x400000) {
      this._counts.emit(w, p);
      p += 8;
    }
    if (present0 & 0x800000) {
      this._places.emit(w, p);
      p += 8;
    }
    if (present0 & 0x1000000) {
      w.u32(p, this._number);
      p += 4;
    }
    if (present0 & 0x2000000) {
      this._text.emit(w, p);
      p += 8;
    }
    if (present0 & 0x4000000) {
      this._spot.emit(w, p);
      p += 8;
    }
    if (present0 & 0x8000000) {
      w.u32(p, this._maybe);
      p += 4;
    }
    if (present0 & 0x10000000) {
      this._inner.emit(w, p);
      p += 8;
    }
    if (present1 & 0x1) {
      p = w.sparse(p, 1000, STRING, SINGULAR, this.internals);
      this._far.emit(w, p - 8);
    }
    if (present1 & 0x2) {
      p = w.sparse(p, 536870911, UINT32, SINGULAR, this.internals);
      w.u32(p - 8, this._farthest);
    }
    if (this.internals.unknown !== undefined) w.unknownRest(p, this.internals);
  }
}

const TICK: MessageType<Tick> = new MessageType<Tick>({
  name: 'contract.Tick',
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
    { number: 8, name: 'color', type: ENUM, enum: ColorType },
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
  private _color: number;

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
    this._color = 0;
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

  get hasColor(): boolean {
    return (this.present0 & 0x80) !== 0;
  }
  get color(): Color {
    return this._color;
  }
  set color(value: Color) {
    this._color = value | 0;
    this.present0 |= 0x80;
  }
  clearColor(): void {
    this._color = 0;
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
    this._color = 0;
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
    if (present0 & 0x80) this._color = source.i32(p);
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
      w.u32(p, this._color);
      p += 4;
    }
    if (this.internals.unknown !== undefined) w.unknownRest(p, this.internals);
  }
}

const GET_REQ: MessageType<GetReq> = new MessageType<GetReq>({
  name: 'contract.GetReq',
  create: () => new GetReq(),
  words: 1,
  fields: [
    { number: 1, name: 'id', type: UINT32 },
    { number: 2, name: 'key', type: STRING },
  ],
});

/** A get request of a key-value store. */
export class GetReq extends Message {
  static readonly type: MessageType<GetReq> = GET_REQ;
  private present0: number;
  private _id: number;
  private readonly _key: StringField;

  constructor() {
    super(GET_REQ);
    this.present0 = 0;
    this._id = 0;
    this._key = new StringField();
  }

  /** A cleared message from the pool. */
  static acquire(): GetReq {
    return GET_REQ.acquire();
  }

  /** Verifies and reads; the result holds references of its own until `release`. */
  static read(source: AnySource, options?: ReadOptions): GetReq {
    return GET_REQ.read(source, options);
  }

  static fromJSON(json: JsonValue): GetReq {
    return GET_REQ.fromJSON(json);
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

  get hasKey(): boolean {
    return (this.present0 & 0x2) !== 0;
  }
  get key(): string {
    return this._key.text();
  }
  set key(value: StringValue) {
    this._key.set(value, this.internals.copyThresholdBytes);
    this.present0 |= 0x2;
  }
  /** Length, leases and copies of `key` without a view. */
  get keyField(): StringField {
    return this._key;
  }
  clearKey(): void {
    this._key.clear();
    this.present0 &= ~0x2;
  }

  override clearFields(): void {
    this.present0 = 0;
    this._id = 0;
    this._key.clear();
  }

  override load(source: Source, at: number): void {
    let p = source.enter(this.internals, GET_REQ, at);
    const present0 = source.present0;
    this.present0 = present0;
    if (present0 & 0x1) {
      this._id = source.u32(p);
      p += 4;
    }
    if (present0 & 0x2) this._key.load(source, p);
  }

  override measure(w: Writer): void {
    w.measureHeader(this.internals, GET_REQ, 0);
    w.measureEntries(this.internals, this.present0, 0x2);
    if (this.present0 & 0x2) this._key.measure(w);
  }

  override emit(w: Writer, at: number): void {
    const present0 = this.present0;
    let p = w.header(this.internals, at, GET_REQ, 0);
    w.u32(at + 4, present0);
    if (present0 & 0x1) {
      w.u32(p, this._id);
      p += 4;
    }
    if (present0 & 0x2) {
      this._key.emit(w, p);
      p += 8;
    }
    if (this.internals.unknown !== undefined) w.unknownRest(p, this.internals);
  }
}

const BATCH: MessageType<Batch> = new MessageType<Batch>({
  name: 'contract.Batch',
  create: () => new Batch(),
  words: 1,
  fields: [
    { number: 1, name: 'id', type: UINT32 },
    { number: 2, name: 'vals', type: BYTES, label: REPEATED },
    { number: 3, name: 'points', type: MESSAGE, label: REPEATED, message: () => POINT },
    { number: 4, name: 'first', type: MESSAGE, message: () => POINT },
    { number: 5, name: 'note', type: STRING },
    { number: 6, name: 'when', type: INT64 },
    { number: 7, name: 'ratio', type: FLOAT },
    { number: 8, name: 'next', type: MESSAGE, message: () => BATCH },
  ],
});

/** Every type of the reference's format: encoded in format 0. */
export class Batch extends Message {
  static readonly type: MessageType<Batch> = BATCH;
  private present0: number;
  private _id: number;
  private readonly _vals: BytesList;
  private readonly _points: MessageList<Point>;
  private readonly _first: MessageField<Point>;
  private readonly _note: StringField;
  private _whenLow: number;
  private _whenHigh: number;
  private _ratio: number;
  private readonly _next: MessageField<Batch>;

  constructor() {
    super(BATCH);
    this.present0 = 0;
    this._id = 0;
    this._vals = new BytesList();
    this._points = new MessageList<Point>(POINT);
    this._first = new MessageField<Point>(POINT);
    this._note = new StringField();
    this._whenLow = 0;
    this._whenHigh = 0;
    this._ratio = 0;
    this._next = new MessageField<Batch>(BATCH);
  }

  /** A cleared message from the pool. */
  static acquire(): Batch {
    return BATCH.acquire();
  }

  /** Verifies and reads; the result holds references of its own until `release`. */
  static read(source: AnySource, options?: ReadOptions): Batch {
    return BATCH.read(source, options);
  }

  static fromJSON(json: JsonValue): Batch {
    return BATCH.fromJSON(json);
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

  get points(): MessageList<Point> {
    return this._points;
  }

  get hasFirst(): boolean {
    return (this.present0 & 0x8) !== 0;
  }
  /** The message, or `undefined` when there is none. Valid as long as this one. */
  get first(): Point | undefined {
    return this.present0 & 0x8 ? this._first.get() : undefined;
  }
  /** The message, to be filled in; made when there is none. */
  mutableFirst(): Point {
    this.present0 |= 0x8;
    return this._first.mutable(this);
  }
  clearFirst(): void {
    this._first.clear();
    this.present0 &= ~0x8;
  }

  get hasNote(): boolean {
    return (this.present0 & 0x10) !== 0;
  }
  get note(): string {
    return this._note.text();
  }
  set note(value: StringValue) {
    this._note.set(value, this.internals.copyThresholdBytes);
    this.present0 |= 0x10;
  }
  /** Length, leases and copies of `note` without a view. */
  get noteField(): StringField {
    return this._note;
  }
  clearNote(): void {
    this._note.clear();
    this.present0 &= ~0x10;
  }

  get hasWhen(): boolean {
    return (this.present0 & 0x20) !== 0;
  }
  get when(): bigint {
    return int64(this._whenLow, this._whenHigh);
  }
  set when(value: bigint | number) {
    this._whenLow = low64(value);
    this._whenHigh = high64(value);
    this.present0 |= 0x20;
  }
  /** `when` as a number, without a BigInt. @throws ERR_DEMI_UNSAFE_INTEGER beyond 2^53 */
  get whenNumber(): number {
    return int64Number(this._whenLow, this._whenHigh);
  }
  clearWhen(): void {
    this._whenLow = 0;
    this._whenHigh = 0;
    this.present0 &= ~0x20;
  }

  get hasRatio(): boolean {
    return (this.present0 & 0x40) !== 0;
  }
  get ratio(): number {
    return this._ratio;
  }
  set ratio(value: number) {
    this._ratio = Math.fround(value);
    this.present0 |= 0x40;
  }
  clearRatio(): void {
    this._ratio = 0;
    this.present0 &= ~0x40;
  }

  get hasNext(): boolean {
    return (this.present0 & 0x80) !== 0;
  }
  /** The message, or `undefined` when there is none. Valid as long as this one. */
  get next(): Batch | undefined {
    return this.present0 & 0x80 ? this._next.get() : undefined;
  }
  /** The message, to be filled in; made when there is none. */
  mutableNext(): Batch {
    this.present0 |= 0x80;
    return this._next.mutable(this);
  }
  clearNext(): void {
    this._next.clear();
    this.present0 &= ~0x80;
  }

  override clearFields(): void {
    this.present0 = 0;
    this._id = 0;
    this._vals.clear();
    this._points.clear();
    this._first.clear();
    this._note.clear();
    this._whenLow = 0;
    this._whenHigh = 0;
    this._ratio = 0;
    this._next.clear();
  }

  override load(source: Source, at: number): void {
    let p = source.enter(this.internals, BATCH, at);
    const present0 = source.present0;
    this.present0 = present0;
    if (present0 & 0x1) {
      this._id = source.u32(p);
      p += 4;
    }
    if (present0 & 0x2) {
      this._vals.load(source, p);
      p += 8;
    }
    if (present0 & 0x4) {
      this._points.load(source, p);
      p += 8;
    }
    if (present0 & 0x8) {
      this._first.load(source, p);
      p += 8;
    }
    if (present0 & 0x10) {
      this._note.load(source, p);
      p += 8;
    }
    if (present0 & 0x20) {
      this._whenLow = source.i32(p);
      this._whenHigh = source.i32(p + 4);
      p += 8;
    }
    if (present0 & 0x40) {
      this._ratio = Math.fround(source.f64(p));
      p += 8;
    }
    if (present0 & 0x80) this._next.load(source, p);
  }

  override measure(w: Writer): void {
    this.countLists();
    w.measureHeader(this.internals, BATCH, 0);
    w.measureEntries(this.internals, this.present0, 0xfe);
    if (this.present0 & 0x2) this._vals.measure(w);
    if (this.present0 & 0x4) this._points.measure(w);
    if (this.present0 & 0x8) this._first.measure(w);
    if (this.present0 & 0x10) this._note.measure(w);
    if (this.present0 & 0x80) this._next.measure(w);
  }

  /** A list is present when it has entries. */
  private countLists(): void {
    let present0 = this.present0 & ~0x6;
    if (this._vals.length !== 0) present0 |= 0x2;
    if (this._points.length !== 0) present0 |= 0x4;
    this.present0 = present0;
  }

  override emit(w: Writer, at: number): void {
    const present0 = this.present0;
    let p = w.header(this.internals, at, BATCH, 0);
    w.u32(at + 4, present0);
    if (present0 & 0x1) {
      w.u32(p, this._id);
      p += 4;
    }
    if (present0 & 0x2) {
      this._vals.emit(w, p);
      p += 8;
    }
    if (present0 & 0x4) {
      this._points.emit(w, p);
      p += 8;
    }
    if (present0 & 0x8) {
      this._first.emit(w, p);
      p += 8;
    }
    if (present0 & 0x10) {
      this._note.emit(w, p);
      p += 8;
    }
    if (present0 & 0x20) {
      w.u64(p, this._whenLow, this._whenHigh);
      p += 8;
    }
    if (present0 & 0x40) {
      w.f64(p, this._ratio);
      p += 8;
    }
    if (present0 & 0x80) {
      this._next.emit(w, p);
      p += 8;
    }
    if (this.internals.unknown !== undefined) w.unknownRest(p, this.internals);
  }
}

const FIRST_BATCH: MessageType<FirstBatch> = new MessageType<FirstBatch>({
  name: 'contract.FirstBatch',
  create: () => new FirstBatch(),
  words: 1,
  fields: [{ number: 1, name: 'id', type: UINT32 }],
});

/** `Batch` as its first version had it. */
export class FirstBatch extends Message {
  static readonly type: MessageType<FirstBatch> = FIRST_BATCH;
  private present0: number;
  private _id: number;

  constructor() {
    super(FIRST_BATCH);
    this.present0 = 0;
    this._id = 0;
  }

  /** A cleared message from the pool. */
  static acquire(): FirstBatch {
    return FIRST_BATCH.acquire();
  }

  /** Verifies and reads; the result holds references of its own until `release`. */
  static read(source: AnySource, options?: ReadOptions): FirstBatch {
    return FIRST_BATCH.read(source, options);
  }

  static fromJSON(json: JsonValue): FirstBatch {
    return FIRST_BATCH.fromJSON(json);
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

  override clearFields(): void {
    this.present0 = 0;
    this._id = 0;
  }

  override load(source: Source, at: number): void {
    const p = source.enter(this.internals, FIRST_BATCH, at);
    const present0 = source.present0;
    this.present0 = present0;
    if (present0 & 0x1) this._id = source.u32(p);
  }

  override measure(w: Writer): void {
    w.measureHeader(this.internals, FIRST_BATCH, 0);
    w.measureEntries(this.internals, this.present0, 0x0);
  }

  override emit(w: Writer, at: number): void {
    const present0 = this.present0;
    let p = w.header(this.internals, at, FIRST_BATCH, 0);
    w.u32(at + 4, present0);
    if (present0 & 0x1) {
      w.u32(p, this._id);
      p += 4;
    }
    if (this.internals.unknown !== undefined) w.unknownRest(p, this.internals);
  }
}
