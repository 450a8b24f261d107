// Made by apps/src/schemas/generate.ts: cornc kv.proto. Do not edit.
// Made by cornc from kv.proto. Do not edit: changes are lost.

import {
  type AnySource,
  BYTES,
  BytesField,
  BytesList,
  type BytesValue,
  type JsonValue,
  Message,
  MessageType,
  REPEATED,
  type ReadOptions,
  type Source,
  UINT32,
  type Writer,
} from '@demikernel/cornflakes';

const REQUEST: MessageType<Request> = new MessageType<Request>({
  name: 'kv.Request',
  create: () => new Request(),
  words: 1,
  fields: [
    { number: 1, name: 'id', type: UINT32 },
    { number: 2, name: 'operation', type: UINT32 },
    { number: 3, name: 'key', type: BYTES },
    { number: 4, name: 'keys', type: BYTES, label: REPEATED },
    { number: 5, name: 'value', type: BYTES },
    { number: 6, name: 'values', type: BYTES, label: REPEATED },
  ],
});

export class Request extends Message {
  static readonly type: MessageType<Request> = REQUEST;
  private present0: number;
  private _id: number;
  private _operation: number;
  private readonly _key: BytesField;
  private readonly _keys: BytesList;
  private readonly _value: BytesField;
  private readonly _values: BytesList;

  constructor() {
    super(REQUEST);
    this.present0 = 0;
    this._id = 0;
    this._operation = 0;
    this._key = new BytesField();
    this._keys = new BytesList();
    this._value = new BytesField();
    this._values = new BytesList();
  }

  /** A cleared message from the pool. */
  static acquire(): Request {
    return REQUEST.acquire();
  }

  /** Verifies and reads; the result holds references of its own until `release`. */
  static read(source: AnySource, options?: ReadOptions): Request {
    return REQUEST.read(source, options);
  }

  static fromJSON(json: JsonValue): Request {
    return REQUEST.fromJSON(json);
  }

  get hasId(): boolean {
    return (this.present0 & 0x1) !== 0;
  }
  /** Comes back with the reply. */
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

  get hasOperation(): boolean {
    return (this.present0 & 0x2) !== 0;
  }
  /**
   * 1 get: the first value of a key. 2 put: gives a key a value, or a list of them. 3 get-list: all values of a key.
   * 4 get-m: the first value of each of several keys. Numbers, because not every language here has open enumerations.
   */
  get operation(): number {
    return this._operation;
  }
  set operation(value: number) {
    this._operation = value >>> 0;
    this.present0 |= 0x2;
  }
  clearOperation(): void {
    this._operation = 0;
    this.present0 &= ~0x2;
  }

  get hasKey(): boolean {
    return (this.present0 & 0x4) !== 0;
  }
  /** Of get, put and get-list. */
  get key(): Uint8Array {
    return this._key.bytes();
  }
  set key(value: BytesValue) {
    this._key.set(value, this.internals.copyThresholdBytes);
    this.present0 |= 0x4;
  }
  /** Length, leases and copies of `key` without a view. */
  get keyField(): BytesField {
    return this._key;
  }
  clearKey(): void {
    this._key.clear();
    this.present0 &= ~0x4;
  }

  /** Of get-m. */
  get keys(): BytesList {
    return this._keys;
  }

  get hasValue(): boolean {
    return (this.present0 & 0x10) !== 0;
  }
  /** Of a put of one value. */
  get value(): Uint8Array {
    return this._value.bytes();
  }
  set value(value: BytesValue) {
    this._value.set(value, this.internals.copyThresholdBytes);
    this.present0 |= 0x10;
  }
  /** Length, leases and copies of `value` without a view. */
  get valueField(): BytesField {
    return this._value;
  }
  clearValue(): void {
    this._value.clear();
    this.present0 &= ~0x10;
  }

  /** Of a put of a list. */
  get values(): BytesList {
    return this._values;
  }

  override clearFields(): void {
    this.present0 = 0;
    this._id = 0;
    this._operation = 0;
    this._key.clear();
    this._keys.clear();
    this._value.clear();
    this._values.clear();
  }

  override load(source: Source, at: number): void {
    let p = source.enter(this.internals, REQUEST, at);
    const present0 = source.present0;
    this.present0 = present0;
    if (present0 & 0x1) {
      this._id = source.u32(p);
      p += 4;
    }
    if (present0 & 0x2) {
      this._operation = source.u32(p);
      p += 4;
    }
    if (present0 & 0x4) {
      this._key.load(source, p);
      p += 8;
    }
    if (present0 & 0x8) {
      this._keys.load(source, p);
      p += 8;
    }
    if (present0 & 0x10) {
      this._value.load(source, p);
      p += 8;
    }
    if (present0 & 0x20) this._values.load(source, p);
  }

  override measure(w: Writer): void {
    this.countLists();
    w.measureHeader(this.internals, REQUEST, 0);
    w.measureEntries(this.internals, this.present0, 0x3c);
    if (this.present0 & 0x4) this._key.measure(w);
    if (this.present0 & 0x8) this._keys.measure(w);
    if (this.present0 & 0x10) this._value.measure(w);
    if (this.present0 & 0x20) this._values.measure(w);
  }

