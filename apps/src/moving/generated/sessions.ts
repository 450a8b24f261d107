// Made by apps/src/schemas/generate.ts: cornc sessions.proto. Do not edit.
// Made by cornc from sessions.proto. Do not edit: changes are lost.

import {
  type AnySource,
  BOOL,
  BYTES,
  BytesField,
  type BytesValue,
  high64,
  type JsonValue,
  low64,
  Message,
  MessageType,
  REPEATED,
  type ReadOptions,
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
} from '@demikernel/cornflakes';

const KV_SESSION: MessageType<KvSession> = new MessageType<KvSession>({
  name: 'sessions.KvSession',
  create: () => new KvSession(),
  words: 1,
  fields: [
    { number: 1, name: 'format', type: UINT32 },
    { number: 2, name: 'id', type: UINT64 },
    { number: 3, name: 'version', type: UINT32 },
    { number: 4, name: 'name', type: BYTES },
    { number: 5, name: 'libraryName', type: BYTES },
    { number: 6, name: 'libraryVersion', type: BYTES },
    { number: 7, name: 'input', type: BYTES },
    { number: 8, name: 'refused', type: BOOL },
    { number: 9, name: 'ending', type: BOOL },
    { number: 10, name: 'quits', type: BOOL },
  ],
});

/** A client of the key-value store. */
export class KvSession extends Message {
  static readonly type: MessageType<KvSession> = KV_SESSION;
  private present0: number;
  private _format: number;
  private _idLow: number;
  private _idHigh: number;
  private _version: number;
  private readonly _name: BytesField;
  private readonly _libraryName: BytesField;
  private readonly _libraryVersion: BytesField;
  private readonly _input: BytesField;
  private _refused: boolean;
  private _ending: boolean;
  private _quits: boolean;

  constructor() {
    super(KV_SESSION);
    this.present0 = 0;
    this._format = 0;
    this._idLow = 0;
    this._idHigh = 0;
    this._version = 0;
    this._name = new BytesField();
    this._libraryName = new BytesField();
    this._libraryVersion = new BytesField();
    this._input = new BytesField();
    this._refused = false;
    this._ending = false;
    this._quits = false;
  }

  /** A cleared message from the pool. */
  static acquire(): KvSession {
    return KV_SESSION.acquire();
  }

  /** Verifies and reads; the result holds references of its own until `release`. */
  static read(source: AnySource, options?: ReadOptions): KvSession {
    return KV_SESSION.read(source, options);
  }

  static fromJSON(json: JsonValue): KvSession {
    return KV_SESSION.fromJSON(json);
  }

  get hasFormat(): boolean {
    return (this.present0 & 0x1) !== 0;
  }
  get format(): number {
    return this._format;
  }
  set format(value: number) {
    this._format = value >>> 0;
    this.present0 |= 0x1;
  }
  clearFormat(): void {
    this._format = 0;
    this.present0 &= ~0x1;
  }

  get hasId(): boolean {
    return (this.present0 & 0x2) !== 0;
  }
  /** As CLIENT ID says. */
  get id(): bigint {
    return uint64(this._idLow, this._idHigh);
  }
  set id(value: bigint | number) {
    this._idLow = low64(value);
    this._idHigh = high64(value);
    this.present0 |= 0x2;
  }
  /** `id` as a number, without a BigInt. @throws ERR_DEMI_UNSAFE_INTEGER beyond 2^53 */
  get idNumber(): number {
    return uint64Number(this._idLow, this._idHigh);
  }
  clearId(): void {
    this._idLow = 0;
    this._idHigh = 0;
    this.present0 &= ~0x2;
  }

  get hasVersion(): boolean {
    return (this.present0 & 0x4) !== 0;
  }
  /** Of the protocol: 2 or 3. */
  get version(): number {
    return this._version;
  }
  set version(value: number) {
    this._version = value >>> 0;
    this.present0 |= 0x4;
  }
  clearVersion(): void {
    this._version = 0;
    this.present0 &= ~0x4;
  }

