// Made by cornc from names.proto. Do not edit: changes are lost.

import {
  type AnySource,
  BOOL,
  BYTES,
  BytesField,
  type BytesValue,
  DOUBLE,
  ENUM,
  type EnumType,
  enumType,
  high64,
  INT32 as INT32_,
  INT64,
  int64,
  int64Number,
  type JsonValue,
  low64,
  MAP,
  MESSAGE as MESSAGE_,
  Message as Message_,
  MessageField,
  MessageList,
  MessageType,
  NumberList,
  REPEATED,
  type ReadOptions,
  type Source as Source_,
  STRING,
  StringField,
  StringList,
  type StringValue,
  UINT64,
  uint64,
  uint64Number,
  type Writer,
} from '@demikernel/cornflakes';

export const INT32 = { ZERO: 0 } as const;
/** Open, as proto3 has it: numbers without a name are kept. */
export type INT32 = number;
export const INT32Type: EnumType = enumType('INT32', INT32);

export const MessageKind = { KIND_NONE: 0, constructor: 1, prototype: -5 } as const;
/** Open, as proto3 has it: numbers without a name are kept. */
export type MessageKind = number;
export const MessageKindType: EnumType = enumType('Message.Kind', MessageKind);

const MESSAGE_ENTRY: MessageType<MessageEntry> = new MessageType<MessageEntry>({
  name: 'Message.Entry',
  create: () => new MessageEntry(),
  words: 1,
  fields: [
    { number: 1, name: 'key', type: STRING },
    { number: 2, name: 'value', type: BOOL },
  ],
});

export class MessageEntry extends Message_ {
  static readonly type: MessageType<MessageEntry> = MESSAGE_ENTRY;
  private present0: number;
  private readonly _key: StringField;
  private _value: boolean;

  constructor() {
    super(MESSAGE_ENTRY);
    this.present0 = 0;
    this._key = new StringField();
    this._value = false;
  }

  /** A cleared message from the pool. */
  static acquire(): MessageEntry {
    return MESSAGE_ENTRY.acquire();
  }

  /** Verifies and reads; the result holds references of its own until `release`. */
  static read(source: AnySource, options?: ReadOptions): MessageEntry {
    return MESSAGE_ENTRY.read(source, options);
  }

  static fromJSON(json: JsonValue): MessageEntry {
    return MESSAGE_ENTRY.fromJSON(json);
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
  get value(): boolean {
    return this._value;
  }
  set value(value: boolean) {
    this._value = value;
    this.present0 |= 0x2;
  }
  clearValue(): void {
    this._value = false;
    this.present0 &= ~0x2;
  }

  override clearFields(): void {
    this.present0 = 0;
    this._key.clear();
    this._value = false;
  }

  override load(source: Source_, at: number): void {
    let p = source.enter(this.internals, MESSAGE_ENTRY, at);
    const present0 = source.present0;
    this.present0 = present0;
    if (present0 & 0x1) {
      this._key.load(source, p);
      p += 8;
    }
    if (present0 & 0x2) this._value = source.i32(p) !== 0;
  }

  override measure(w: Writer): void {
    w.measureHeader(this.internals, MESSAGE_ENTRY, 0);
    w.measureEntries(this.internals, this.present0, 0x1);
    if (this.present0 & 0x1) this._key.measure(w);
  }

  override emit(w: Writer, at: number): void {
    const present0 = this.present0;
    let p = w.header(this.internals, at, MESSAGE_ENTRY, 0);
    w.u32(at + 4, present0);
    if (present0 & 0x1) {
      this._key.emit(w, p);
      p += 8;
    }
    if (present0 & 0x2) {
      w.u32(p, this._value ? 1 : 0);
      p += 4;
    }
    if (this.internals.unknown !== undefined) w.unknownRest(p, this.internals);
  }
}

const MESSAGE_SOURCES_ENTRY: MessageType<MessageSourcesEntry> = new MessageType<MessageSourcesEntry>({
  name: 'Message.SourcesEntry',
  create: () => new MessageSourcesEntry(),
  words: 1,
  fields: [{ number: 1, name: 'kind', type: ENUM, enum: MessageKindType }],
});

export class MessageSourcesEntry extends Message_ {
  static readonly type: MessageType<MessageSourcesEntry> = MESSAGE_SOURCES_ENTRY;
  private present0: number;
  private _kind: number;

  constructor() {
    super(MESSAGE_SOURCES_ENTRY);
    this.present0 = 0;
    this._kind = 0;
  }

  /** A cleared message from the pool. */
  static acquire(): MessageSourcesEntry {
    return MESSAGE_SOURCES_ENTRY.acquire();
  }

  /** Verifies and reads; the result holds references of its own until `release`. */
  static read(source: AnySource, options?: ReadOptions): MessageSourcesEntry {
    return MESSAGE_SOURCES_ENTRY.read(source, options);
  }