  /** A list is present when it has entries. */
  private countLists(): void {
    let present0 = this.present0 & ~0x28;
    if (this._keys.length !== 0) present0 |= 0x8;
    if (this._values.length !== 0) present0 |= 0x20;
    this.present0 = present0;
  }

  override emit(w: Writer, at: number): void {
    const present0 = this.present0;
    let p = w.header(this.internals, at, REQUEST, 0);
    w.u32(at + 4, present0);
    if (present0 & 0x1) {
      w.u32(p, this._id);
      p += 4;
    }
    if (present0 & 0x2) {
      w.u32(p, this._operation);
      p += 4;
    }
    if (present0 & 0x4) {
      this._key.emit(w, p);
      p += 8;
    }
    if (present0 & 0x8) {
      this._keys.emit(w, p);
      p += 8;
    }
    if (present0 & 0x10) {
      this._value.emit(w, p);
      p += 8;
    }
    if (present0 & 0x20) {
      this._values.emit(w, p);
      p += 8;
    }
    if (this.internals.unknown !== undefined) w.unknownRest(p, this.internals);
  }
}

const REPLY: MessageType<Reply> = new MessageType<Reply>({
  name: 'kv.Reply',
  create: () => new Reply(),
  words: 1,
  fields: [
    { number: 1, name: 'id', type: UINT32 },
    { number: 2, name: 'status', type: UINT32 },
    { number: 3, name: 'value', type: BYTES },
    { number: 4, name: 'values', type: BYTES, label: REPEATED },
  ],
});

export class Reply extends Message {
  static readonly type: MessageType<Reply> = REPLY;
  private present0: number;
  private _id: number;
  private _status: number;
  private readonly _value: BytesField;
  private readonly _values: BytesList;

  constructor() {
    super(REPLY);
    this.present0 = 0;
    this._id = 0;
    this._status = 0;
    this._value = new BytesField();
    this._values = new BytesList();
  }

  /** A cleared message from the pool. */
  static acquire(): Reply {
    return REPLY.acquire();
  }

  /** Verifies and reads; the result holds references of its own until `release`. */
  static read(source: AnySource, options?: ReadOptions): Reply {
    return REPLY.read(source, options);
  }

  static fromJSON(json: JsonValue): Reply {
    return REPLY.fromJSON(json);
  }

  get hasId(): boolean {
    return (this.present0 & 0x1) !== 0;
  }
  /** The request's. */
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

  get hasStatus(): boolean {
    return (this.present0 & 0x2) !== 0;
  }
  /**
   * 0 fine. 1 there is no such key; of several, not every one. 2 memory is used up. 3 a key, a value or the whole reply
   * is too long. 4 the request makes no sense.
   */
  get status(): number {
    return this._status;
  }
  set status(value: number) {
    this._status = value >>> 0;
    this.present0 |= 0x2;
  }
  clearStatus(): void {
    this._status = 0;
    this.present0 &= ~0x2;
  }

  get hasValue(): boolean {
    return (this.present0 & 0x4) !== 0;
  }
  /** Of get. */
  get value(): Uint8Array {
    return this._value.bytes();
  }
  set value(value: BytesValue) {
    this._value.set(value, this.internals.copyThresholdBytes);
    this.present0 |= 0x4;
  }
  /** Length, leases and copies of `value` without a view. */
  get valueField(): BytesField {
    return this._value;
  }
  clearValue(): void {
    this._value.clear();
    this.present0 &= ~0x4;
  }

  /** Of get-list and get-m; of keys that are not there, empty. */
  get values(): BytesList {
    return this._values;
  }

  override clearFields(): void {
    this.present0 = 0;
    this._id = 0;
    this._status = 0;
    this._value.clear();
    this._values.clear();
  }

  override load(source: Source, at: number): void {
    let p = source.enter(this.internals, REPLY, at);
    const present0 = source.present0;
    this.present0 = present0;
    if (present0 & 0x1) {
      this._id = source.u32(p);
      p += 4;
    }
    if (present0 & 0x2) {
      this._status = source.u32(p);
      p += 4;
    }
    if (present0 & 0x4) {
      this._value.load(source, p);
      p += 8;
    }
    if (present0 & 0x8) this._values.load(source, p);
  }

  override measure(w: Writer): void {
    this.countLists();
    w.measureHeader(this.internals, REPLY, 0);
    w.measureEntries(this.internals, this.present0, 0xc);
    if (this.present0 & 0x4) this._value.measure(w);
    if (this.present0 & 0x8) this._values.measure(w);
  }

  /** A list is present when it has entries. */
  private countLists(): void {
    let present0 = this.present0 & ~0x8;
    if (this._values.length !== 0) present0 |= 0x8;
    this.present0 = present0;
  }

  override emit(w: Writer, at: number): void {
    const present0 = this.present0;
    let p = w.header(this.internals, at, REPLY, 0);
    w.u32(at + 4, present0);
    if (present0 & 0x1) {
      w.u32(p, this._id);
      p += 4;
    }
    if (present0 & 0x2) {
      w.u32(p, this._status);
      p += 4;
    }
    if (present0 & 0x4) {
      this._value.emit(w, p);
      p += 8;
    }
    if (present0 & 0x8) {
      this._values.emit(w, p);
      p += 8;
    }
    if (this.internals.unknown !== undefined) w.unknownRest(p, this.internals);
  }
}