  get hasName(): boolean {
    return (this.present0 & 0x8) !== 0;
  }
  get name(): Uint8Array {
    return this._name.bytes();
  }
  set name(value: BytesValue) {
    this._name.set(value, this.internals.copyThresholdBytes);
    this.present0 |= 0x8;
  }
  /** Length, leases and copies of `name` without a view. */
  get nameField(): BytesField {
    return this._name;
  }
  clearName(): void {
    this._name.clear();
    this.present0 &= ~0x8;
  }

  get hasLibraryName(): boolean {
    return (this.present0 & 0x10) !== 0;
  }
  get libraryName(): Uint8Array {
    return this._libraryName.bytes();
  }
  set libraryName(value: BytesValue) {
    this._libraryName.set(value, this.internals.copyThresholdBytes);
    this.present0 |= 0x10;
  }
  /** Length, leases and copies of `libraryName` without a view. */
  get libraryNameField(): BytesField {
    return this._libraryName;
  }
  clearLibraryName(): void {
    this._libraryName.clear();
    this.present0 &= ~0x10;
  }

  get hasLibraryVersion(): boolean {
    return (this.present0 & 0x20) !== 0;
  }
  get libraryVersion(): Uint8Array {
    return this._libraryVersion.bytes();
  }
  set libraryVersion(value: BytesValue) {
    this._libraryVersion.set(value, this.internals.copyThresholdBytes);
    this.present0 |= 0x20;
  }
  /** Length, leases and copies of `libraryVersion` without a view. */
  get libraryVersionField(): BytesField {
    return this._libraryVersion;
  }
  clearLibraryVersion(): void {
    this._libraryVersion.clear();
    this.present0 &= ~0x20;
  }

  get hasInput(): boolean {
    return (this.present0 & 0x40) !== 0;
  }
  /** Input from the first byte of the command under way on, and what was read ahead. */
  get input(): Uint8Array {
    return this._input.bytes();
  }
  set input(value: BytesValue) {
    this._input.set(value, this.internals.copyThresholdBytes);
    this.present0 |= 0x40;
  }
  /** Length, leases and copies of `input` without a view. */
  get inputField(): BytesField {
    return this._input;
  }
  clearInput(): void {
    this._input.clear();
    this.present0 &= ~0x40;
  }

  get hasRefused(): boolean {
    return (this.present0 & 0x80) !== 0;
  }
  /** An argument of the command under way found no memory: its bytes are zeros in the input, and the command will be refused. */
  get refused(): boolean {
    return this._refused;
  }
  set refused(value: boolean) {
    this._refused = value;
    this.present0 |= 0x80;
  }
  clearRefused(): void {
    this._refused = false;
    this.present0 &= ~0x80;
  }

  get hasEnding(): boolean {
    return (this.present0 & 0x100) !== 0;
  }
  /** The client has sent its last byte. */
  get ending(): boolean {
    return this._ending;
  }
  set ending(value: boolean) {
    this._ending = value;
    this.present0 |= 0x100;
  }
  clearEnding(): void {
    this._ending = false;
    this.present0 &= ~0x100;
  }

  get hasQuits(): boolean {
    return (this.present0 & 0x200) !== 0;
  }
  /** It is to end when its replies are sent. */
  get quits(): boolean {
    return this._quits;
  }
  set quits(value: boolean) {
    this._quits = value;
    this.present0 |= 0x200;
  }
  clearQuits(): void {
    this._quits = false;
    this.present0 &= ~0x200;
  }

  override clearFields(): void {
    this.present0 = 0;
    this._format = 0;
    this._idLow = 0;
    this._idHigh = 0;
    this._version = 0;
    this._name.clear();
    this._libraryName.clear();
    this._libraryVersion.clear();
    this._input.clear();
    this._refused = false;
    this._ending = false;
    this._quits = false;
  }