  static fromJSON(json: JsonValue): MessageSourcesEntry {
    return MESSAGE_SOURCES_ENTRY.fromJSON(json);
  }

  get hasKind(): boolean {
    return (this.present0 & 0x1) !== 0;
  }
  get kind(): MessageKind {
    return this._kind;
  }
  set kind(value: MessageKind) {
    this._kind = value | 0;
    this.present0 |= 0x1;
  }
  clearKind(): void {
    this._kind = 0;
    this.present0 &= ~0x1;
  }

  override clearFields(): void {
    this.present0 = 0;
    this._kind = 0;
  }

  override load(source: Source_, at: number): void {
    const p = source.enter(this.internals, MESSAGE_SOURCES_ENTRY, at);
    const present0 = source.present0;
    this.present0 = present0;
    if (present0 & 0x1) this._kind = source.i32(p);
  }

  override measure(w: Writer): void {
    w.measureHeader(this.internals, MESSAGE_SOURCES_ENTRY, 0);
    w.measureEntries(this.internals, this.present0, 0x0);
  }

  override emit(w: Writer, at: number): void {
    const present0 = this.present0;
    let p = w.header(this.internals, at, MESSAGE_SOURCES_ENTRY, 0);
    w.u32(at + 4, present0);
    if (present0 & 0x1) {
      w.u32(p, this._kind);
      p += 4;
    }
    if (this.internals.unknown !== undefined) w.unknownRest(p, this.internals);
  }
}

const MESSAGE_LOOKUP_ENTRY: MessageType<MessageLookupEntry> = new MessageType<MessageLookupEntry>({
  name: 'Message.LookupEntry',
  create: () => new MessageLookupEntry(),
  words: 1,
  fields: [
    { number: 1, name: 'key', type: STRING },
    { number: 2, name: 'value', type: BYTES },
  ],
});

/** One entry of `Message.__lookup`. */
export class MessageLookupEntry extends Message_ {
  static readonly type: MessageType<MessageLookupEntry> = MESSAGE_LOOKUP_ENTRY;
  private present0: number;
  private readonly _key: StringField;
  private readonly _value: BytesField;

  constructor() {
    super(MESSAGE_LOOKUP_ENTRY);
    this.present0 = 0;
    this._key = new StringField();
    this._value = new BytesField();
  }

  /** A cleared message from the pool. */
  static acquire(): MessageLookupEntry {
    return MESSAGE_LOOKUP_ENTRY.acquire();
  }

  /** Verifies and reads; the result holds references of its own until `release`. */
  static read(source: AnySource, options?: ReadOptions): MessageLookupEntry {
    return MESSAGE_LOOKUP_ENTRY.read(source, options);
  }

