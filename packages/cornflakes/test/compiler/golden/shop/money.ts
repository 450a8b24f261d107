// Made by cornc from shop/money.proto. Do not edit: changes are lost.

import {
  type AnySource,
  ENUM,
  type EnumType,
  enumType,
  high64,
  int64,
  int64Number,
  type JsonValue,
  low64,
  Message,
  MessageType,
  type ReadOptions,
  SINT64,
  type Source,
  type Writer,
} from '@demikernel/cornflakes';

/** How an amount is written. */
export const Currency = {
  /** Nothing was said. */
  CURRENCY_UNSPECIFIED: 0,
  EUR: 1,
  USD: 2,
  /**
   * Until 2002.
   * @deprecated
   */
  OLD_MARK: 9,
} as const;
/** How an amount is written. Open, as proto3 has it: numbers without a name are kept. */
export type Currency = number;
export const CurrencyType: EnumType = enumType('shop.Currency', Currency);

const MONEY: MessageType<Money> = new MessageType<Money>({
  name: 'shop.Money',
  create: () => new Money(),
  words: 1,
  fields: [
    { number: 1, name: 'currency', type: ENUM, enum: CurrencyType },
    { number: 2, name: 'units', type: SINT64 },
  ],
});

/** An exact amount. */
export class Money extends Message {
  static readonly type: MessageType<Money> = MONEY;
  private present0: number;
  private _currency: number;
  private _unitsLow: number;
  private _unitsHigh: number;

  constructor() {
    super(MONEY);
    this.present0 = 0;
    this._currency = 0;
    this._unitsLow = 0;
    this._unitsHigh = 0;
  }

  /** A cleared message from the pool. */
  static acquire(): Money {
    return MONEY.acquire();
  }

  /** Verifies and reads; the result holds references of its own until `release`. */
  static read(source: AnySource, options?: ReadOptions): Money {
    return MONEY.read(source, options);
  }

  static fromJSON(json: JsonValue): Money {
    return MONEY.fromJSON(json);
  }

  get hasCurrency(): boolean {
    return (this.present0 & 0x1) !== 0;
  }
  get currency(): Currency {
    return this._currency;
  }
  set currency(value: Currency) {
    this._currency = value | 0;
    this.present0 |= 0x1;
  }
  clearCurrency(): void {
    this._currency = 0;
    this.present0 &= ~0x1;
  }

  get hasUnits(): boolean {
    return (this.present0 & 0x2) !== 0;
  }
  /** In the smallest unit of the currency. */
  get units(): bigint {
    return int64(this._unitsLow, this._unitsHigh);
  }
  set units(value: bigint | number) {
    this._unitsLow = low64(value);
    this._unitsHigh = high64(value);
    this.present0 |= 0x2;
  }
  /** `units` as a number, without a BigInt. @throws ERR_DEMI_UNSAFE_INTEGER beyond 2^53 */
  get unitsNumber(): number {
    return int64Number(this._unitsLow, this._unitsHigh);
  }
  clearUnits(): void {
    this._unitsLow = 0;
    this._unitsHigh = 0;
    this.present0 &= ~0x2;
  }

  override clearFields(): void {
    this.present0 = 0;
    this._currency = 0;
    this._unitsLow = 0;
    this._unitsHigh = 0;
  }

  override load(source: Source, at: number): void {
    let p = source.enter(this.internals, MONEY, at);
    const present0 = source.present0;
    this.present0 = present0;
    if (present0 & 0x1) {
      this._currency = source.i32(p);
      p += 4;
    }
    if (present0 & 0x2) {
      this._unitsLow = source.i32(p);
      this._unitsHigh = source.i32(p + 4);
    }
  }

  override measure(w: Writer): void {
    w.measureHeader(this.internals, MONEY, 0);
    w.measureEntries(this.internals, this.present0, 0x2);
  }

  override emit(w: Writer, at: number): void {
    const present0 = this.present0;
    let p = w.header(this.internals, at, MONEY, 0);
    w.u32(at + 4, present0);
    if (present0 & 0x1) {
      w.u32(p, this._currency);
      p += 4;
    }
    if (present0 & 0x2) {
      w.u64(p, this._unitsLow, this._unitsHigh);
      p += 8;
    }
    if (this.internals.unknown !== undefined) w.unknownRest(p, this.internals);
  }
}