  override load(source: Source, at: number): void {
    let p = source.enter(this.internals, KV_SESSION, at);
    const present0 = source.present0;
    this.present0 = present0;
    if (present0 & 0x1) {
      this._format = source.u32(p);
      p += 4;
    }
    if (present0 & 0x2) {
      this._idLow = source.i32(p);
      this._idHigh = source.i32(p + 4);
      p += 8;
    }
    if (present0 & 0x4) {
      this._version = source.u32(p);
      p += 4;
    }
    if (present0 & 0x8) {
      this._name.load(source, p);
      p += 8;
    }
    if (present0 & 0x10) {
      this._libraryName.load(source, p);
      p += 8;
    }
    if (present0 & 0x20) {
      this._libraryVersion.load(source, p);
      p += 8;
    }
    if (present0 & 0x40) {
      this._input.load(source, p);
      p += 8;
    }
    if (present0 & 0x80) {
      this._refused = source.i32(p) !== 0;
      p += 4;
    }
    if (present0 & 0x100) {
      this._ending = source.i32(p) !== 0;
      p += 4;
    }
    if (present0 & 0x200) this._quits = source.i32(p) !== 0;
  }

  override measure(w: Writer): void {
    w.measureHeader(this.internals, KV_SESSION, 0);
    w.measureEntries(this.internals, this.present0, 0x7a);
    if (this.present0 & 0x8) this._name.measure(w);
    if (this.present0 & 0x10) this._libraryName.measure(w);
    if (this.present0 & 0x20) this._libraryVersion.measure(w);
    if (this.present0 & 0x40) this._input.measure(w);
  }

  override emit(w: Writer, at: number): void {
    const present0 = this.present0;
    let p = w.header(this.internals, at, KV_SESSION, 0);
    w.u32(at + 4, present0);
    if (present0 & 0x1) {
      w.u32(p, this._format);
      p += 4;
    }
    if (present0 & 0x2) {
      w.u64(p, this._idLow, this._idHigh);
      p += 8;
    }
    if (present0 & 0x4) {
      w.u32(p, this._version);
      p += 4;
    }
    if (present0 & 0x8) {
      this._name.emit(w, p);
      p += 8;
    }
    if (present0 & 0x10) {
      this._libraryName.emit(w, p);
      p += 8;
    }
    if (present0 & 0x20) {
      this._libraryVersion.emit(w, p);
      p += 8;
    }
    if (present0 & 0x40) {
      this._input.emit(w, p);
      p += 8;
    }
    if (present0 & 0x80) {
      w.u32(p, this._refused ? 1 : 0);
      p += 4;
    }
    if (present0 & 0x100) {
      w.u32(p, this._ending ? 1 : 0);
      p += 4;
    }
    if (present0 & 0x200) {
      w.u32(p, this._quits ? 1 : 0);
      p += 4;
    }
    if (this.internals.unknown !== undefined) w.unknownRest(p, this.internals);
  }
}

const HTTP_SESSION: MessageType<HttpSession> = new MessageType<HttpSession>({
  name: 'sessions.HttpSession',
  create: () => new HttpSession(),
  words: 1,
  fields: [
    { number: 1, name: 'format', type: UINT32 },
    { number: 2, name: 'state', type: UINT32 },
    { number: 3, name: 'line', type: BYTES },
    { number: 4, name: 'method', type: STRING },
    { number: 5, name: 'target', type: STRING },
    { number: 6, name: 'minorVersion', type: UINT32 },
    { number: 7, name: 'keepAlive', type: BOOL },
    { number: 8, name: 'names', type: STRING, label: REPEATED },
    { number: 9, name: 'values', type: STRING, label: REPEATED },
    { number: 10, name: 'body', type: BYTES },
    { number: 11, name: 'leftBytes', type: UINT32 },
    { number: 12, name: 'emptyLines', type: UINT32 },
    { number: 13, name: 'headBytes', type: UINT32 },
    { number: 14, name: 'fieldCount', type: UINT32 },
    { number: 15, name: 'continued', type: BOOL },
    { number: 16, name: 'input', type: BYTES },
    { number: 17, name: 'replies', type: BYTES },
    { number: 18, name: 'ending', type: BOOL },
    { number: 19, name: 'lingering', type: BOOL },
    { number: 20, name: 'lingerBytes', type: UINT32 },
  ],
});

