// `contract.Everything` as an older version of the schema had it, in the shape that cornc generates: for what happens to
// fields that a program does not know.

import {
  type AnySource,
  INT32,
  type JsonValue,
  MESSAGE,
  Message,
  MessageField,
  MessageType,
  population,
  type ReadOptions,
  SINGULAR,
  type Source,
  STRING,
  StringField,
  type StringValue,
  UINT32,
  type Writer,
} from '../../src/index.ts';

const OLD_EVERYTHING: MessageType<OldEverything> = new MessageType<OldEverything>({
  name: 'contract.Everything',
  create: () => new OldEverything(),
  words: 1,
  fields: [
    { number: 1, name: 'small', type: INT32 },
    { number: 12, name: 'name', type: STRING },
    { number: 28, name: 'maybe', type: UINT32, optional: true },
    { number: 29, name: 'inner', type: MESSAGE, message: () => OLD_EVERYTHING },
    { number: 1000, name: 'far', type: STRING },
  ],
});

/** `Everything` as an older schema had it: a few fields, and fewer in between. */
export class OldEverything extends Message {
  static readonly type: MessageType<OldEverything> = OLD_EVERYTHING;
  private present0: number;
  private present1: number;
  private _small: number;
  private readonly _name: StringField;
  private _maybe: number;
  private readonly _inner: MessageField<OldEverything>;
  private readonly _far: StringField;

  constructor() {
    super(OLD_EVERYTHING);
    this.present0 = 0;
    this.present1 = 0;
    this._small = 0;
    this._name = new StringField();
    this._maybe = 0;
    this._inner = new MessageField<OldEverything>(OLD_EVERYTHING);
    this._far = new StringField();
  }

  /** A cleared message from the pool. */
  static acquire(): OldEverything {
    return OLD_EVERYTHING.acquire();
  }

  /** Verifies and reads; the result holds references of its own until `release`. */
  static read(source: AnySource, options?: ReadOptions): OldEverything {
    return OLD_EVERYTHING.read(source, options);
  }

  static fromJSON(json: JsonValue): OldEverything {
    return OLD_EVERYTHING.fromJSON(json);
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
  get inner(): OldEverything | undefined {
    return this.present0 & 0x10000000 ? this._inner.get() : undefined;
  }
  /** The message, to be filled in; made when there is none. */
  mutableInner(): OldEverything {
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

  override clearFields(): void {
    this.present0 = 0;
    this.present1 = 0;
    this._small = 0;
    this._name.clear();
    this._maybe = 0;
    this._inner.clear();
    this._far.clear();
  }

  override load(source: Source, at: number): void {
    let p = source.enter(this.internals, OLD_EVERYTHING, at);
    const present0 = source.present0;
    this.present0 = present0;
    const present1 = source.present[1]!;
    this.present1 = present1;
    if (present0 & 0x1) {
      this._small = source.i32(p);
      p += 4;
    }
    if (present0 & 0x800) {
      this._name.load(source, p);
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
    if (present1 & 0x1) this._far.load(source, p);
  }

  override measure(w: Writer): void {
    w.measureHeader(this.internals, OLD_EVERYTHING, population(this.present1));
    w.measureEntries(this.internals, this.present0, 0x10000800);
    if (this.present0 & 0x800) this._name.measure(w);
    if (this.present0 & 0x10000000) this._inner.measure(w);
    if (this.present1 & 0x1) this._far.measure(w);
  }

  override emit(w: Writer, at: number): void {
    const present0 = this.present0;
    const present1 = this.present1;
    let p = w.header(this.internals, at, OLD_EVERYTHING, population(this.present1));
    w.u32(at + 4, present0);
    if (present0 & 0x1) {
      w.u32(p, this._small);
      p += 4;
    }
    if (present0 & 0x800) {
      this._name.emit(w, p);
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
    if (this.internals.unknown !== undefined) w.unknownRest(p, this.internals);
  }
}