  static fromJSON(json: JsonValue): MessageLookupEntry {
    return MESSAGE_LOOKUP_ENTRY.fromJSON(json);
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
  get value(): Uint8Array {
    return this._value.bytes();
  }
  set value(value: BytesValue) {
    this._value.set(value, this.internals.copyThresholdBytes);
    this.present0 |= 0x2;
  }
  /** Length, leases and copies of `value` without a view. */
  get valueField(): BytesField {
    return this._value;
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

  override load(source: Source_, at: number): void {
    let p = source.enter(this.internals, MESSAGE_LOOKUP_ENTRY, at);
    const present0 = source.present0;
    this.present0 = present0;
    if (present0 & 0x1) {
      this._key.load(source, p);
      p += 8;
    }
    if (present0 & 0x2) this._value.load(source, p);
  }

  override measure(w: Writer): void {
    w.measureHeader(this.internals, MESSAGE_LOOKUP_ENTRY, 0);
    w.measureEntries(this.internals, this.present0, 0x3);
    if (this.present0 & 0x1) this._key.measure(w);
    if (this.present0 & 0x2) this._value.measure(w);
  }

  override emit(w: Writer, at: number): void {
    const present0 = this.present0;
    let p = w.header(this.internals, at, MESSAGE_LOOKUP_ENTRY, 0);
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

const MESSAGE_SOURCES_ENTRY_: MessageType<MessageSourcesEntry_> = new MessageType<MessageSourcesEntry_>({
  name: 'Message.SourcesEntry',
  create: () => new MessageSourcesEntry_(),
  words: 1,
  fields: [
    { number: 1, name: 'key', type: INT64 },
    { number: 2, name: 'value', type: MESSAGE_, message: () => SOURCE },
  ],
});

/** One entry of `Message.sources`. */
export class MessageSourcesEntry_ extends Message_ {
  static readonly type: MessageType<MessageSourcesEntry_> = MESSAGE_SOURCES_ENTRY_;
  private present0: number;
  private _keyLow: number;
  private _keyHigh: number;
  private readonly _value: MessageField<Source>;

  constructor() {
    super(MESSAGE_SOURCES_ENTRY_);
    this.present0 = 0;
    this._keyLow = 0;
    this._keyHigh = 0;
    this._value = new MessageField<Source>(SOURCE);
  }

  /** A cleared message from the pool. */
  static acquire(): MessageSourcesEntry_ {
    return MESSAGE_SOURCES_ENTRY_.acquire();
  }

  /** Verifies and reads; the result holds references of its own until `release`. */
  static read(source: AnySource, options?: ReadOptions): MessageSourcesEntry_ {
    return MESSAGE_SOURCES_ENTRY_.read(source, options);
  }

  static fromJSON(json: JsonValue): MessageSourcesEntry_ {
    return MESSAGE_SOURCES_ENTRY_.fromJSON(json);
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
  get value(): Source | undefined {
    return this.present0 & 0x2 ? this._value.get() : undefined;
  }
  /** The message, to be filled in; made when there is none. */
  mutableValue(): Source {
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

  override load(source: Source_, at: number): void {
    let p = source.enter(this.internals, MESSAGE_SOURCES_ENTRY_, at);
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
    w.measureHeader(this.internals, MESSAGE_SOURCES_ENTRY_, 0);
    w.measureEntries(this.internals, this.present0, 0x3);
    if (this.present0 & 0x2) this._value.measure(w);
  }

  override emit(w: Writer, at: number): void {
    const present0 = this.present0;
    let p = w.header(this.internals, at, MESSAGE_SOURCES_ENTRY_, 0);
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

const MESSAGE: MessageType<Message> = new MessageType<Message>({
  name: 'Message',
  create: () => new Message(),
  words: 1,
  fields: [
    { number: 1, name: 'constructor_', type: STRING, jsonName: 'constructor', protoName: 'constructor' },
    { number: 2, name: 'hasX', type: BOOL },
    { number: 3, name: 'x_', type: INT64, jsonName: 'x', protoName: 'x' },
    { number: 4, name: 'xLow', type: INT64 },
    {
      number: 5,
      name: 'toString_',
      type: STRING,
      label: REPEATED,
      jsonName: 'toString',
      protoName: 'to_string',
    },
    { number: 6, name: 'class', type: BYTES },
    {
      number: 7,
      name: 'lookup',
      type: MESSAGE_,
      label: MAP,
      message: () => MESSAGE_LOOKUP_ENTRY,
      jsonName: 'Lookup',
      protoName: '__lookup',
    },
    { number: 8, name: 'sources', type: MESSAGE_, label: MAP, message: () => MESSAGE_SOURCES_ENTRY_ },
    { number: 9, name: '_1', type: DOUBLE, optional: true, jsonName: '1' },
    {
      number: 10,
      name: 'typeCase_',
      type: STRING,
      oneof: 'type',
      jsonName: 'typeCase',
      protoName: 'type_case',
    },
    { number: 11, name: 'prototype', type: UINT64, oneof: 'type' },
    { number: 12, name: 'foobar', type: INT32_, jsonName: 'FOOBAR', protoName: 'FOO_BAR' },
    { number: 13, name: 'quoted', type: INT32_, jsonName: 'it\'s "quoted"' },
    {
      number: 14,
      name: 'hasOwnProperty_',
      type: INT32_,
      jsonName: 'hasOwnProperty',
      protoName: 'has_own_property',
    },
    { number: 15, name: 'source_', type: INT32_, label: REPEATED, jsonName: 'source', protoName: 'source' },
    { number: 16, name: 'release_', type: BOOL, jsonName: 'release', protoName: 'release' },
    { number: 17, name: 'valueOf_', type: STRING, jsonName: 'valueOf', protoName: 'value_of' },
    { number: 18, name: 'xNumber', type: STRING },
    { number: 19, name: 'present1_', type: STRING, jsonName: 'present1', protoName: 'present1' },
  ],
});

export class Message extends Message_ {
  static readonly type: MessageType<Message> = MESSAGE;
  private present0: number;
  private readonly _constructor_: StringField;
  private _hasX: boolean;
  private _x_Low: number;
  private _x_High: number;
  private _xLowLow: number;
  private _xLowHigh: number;
  private readonly _toString_: StringList;
  private readonly _class: BytesField;
  private readonly _lookup: MessageList<MessageLookupEntry>;
  private readonly _sources: MessageList<MessageSourcesEntry_>;
  private __1: number;
  private readonly _typeCase_: StringField;
  private _prototypeLow: number;
  private _prototypeHigh: number;
  private _foobar: number;
  private _quoted: number;
  private _hasOwnProperty_: number;
  private readonly _source_: NumberList;
  private _release_: boolean;
  private readonly _valueOf_: StringField;
  private readonly _xNumber: StringField;
  private readonly _present1_: StringField;

  constructor() {
    super(MESSAGE);
    this.present0 = 0;
    this._constructor_ = new StringField();
    this._hasX = false;
    this._x_Low = 0;
    this._x_High = 0;
    this._xLowLow = 0;
    this._xLowHigh = 0;
    this._toString_ = new StringList();
    this._class = new BytesField();
    this._lookup = new MessageList<MessageLookupEntry>(MESSAGE_LOOKUP_ENTRY);
    this._sources = new MessageList<MessageSourcesEntry_>(MESSAGE_SOURCES_ENTRY_);
    this.__1 = 0;
    this._typeCase_ = new StringField();
    this._prototypeLow = 0;
    this._prototypeHigh = 0;
    this._foobar = 0;
    this._quoted = 0;
    this._hasOwnProperty_ = 0;
    this._source_ = new NumberList(INT32_);
    this._release_ = false;
    this._valueOf_ = new StringField();
    this._xNumber = new StringField();
    this._present1_ = new StringField();
  }

  /** A cleared message from the pool. */
  static acquire(): Message {
    return MESSAGE.acquire();
  }

  /** Verifies and reads; the result holds references of its own until `release`. */
  static read(source: AnySource, options?: ReadOptions): Message {
    return MESSAGE.read(source, options);
  }

  static fromJSON(json: JsonValue): Message {
    return MESSAGE.fromJSON(json);
  }

  /** Number of the field of `type` that is set; 0 when none is. */
  get typeCase(): number {
    if (this.present0 & 0x200) return 10;
    if (this.present0 & 0x400) return 11;
    return 0;
  }
  clearType(): void {
    if (this.present0 & 0x200) this.clearTypeCase_();
    if (this.present0 & 0x400) this.clearPrototype();
  }

  get hasConstructor_(): boolean {
    return (this.present0 & 0x1) !== 0;
  }
  get constructor_(): string {
    return this._constructor_.text();
  }
  set constructor_(value: StringValue) {
    this._constructor_.set(value, this.internals.copyThresholdBytes);
    this.present0 |= 0x1;
  }
  /** Length, leases and copies of `constructor_` without a view. */
  get constructor_Field(): StringField {
    return this._constructor_;
  }
  clearConstructor_(): void {
    this._constructor_.clear();
    this.present0 &= ~0x1;
  }

  get hasHasX(): boolean {
    return (this.present0 & 0x2) !== 0;
  }
  get hasX(): boolean {
    return this._hasX;
  }
  set hasX(value: boolean) {
    this._hasX = value;
    this.present0 |= 0x2;
  }
  clearHasX(): void {
    this._hasX = false;
    this.present0 &= ~0x2;
  }

  get hasX_(): boolean {
    return (this.present0 & 0x4) !== 0;
  }
  get x_(): bigint {
    return int64(this._x_Low, this._x_High);
  }
  set x_(value: bigint | number) {
    this._x_Low = low64(value);
    this._x_High = high64(value);
    this.present0 |= 0x4;
  }
  /** `x_` as a number, without a BigInt. @throws ERR_DEMI_UNSAFE_INTEGER beyond 2^53 */
  get x_Number(): number {
    return int64Number(this._x_Low, this._x_High);
  }
  clearX_(): void {
    this._x_Low = 0;
    this._x_High = 0;
    this.present0 &= ~0x4;
  }

  get hasXLow(): boolean {
    return (this.present0 & 0x8) !== 0;
  }
  get xLow(): bigint {
    return int64(this._xLowLow, this._xLowHigh);
  }
  set xLow(value: bigint | number) {
    this._xLowLow = low64(value);
    this._xLowHigh = high64(value);
    this.present0 |= 0x8;
  }
  /** `xLow` as a number, without a BigInt. @throws ERR_DEMI_UNSAFE_INTEGER beyond 2^53 */
  get xLowNumber(): number {
    return int64Number(this._xLowLow, this._xLowHigh);
  }
  clearXLow(): void {
    this._xLowLow = 0;
    this._xLowHigh = 0;
    this.present0 &= ~0x8;
  }

  get toString_(): StringList {
    return this._toString_;
  }

  get hasClass(): boolean {
    return (this.present0 & 0x20) !== 0;
  }
  get class(): Uint8Array {
    return this._class.bytes();
  }
  set class(value: BytesValue) {
    this._class.set(value, this.internals.copyThresholdBytes);
    this.present0 |= 0x20;
  }
  /** Length, leases and copies of `class` without a view. */
  get classField(): BytesField {
    return this._class;
  }
  clearClass(): void {
    this._class.clear();
    this.present0 &= ~0x20;
  }

  get lookup(): MessageList<MessageLookupEntry> {
    return this._lookup;
  }
  /** The value under `key`; of several entries with one key the last counts. */
  getLookup(key: string): Uint8Array | undefined {
    for (let i = this._lookup.length - 1; i >= 0; i--) {
      const entry = this._lookup.at(i);
      if (entry.key === key) return entry.value;
    }
    return undefined;
  }
  setLookup(key: string, value: BytesValue): void {
    this._lookup.own();
    for (let i = this._lookup.length - 1; i >= 0; i--) {
      const entry = this._lookup.at(i);
      if (entry.key === key) {
        entry.value = value;
        return;
      }
    }
    const entry = this._lookup.add();
    entry.key = key;
    entry.value = value;
  }

  get sources(): MessageList<MessageSourcesEntry_> {
    return this._sources;
  }
  /** The value under `key`; of several entries with one key the last counts. */
  getSources(key: bigint): Source | undefined {
    for (let i = this._sources.length - 1; i >= 0; i--) {
      const entry = this._sources.at(i);
      if (entry.key === key) return entry.value;
    }
    return undefined;
  }
  /** The value under `key`, to be filled in; a new entry when there is none. */
  mutableSources(key: bigint): Source {
    this._sources.own();
    for (let i = this._sources.length - 1; i >= 0; i--) {
      const entry = this._sources.at(i);
      if (entry.key === key) return entry.mutableValue();
    }
    const entry = this._sources.add();
    entry.key = key;
    return entry.mutableValue();
  }

  get has_1(): boolean {
    return (this.present0 & 0x100) !== 0;
  }
  get _1(): number {
    return this.__1;
  }
  set _1(value: number) {
    this.__1 = value;
    this.present0 |= 0x100;
  }
  clear_1(): void {
    this.__1 = 0;
    this.present0 &= ~0x100;
  }

  get hasTypeCase_(): boolean {
    return (this.present0 & 0x200) !== 0;
  }
  get typeCase_(): string {
    return this._typeCase_.text();
  }
  set typeCase_(value: StringValue) {
    if (!(this.present0 & 0x200)) this.clearType();
    this._typeCase_.set(value, this.internals.copyThresholdBytes);
    this.present0 |= 0x200;
  }
  /** Length, leases and copies of `typeCase_` without a view. */
  get typeCase_Field(): StringField {
    return this._typeCase_;
  }
  clearTypeCase_(): void {
    this._typeCase_.clear();
    this.present0 &= ~0x200;
  }

  get hasPrototype(): boolean {
    return (this.present0 & 0x400) !== 0;
  }
  get prototype(): bigint {
    return uint64(this._prototypeLow, this._prototypeHigh);
  }
  set prototype(value: bigint | number) {
    if (!(this.present0 & 0x400)) this.clearType();
    this._prototypeLow = low64(value);
    this._prototypeHigh = high64(value);
    this.present0 |= 0x400;
  }
  /** `prototype` as a number, without a BigInt. @throws ERR_DEMI_UNSAFE_INTEGER beyond 2^53 */
  get prototypeNumber(): number {
    return uint64Number(this._prototypeLow, this._prototypeHigh);
  }
  clearPrototype(): void {
    this._prototypeLow = 0;
    this._prototypeHigh = 0;
    this.present0 &= ~0x400;
  }

  get hasFoobar(): boolean {
    return (this.present0 & 0x800) !== 0;
  }
  get foobar(): number {
    return this._foobar;
  }
  set foobar(value: number) {
    this._foobar = value | 0;
    this.present0 |= 0x800;
  }
  clearFoobar(): void {
    this._foobar = 0;
    this.present0 &= ~0x800;
  }

  get hasQuoted(): boolean {
    return (this.present0 & 0x1000) !== 0;
  }
  get quoted(): number {
    return this._quoted;
  }
  set quoted(value: number) {
    this._quoted = value | 0;
    this.present0 |= 0x1000;
  }
  clearQuoted(): void {
    this._quoted = 0;
    this.present0 &= ~0x1000;
  }

  get hasHasOwnProperty_(): boolean {
    return (this.present0 & 0x2000) !== 0;
  }
  get hasOwnProperty_(): number {
    return this._hasOwnProperty_;
  }
  set hasOwnProperty_(value: number) {
    this._hasOwnProperty_ = value | 0;
    this.present0 |= 0x2000;
  }
  clearHasOwnProperty_(): void {
    this._hasOwnProperty_ = 0;
    this.present0 &= ~0x2000;
  }

  get source_(): NumberList {
    return this._source_;
  }

  get hasRelease_(): boolean {
    return (this.present0 & 0x8000) !== 0;
  }
  get release_(): boolean {
    return this._release_;
  }
  set release_(value: boolean) {
    this._release_ = value;
    this.present0 |= 0x8000;
  }
  clearRelease_(): void {
    this._release_ = false;
    this.present0 &= ~0x8000;
  }

  get hasValueOf_(): boolean {
    return (this.present0 & 0x10000) !== 0;
  }
  get valueOf_(): string {
    return this._valueOf_.text();
  }
  set valueOf_(value: StringValue) {
    this._valueOf_.set(value, this.internals.copyThresholdBytes);
    this.present0 |= 0x10000;
  }
  /** Length, leases and copies of `valueOf_` without a view. */
  get valueOf_Field(): StringField {
    return this._valueOf_;
  }
  clearValueOf_(): void {
    this._valueOf_.clear();
    this.present0 &= ~0x10000;
  }

  get hasXNumber(): boolean {
    return (this.present0 & 0x20000) !== 0;
  }
  get xNumber(): string {
    return this._xNumber.text();
  }
  set xNumber(value: StringValue) {
    this._xNumber.set(value, this.internals.copyThresholdBytes);
    this.present0 |= 0x20000;
  }
  /** Length, leases and copies of `xNumber` without a view. */
  get xNumberField(): StringField {
    return this._xNumber;
  }
  clearXNumber(): void {
    this._xNumber.clear();
    this.present0 &= ~0x20000;
  }

  get hasPresent1_(): boolean {
    return (this.present0 & 0x40000) !== 0;
  }
  get present1_(): string {
    return this._present1_.text();
  }
  set present1_(value: StringValue) {
    this._present1_.set(value, this.internals.copyThresholdBytes);
    this.present0 |= 0x40000;
  }
  /** Length, leases and copies of `present1_` without a view. */
  get present1_Field(): StringField {
    return this._present1_;
  }
  clearPresent1_(): void {
    this._present1_.clear();
    this.present0 &= ~0x40000;
  }

  override clearFields(): void {
    this.present0 = 0;
    this._constructor_.clear();
    this._hasX = false;
    this._x_Low = 0;
    this._x_High = 0;
    this._xLowLow = 0;
    this._xLowHigh = 0;
    this._toString_.clear();
    this._class.clear();
    this._lookup.clear();
    this._sources.clear();
    this.__1 = 0;
    this._typeCase_.clear();
    this._prototypeLow = 0;
    this._prototypeHigh = 0;
    this._foobar = 0;
    this._quoted = 0;
    this._hasOwnProperty_ = 0;
    this._source_.clear();
    this._release_ = false;
    this._valueOf_.clear();
    this._xNumber.clear();
    this._present1_.clear();
  }

  override load(source: Source_, at: number): void {
    let p = source.enter(this.internals, MESSAGE, at);
    const present0 = source.present0;
    this.present0 = present0;
    if (present0 & 0x1) {
      this._constructor_.load(source, p);
      p += 8;
    }
    if (present0 & 0x2) {
      this._hasX = source.i32(p) !== 0;
      p += 4;
    }
    if (present0 & 0x4) {
      this._x_Low = source.i32(p);
      this._x_High = source.i32(p + 4);
      p += 8;
    }
    if (present0 & 0x8) {
      this._xLowLow = source.i32(p);
      this._xLowHigh = source.i32(p + 4);
      p += 8;
    }
    if (present0 & 0x10) {
      this._toString_.load(source, p);
      p += 8;
    }
    if (present0 & 0x20) {
      this._class.load(source, p);
      p += 8;
    }
    if (present0 & 0x40) {
      this._lookup.load(source, p);
      p += 8;
    }
    if (present0 & 0x80) {
      this._sources.load(source, p);
      p += 8;
    }
    if (present0 & 0x100) {
      this.__1 = source.f64(p);
      p += 8;
    }
    if (present0 & 0x200) {
      this._typeCase_.load(source, p);
      p += 8;
    }
    if (present0 & 0x400) {
      this._prototypeLow = source.i32(p);
      this._prototypeHigh = source.i32(p + 4);
      p += 8;
    }
    if (present0 & 0x800) {
      this._foobar = source.i32(p);
      p += 4;
    }
    if (present0 & 0x1000) {
      this._quoted = source.i32(p);
      p += 4;
    }
    if (present0 & 0x2000) {
      this._hasOwnProperty_ = source.i32(p);
      p += 4;
    }
    if (present0 & 0x4000) {
      this._source_.load(source, p);
      p += 8;
    }
    if (present0 & 0x8000) {
      this._release_ = source.i32(p) !== 0;
      p += 4;
    }
    if (present0 & 0x10000) {
      this._valueOf_.load(source, p);
      p += 8;
    }
    if (present0 & 0x20000) {
      this._xNumber.load(source, p);
      p += 8;
    }
    if (present0 & 0x40000) this._present1_.load(source, p);
  }

  override measure(w: Writer): void {
    this.countLists();
    w.measureHeader(this.internals, MESSAGE, 0);
    w.measureEntries(this.internals, this.present0, 0x747fd);
    if (this.present0 & 0x1) this._constructor_.measure(w);
    if (this.present0 & 0x10) this._toString_.measure(w);
    if (this.present0 & 0x20) this._class.measure(w);
    if (this.present0 & 0x40) this._lookup.measure(w);
    if (this.present0 & 0x80) this._sources.measure(w);
    if (this.present0 & 0x200) this._typeCase_.measure(w);
    if (this.present0 & 0x4000) this._source_.measure(w);
    if (this.present0 & 0x10000) this._valueOf_.measure(w);
    if (this.present0 & 0x20000) this._xNumber.measure(w);
    if (this.present0 & 0x40000) this._present1_.measure(w);
  }

  /** A list is present when it has entries. */
  private countLists(): void {
    let present0 = this.present0 & ~0x40d0;
    if (this._toString_.length !== 0) present0 |= 0x10;
    if (this._lookup.length !== 0) present0 |= 0x40;
    if (this._sources.length !== 0) present0 |= 0x80;
    if (this._source_.length !== 0) present0 |= 0x4000;
    this.present0 = present0;
  }

  override emit(w: Writer, at: number): void {
    const present0 = this.present0;
    let p = w.header(this.internals, at, MESSAGE, 0);
    w.u32(at + 4, present0);
    if (present0 & 0x1) {
      this._constructor_.emit(w, p);
      p += 8;
    }
    if (present0 & 0x2) {
      w.u32(p, this._hasX ? 1 : 0);
      p += 4;
    }
    if (present0 & 0x4) {
      w.u64(p, this._x_Low, this._x_High);
      p += 8;
    }
    if (present0 & 0x8) {
      w.u64(p, this._xLowLow, this._xLowHigh);
      p += 8;
    }
    if (present0 & 0x10) {
      this._toString_.emit(w, p);
      p += 8;
    }
    if (present0 & 0x20) {
      this._class.emit(w, p);
      p += 8;
    }
    if (present0 & 0x40) {
      this._lookup.emit(w, p);
      p += 8;
    }
    if (present0 & 0x80) {
      this._sources.emit(w, p);
      p += 8;
    }
    if (present0 & 0x100) {
      w.f64(p, this.__1);
      p += 8;
    }
    if (present0 & 0x200) {
      this._typeCase_.emit(w, p);
      p += 8;
    }
    if (present0 & 0x400) {
      w.u64(p, this._prototypeLow, this._prototypeHigh);
      p += 8;
    }
    if (present0 & 0x800) {
      w.u32(p, this._foobar);
      p += 4;
    }
    if (present0 & 0x1000) {
      w.u32(p, this._quoted);
      p += 4;
    }
    if (present0 & 0x2000) {
      w.u32(p, this._hasOwnProperty_);
      p += 4;
    }
    if (present0 & 0x4000) {
      this._source_.emit(w, p);
      p += 8;
    }
    if (present0 & 0x8000) {
      w.u32(p, this._release_ ? 1 : 0);
      p += 4;
    }
    if (present0 & 0x10000) {
      this._valueOf_.emit(w, p);
      p += 8;
    }
    if (present0 & 0x20000) {
      this._xNumber.emit(w, p);
      p += 8;
    }
    if (present0 & 0x40000) {
      this._present1_.emit(w, p);
      p += 8;
    }
    if (this.internals.unknown !== undefined) w.unknownRest(p, this.internals);
  }
}

const SOURCE: MessageType<Source> = new MessageType<Source>({
  name: 'Source',
  create: () => new Source(),
  words: 1,
  fields: [],
});

export class Source extends Message_ {
  static readonly type: MessageType<Source> = SOURCE;
  private present0: number;

  constructor() {
    super(SOURCE);
    this.present0 = 0;
  }

  /** A cleared message from the pool. */
  static acquire(): Source {
    return SOURCE.acquire();
  }

  /** Verifies and reads; the result holds references of its own until `release`. */
  static read(source: AnySource, options?: ReadOptions): Source {
    return SOURCE.read(source, options);
  }

  static fromJSON(json: JsonValue): Source {
    return SOURCE.fromJSON(json);
  }

  override clearFields(): void {
    this.present0 = 0;
  }

  override load(source: Source_, at: number): void {
    source.enter(this.internals, SOURCE, at);
    this.present0 = source.present0;
  }

  override measure(w: Writer): void {
    w.measureHeader(this.internals, SOURCE, 0);
    w.measureEntries(this.internals, this.present0, 0x0);
  }

  override emit(w: Writer, at: number): void {
    const present0 = this.present0;
    const p = w.header(this.internals, at, SOURCE, 0);
    w.u32(at + 4, present0);
    if (this.internals.unknown !== undefined) w.unknownRest(p, this.internals);
  }
}

const UINT8_ARRAY_: MessageType<Uint8Array_> = new MessageType<Uint8Array_>({
  name: 'Uint8Array',
  create: () => new Uint8Array_(),
  words: 1,
  fields: [{ number: 1, name: 'number', type: ENUM, enum: INT32Type }],
});

export class Uint8Array_ extends Message_ {
  static readonly type: MessageType<Uint8Array_> = UINT8_ARRAY_;
  private present0: number;
  private _number: number;

  constructor() {
    super(UINT8_ARRAY_);
    this.present0 = 0;
    this._number = 0;
  }

  /** A cleared message from the pool. */
  static acquire(): Uint8Array_ {
    return UINT8_ARRAY_.acquire();
  }

  /** Verifies and reads; the result holds references of its own until `release`. */
  static read(source: AnySource, options?: ReadOptions): Uint8Array_ {
    return UINT8_ARRAY_.read(source, options);
  }

  static fromJSON(json: JsonValue): Uint8Array_ {
    return UINT8_ARRAY_.fromJSON(json);
  }

  get hasNumber(): boolean {
    return (this.present0 & 0x1) !== 0;
  }
  get number(): INT32 {
    return this._number;
  }
  set number(value: INT32) {
    this._number = value | 0;
    this.present0 |= 0x1;
  }
  clearNumber(): void {
    this._number = 0;
    this.present0 &= ~0x1;
  }

  override clearFields(): void {
    this.present0 = 0;
    this._number = 0;
  }

  override load(source: Source_, at: number): void {
    const p = source.enter(this.internals, UINT8_ARRAY_, at);
    const present0 = source.present0;
    this.present0 = present0;
    if (present0 & 0x1) this._number = source.i32(p);
  }

  override measure(w: Writer): void {
    w.measureHeader(this.internals, UINT8_ARRAY_, 0);
    w.measureEntries(this.internals, this.present0, 0x0);
  }

  override emit(w: Writer, at: number): void {
    const present0 = this.present0;
    let p = w.header(this.internals, at, UINT8_ARRAY_, 0);
    w.u32(at + 4, present0);
    if (present0 & 0x1) {
      w.u32(p, this._number);
      p += 4;
    }
    if (this.internals.unknown !== undefined) w.unknownRest(p, this.internals);
  }
}

const LOWER: MessageType<Lower> = new MessageType<Lower>({
  name: 'lower',
  create: () => new Lower(),
  words: 1,
  fields: [{ number: 1, name: 'lower', type: MESSAGE_, message: () => LOWER }],
});

export class Lower extends Message_ {
  static readonly type: MessageType<Lower> = LOWER;
  private present0: number;
  private readonly _lower: MessageField<Lower>;

  constructor() {
    super(LOWER);
    this.present0 = 0;
    this._lower = new MessageField<Lower>(LOWER);
  }

  /** A cleared message from the pool. */
  static acquire(): Lower {
    return LOWER.acquire();
  }

  /** Verifies and reads; the result holds references of its own until `release`. */
  static read(source: AnySource, options?: ReadOptions): Lower {
    return LOWER.read(source, options);
  }

  static fromJSON(json: JsonValue): Lower {
    return LOWER.fromJSON(json);
  }

  get hasLower(): boolean {
    return (this.present0 & 0x1) !== 0;
  }
  /** The message, or `undefined` when there is none. Valid as long as this one. */
  get lower(): Lower | undefined {
    return this.present0 & 0x1 ? this._lower.get() : undefined;
  }
  /** The message, to be filled in; made when there is none. */
  mutableLower(): Lower {
    this.present0 |= 0x1;
    return this._lower.mutable(this);
  }
  clearLower(): void {
    this._lower.clear();
    this.present0 &= ~0x1;
  }

  override clearFields(): void {
    this.present0 = 0;
    this._lower.clear();
  }

  override load(source: Source_, at: number): void {
    const p = source.enter(this.internals, LOWER, at);
    const present0 = source.present0;
    this.present0 = present0;
    if (present0 & 0x1) this._lower.load(source, p);
  }

  override measure(w: Writer): void {
    w.measureHeader(this.internals, LOWER, 0);
    w.measureEntries(this.internals, this.present0, 0x1);
    if (this.present0 & 0x1) this._lower.measure(w);
  }

  override emit(w: Writer, at: number): void {
    const present0 = this.present0;
    let p = w.header(this.internals, at, LOWER, 0);
    w.u32(at + 4, present0);
    if (present0 & 0x1) {
      this._lower.emit(w, p);
      p += 8;
    }
    if (this.internals.unknown !== undefined) w.unknownRest(p, this.internals);
  }
}