/** A client of the HTTP service. */
export class HttpSession extends Message {
  static readonly type: MessageType<HttpSession> = HTTP_SESSION;
  private present0: number;
  private _format: number;
  private _state: number;
  private readonly _line: BytesField;
  private readonly _method: StringField;
  private readonly _target: StringField;
  private _minorVersion: number;
  private _keepAlive: boolean;
  private readonly _names: StringList;
  private readonly _values: StringList;
  private readonly _body: BytesField;
  private _leftBytes: number;
  private _emptyLines: number;
  private _headBytes: number;
  private _fieldCount: number;
  private _continued: boolean;
  private readonly _input: BytesField;
  private readonly _replies: BytesField;
  private _ending: boolean;
  private _lingering: boolean;
  private _lingerBytes: number;

  constructor() {
    super(HTTP_SESSION);
    this.present0 = 0;
    this._format = 0;
    this._state = 0;
    this._line = new BytesField();
    this._method = new StringField();
    this._target = new StringField();
    this._minorVersion = 0;
    this._keepAlive = false;
    this._names = new StringList();
    this._values = new StringList();
    this._body = new BytesField();
    this._leftBytes = 0;
    this._emptyLines = 0;
    this._headBytes = 0;
    this._fieldCount = 0;
    this._continued = false;
    this._input = new BytesField();
    this._replies = new BytesField();
    this._ending = false;
    this._lingering = false;
    this._lingerBytes = 0;
  }

  /** A cleared message from the pool. */
  static acquire(): HttpSession {
    return HTTP_SESSION.acquire();
  }

  /** Verifies and reads; the result holds references of its own until `release`. */
  static read(source: AnySource, options?: ReadOptions): HttpSession {
    return HTTP_SESSION.read(source, options);
  }

  static fromJSON(json: JsonValue): HttpSession {
    return HTTP_SESSION.fromJSON(json);
  }

  get hasFormat(): boolean {
    return (this.present0 & 0x1) !== 0;
  }
  get format(): number {
    return this._format;
  }
  set format(value: number) {
    this._format = value >>> 0;
    this.present0 |= 0x1;
  }
  clearFormat(): void {
    this._format = 0;
    this.present0 &= ~0x1;
  }

  get hasState(): boolean {
    return (this.present0 & 0x2) !== 0;
  }
  /** Which part of a request comes next, as request-parser.ts numbers them. */
  get state(): number {
    return this._state;
  }
  set state(value: number) {
    this._state = value >>> 0;
    this.present0 |= 0x2;
  }
  clearState(): void {
    this._state = 0;
    this.present0 &= ~0x2;
  }

  get hasLine(): boolean {
    return (this.present0 & 0x4) !== 0;
  }
  /** The line under way. */
  get line(): Uint8Array {
    return this._line.bytes();
  }
  set line(value: BytesValue) {
    this._line.set(value, this.internals.copyThresholdBytes);
    this.present0 |= 0x4;
  }
  /** Length, leases and copies of `line` without a view. */
  get lineField(): BytesField {
    return this._line;
  }
  clearLine(): void {
    this._line.clear();
    this.present0 &= ~0x4;
  }

  get hasMethod(): boolean {
    return (this.present0 & 0x8) !== 0;
  }
  /** The request under way. */
  get method(): string {
    return this._method.text();
  }
  set method(value: StringValue) {
    this._method.set(value, this.internals.copyThresholdBytes);
    this.present0 |= 0x8;
  }
  /** Length, leases and copies of `method` without a view. */
  get methodField(): StringField {
    return this._method;
  }
  clearMethod(): void {
    this._method.clear();
    this.present0 &= ~0x8;
  }

  get hasTarget(): boolean {
    return (this.present0 & 0x10) !== 0;
  }
  get target(): string {
    return this._target.text();
  }
  set target(value: StringValue) {
    this._target.set(value, this.internals.copyThresholdBytes);
    this.present0 |= 0x10;
  }
  /** Length, leases and copies of `target` without a view. */
  get targetField(): StringField {
    return this._target;
  }
  clearTarget(): void {
    this._target.clear();
    this.present0 &= ~0x10;
  }

