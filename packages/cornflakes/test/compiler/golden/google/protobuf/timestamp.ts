// Made by cornc from google/protobuf/timestamp.proto. Do not edit: changes are lost.

import {
  type AnySource,
  high64,
  INT32,
  INT64,
  int64,
  int64Number,
  type JsonValue,
  low64,
  Message,
  MessageType,
  type ReadOptions,
  type Source,
  type Writer,
} from '@demikernel/cornflakes';

const TIMESTAMP: MessageType<Timestamp> = new MessageType<Timestamp>({
  name: 'google.protobuf.Timestamp',
  create: () => new Timestamp(),
  words: 1,
  fields: [
    { number: 1, name: 'seconds', type: INT64 },
    { number: 2, name: 'nanos', type: INT32 },
  ],
});

/** A point in time, in UTC without leap seconds. */
export class Timestamp extends Message {
  static readonly type: MessageType<Timestamp> = TIMESTAMP;
  private present0: number;
  private _secondsLow: number;
  private _secondsHigh: number;
  private _nanos: number;

  constructor() {
    super(TIMESTAMP);
    this.present0 = 0;
    this._secondsLow = 0;
    this._secondsHigh = 0;
    this._nanos = 0;
  }

  /** A cleared message from the pool. */
  static acquire(): Timestamp {
    return TIMESTAMP.acquire();
  }

  /** Verifies and reads; the result holds references of its own until `release`. */
  static read(source: AnySource, options?: ReadOptions): Timestamp {
    return TIMESTAMP.read(source, options);
  }

  static fromJSON(json: JsonValue): Timestamp {
    return TIMESTAMP.fromJSON(json);
  }

  get hasSeconds(): boolean {
    return (this.present0 & 0x1) !== 0;
  }
  /** Whole seconds since 1970-01-01T00:00:00Z. */
  get seconds(): bigint {
    return int64(this._secondsLow, this._secondsHigh);
  }
  set seconds(value: bigint | number) {
    this._secondsLow = low64(value);
    this._secondsHigh = high64(value);
    this.present0 |= 0x1;
  }
  /** `seconds` as a number, without a BigInt. @throws ERR_DEMI_UNSAFE_INTEGER beyond 2^53 */
  get secondsNumber(): number {
    return int64Number(this._secondsLow, this._secondsHigh);
  }
  clearSeconds(): void {
    this._secondsLow = 0;
    this._secondsHigh = 0;
    this.present0 &= ~0x1;
  }

  get hasNanos(): boolean {
    return (this.present0 & 0x2) !== 0;
  }
  /** The rest in nanoseconds, never negative. */
  get nanos(): number {
    return this._nanos;
  }
  set nanos(value: number) {
    this._nanos = value | 0;
    this.present0 |= 0x2;
  }
  clearNanos(): void {
    this._nanos = 0;
    this.present0 &= ~0x2;
  }

  override clearFields(): void {
    this.present0 = 0;
    this._secondsLow = 0;
    this._secondsHigh = 0;
    this._nanos = 0;
  }

  override load(source: Source, at: number): void {
    let p = source.enter(this.internals, TIMESTAMP, at);
    const present0 = source.present0;
    this.present0 = present0;
    if (present0 & 0x1) {
      this._secondsLow = source.i32(p);
      this._secondsHigh = source.i32(p + 4);
      p += 8;
    }
    if (present0 & 0x2) this._nanos = source.i32(p);
  }

  override measure(w: Writer): void {
    w.measureHeader(this.internals, TIMESTAMP, 0);
    w.measureEntries(this.internals, this.present0, 0x1);
  }

  override emit(w: Writer, at: number): void {
    const present0 = this.present0;
    let p = w.header(this.internals, at, TIMESTAMP, 0);
    w.u32(at + 4, present0);
    if (present0 & 0x1) {
      w.u64(p, this._secondsLow, this._secondsHigh);
      p += 8;
    }
    if (present0 & 0x2) {
      w.u32(p, this._nanos);
      p += 4;
    }
    if (this.internals.unknown !== undefined) w.unknownRest(p, this.internals);
  }
}