  get hasMinorVersion(): boolean {
    return (this.present0 & 0x20) !== 0;
  }
  get minorVersion(): number {
    return this._minorVersion;
  }
  set minorVersion(value: number) {
    this._minorVersion = value >>> 0;
    this.present0 |= 0x20;
  }
  clearMinorVersion(): void {
    this._minorVersion = 0;
    this.present0 &= ~0x20;
  }

  get hasKeepAlive(): boolean {
    return (this.present0 & 0x40) !== 0;
  }
  get keepAlive(): boolean {
    return this._keepAlive;
  }
  set keepAlive(value: boolean) {
    this._keepAlive = value;
    this.present0 |= 0x40;
  }
  clearKeepAlive(): void {
    this._keepAlive = false;
    this.present0 &= ~0x40;
  }

  get names(): StringList {
    return this._names;
  }

  get values(): StringList {
    return this._values;
  }

  get hasBody(): boolean {
    return (this.present0 & 0x200) !== 0;
  }
  get body(): Uint8Array {
    return this._body.bytes();
  }
  set body(value: BytesValue) {
    this._body.set(value, this.internals.copyThresholdBytes);
    this.present0 |= 0x200;
  }
  /** Length, leases and copies of `body` without a view. */
  get bodyField(): BytesField {
    return this._body;
  }
  clearBody(): void {
    this._body.clear();
    this.present0 &= ~0x200;
  }

  get hasLeftBytes(): boolean {
    return (this.present0 & 0x400) !== 0;
  }
  /** Of the body, or of the chunk, still to come. */
  get leftBytes(): number {
    return this._leftBytes;
  }
  set leftBytes(value: number) {
    this._leftBytes = value >>> 0;
    this.present0 |= 0x400;
  }
  clearLeftBytes(): void {
    this._leftBytes = 0;
    this.present0 &= ~0x400;
  }

  get hasEmptyLines(): boolean {
    return (this.present0 & 0x800) !== 0;
  }
  get emptyLines(): number {
    return this._emptyLines;
  }
  set emptyLines(value: number) {
    this._emptyLines = value >>> 0;
    this.present0 |= 0x800;
  }
  clearEmptyLines(): void {
    this._emptyLines = 0;
    this.present0 &= ~0x800;
  }

  get hasHeadBytes(): boolean {
    return (this.present0 & 0x1000) !== 0;
  }
  get headBytes(): number {
    return this._headBytes;
  }
  set headBytes(value: number) {
    this._headBytes = value >>> 0;
    this.present0 |= 0x1000;
  }
  clearHeadBytes(): void {
    this._headBytes = 0;
    this.present0 &= ~0x1000;
  }

  get hasFieldCount(): boolean {
    return (this.present0 & 0x2000) !== 0;
  }
  get fieldCount(): number {
    return this._fieldCount;
  }
  set fieldCount(value: number) {
    this._fieldCount = value >>> 0;
    this.present0 |= 0x2000;
  }
  clearFieldCount(): void {
    this._fieldCount = 0;
    this.present0 &= ~0x2000;
  }

  get hasContinued(): boolean {
    return (this.present0 & 0x4000) !== 0;
  }
  /** 100 Continue has been said. */
  get continued(): boolean {
    return this._continued;
  }
  set continued(value: boolean) {
    this._continued = value;
    this.present0 |= 0x4000;
  }
  clearContinued(): void {
    this._continued = false;
    this.present0 &= ~0x4000;
  }

  get hasInput(): boolean {
    return (this.present0 & 0x8000) !== 0;
  }
  /** Read ahead. */
  get input(): Uint8Array {
    return this._input.bytes();
  }
  set input(value: BytesValue) {
    this._input.set(value, this.internals.copyThresholdBytes);
    this.present0 |= 0x8000;
  }
  /** Length, leases and copies of `input` without a view. */
  get inputField(): BytesField {
    return this._input;
  }
  clearInput(): void {
    this._input.clear();
    this.present0 &= ~0x8000;
  }

  get hasReplies(): boolean {
    return (this.present0 & 0x10000) !== 0;
  }
  /** Made and not yet pushed. */
  get replies(): Uint8Array {
    return this._replies.bytes();
  }
  set replies(value: BytesValue) {
    this._replies.set(value, this.internals.copyThresholdBytes);
    this.present0 |= 0x10000;
  }
  /** Length, leases and copies of `replies` without a view. */
  get repliesField(): BytesField {
    return this._replies;
  }
  clearReplies(): void {
    this._replies.clear();
    this.present0 &= ~0x10000;
  }

  get hasEnding(): boolean {
    return (this.present0 & 0x20000) !== 0;
  }
  /** No request is read any more: the connection ends when the replies are sent. */
  get ending(): boolean {
    return this._ending;
  }
  set ending(value: boolean) {
    this._ending = value;
    this.present0 |= 0x20000;
  }
  clearEnding(): void {
    this._ending = false;
    this.present0 &= ~0x20000;
  }

  get hasLingering(): boolean {
    return (this.present0 & 0x40000) !== 0;
  }
  /** Our half has ended, and so much more is read away at most. */
  get lingering(): boolean {
    return this._lingering;
  }
  set lingering(value: boolean) {
    this._lingering = value;
    this.present0 |= 0x40000;
  }
  clearLingering(): void {
    this._lingering = false;
    this.present0 &= ~0x40000;
  }

  get hasLingerBytes(): boolean {
    return (this.present0 & 0x80000) !== 0;
  }
  get lingerBytes(): number {
    return this._lingerBytes;
  }
  set lingerBytes(value: number) {
    this._lingerBytes = value >>> 0;
    this.present0 |= 0x80000;
  }
  clearLingerBytes(): void {
    this._lingerBytes = 0;
    this.present0 &= ~0x80000;
  }

  override clearFields(): void {
    this.present0 = 0;
    this._format = 0;
    this._state = 0;
    this._line.clear();
    this._method.clear();
    this._target.clear();
    this._minorVersion = 0;
    this._keepAlive = false;
    this._names.clear();
    this._values.clear();
    this._body.clear();
    this._leftBytes = 0;
    this._emptyLines = 0;
    this._headBytes = 0;
    this._fieldCount = 0;
    this._continued = false;
    this._input.clear();
    this._replies.clear();
    this._ending = false;
    this._lingering = false;
    this._lingerBytes = 0;
  }

  override load(source: Source, at: number): void {
    let p = source.enter(this.internals, HTTP_SESSION, at);
    const present0 = source.present0;
    this.present0 = present0;
    if (present0 & 0x1) {
      this._format = source.u32(p);
      p += 4;
    }
    if (present0 & 0x2) {
      this._state = source.u32(p);
      p += 4;
    }
    if (present0 & 0x4) {
      this._line.load(source, p);
      p += 8;
    }
    if (present0 & 0x8) {
      this._method.load(source, p);
      p += 8;
    }
    if (present0 & 0x10) {
      this._target.load(source, p);
      p += 8;
    }
    if (present0 & 0x20) {
      this._minorVersion = source.u32(p);
      p += 4;
    }
    if (present0 & 0x40) {
      this._keepAlive = source.i32(p) !== 0;
      p += 4;
    }
    if (present0 & 0x80) {
      this._names.load(source, p);
      p += 8;
    }
    if (present0 & 0x100) {
      this._values.load(source, p);
      p += 8;
    }
    if (present0 & 0x200) {
      this._body.load(source, p);
      p += 8;
    }
    if (present0 & 0x400) {
      this._leftBytes = source.u32(p);
      p += 4;
    }
    if (present0 & 0x800) {
      this._emptyLines = source.u32(p);
      p += 4;
    }
    if (present0 & 0x1000) {
      this._headBytes = source.u32(p);
      p += 4;
    }
    if (present0 & 0x2000) {
      this._fieldCount = source.u32(p);
      p += 4;
    }
    if (present0 & 0x4000) {
      this._continued = source.i32(p) !== 0;
      p += 4;
    }
    if (present0 & 0x8000) {
      this._input.load(source, p);
      p += 8;
    }
    if (present0 & 0x10000) {
      this._replies.load(source, p);
      p += 8;
    }
    if (present0 & 0x20000) {
      this._ending = source.i32(p) !== 0;
      p += 4;
    }
    if (present0 & 0x40000) {
      this._lingering = source.i32(p) !== 0;
      p += 4;
    }
    if (present0 & 0x80000) this._lingerBytes = source.u32(p);
  }

  override measure(w: Writer): void {
    this.countLists();
    w.measureHeader(this.internals, HTTP_SESSION, 0);
    w.measureEntries(this.internals, this.present0, 0x1839c);
    if (this.present0 & 0x4) this._line.measure(w);
    if (this.present0 & 0x8) this._method.measure(w);
    if (this.present0 & 0x10) this._target.measure(w);
    if (this.present0 & 0x80) this._names.measure(w);
    if (this.present0 & 0x100) this._values.measure(w);
    if (this.present0 & 0x200) this._body.measure(w);
    if (this.present0 & 0x8000) this._input.measure(w);
    if (this.present0 & 0x10000) this._replies.measure(w);
  }

  /** A list is present when it has entries. */
  private countLists(): void {
    let present0 = this.present0 & ~0x180;
    if (this._names.length !== 0) present0 |= 0x80;
    if (this._values.length !== 0) present0 |= 0x100;
    this.present0 = present0;
  }

  override emit(w: Writer, at: number): void {
    const present0 = this.present0;
    let p = w.header(this.internals, at, HTTP_SESSION, 0);
    w.u32(at + 4, present0);
    if (present0 & 0x1) {
      w.u32(p, this._format);
      p += 4;
    }
    if (present0 & 0x2) {
      w.u32(p, this._state);
      p += 4;
    }
    if (present0 & 0x4) {
      this._line.emit(w, p);
      p += 8;
    }
    if (present0 & 0x8) {
      this._method.emit(w, p);
      p += 8;
    }
    if (present0 & 0x10) {
      this._target.emit(w, p);
      p += 8;
    }
    if (present0 & 0x20) {
      w.u32(p, this._minorVersion);
      p += 4;
    }
    if (present0 & 0x40) {
      w.u32(p, this._keepAlive ? 1 : 0);
      p += 4;
    }
    if (present0 & 0x80) {
      this._names.emit(w, p);
      p += 8;
    }
    if (present0 & 0x100) {
      this._values.emit(w, p);
      p += 8;
    }
    if (present0 & 0x200) {
      this._body.emit(w, p);
      p += 8;
    }
    if (present0 & 0x400) {
      w.u32(p, this._leftBytes);
      p += 4;
    }
    if (present0 & 0x800) {
      w.u32(p, this._emptyLines);
      p += 4;
    }
    if (present0 & 0x1000) {
      w.u32(p, this._headBytes);
      p += 4;
    }
    if (present0 & 0x2000) {
      w.u32(p, this._fieldCount);
      p += 4;
    }
    if (present0 & 0x4000) {
      w.u32(p, this._continued ? 1 : 0);
      p += 4;
    }
    if (present0 & 0x8000) {
      this._input.emit(w, p);
      p += 8;
    }
    if (present0 & 0x10000) {
      this._replies.emit(w, p);
      p += 8;
    }
    if (present0 & 0x20000) {
      w.u32(p, this._ending ? 1 : 0);
      p += 4;
    }
    if (present0 & 0x40000) {
      w.u32(p, this._lingering ? 1 : 0);
      p += 4;
    }
    if (present0 & 0x80000) {
      w.u32(p, this._lingerBytes);
      p += 4;
    }
    if (this.internals.unknown !== undefined) w.unknownRest(p, this.internals);
  }
}
