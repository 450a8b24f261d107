// Netlink messages and their attributes as bytes: a writer that grows, and a reader that believes no length it reads.
// Sockets and the meaning of messages live beside it.

// include/uapi/linux/netlink.h
export const NLMSG_HEADER_BYTES = 16;
const ATTRIBUTE_HEADER_BYTES = 4;
export const NLMSG_NOOP = 1;
export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;
export const NLMSG_OVERRUN = 4;
export const NLM_F_REQUEST = 0x01;
export const NLM_F_MULTI = 0x02;
export const NLM_F_ACK = 0x04;
export const NLM_F_DUMP_INTR = 0x10;
export const NLM_F_CAPPED = 0x100;
export const NLM_F_ACK_TLVS = 0x200;
export const NLM_F_DUMP = 0x300;
export const NLM_F_REPLACE = 0x100;
export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;
const NLA_F_NESTED = 0x8000;
const NLA_TYPE_MASK = 0x3fff;

/** Builds one message: header, fixed part, attributes. */
export class MessageWriter {
  #bytes: Uint8Array;
  #view: DataView;
  #length: number;

  constructor(type: number, flags: number) {
    this.#bytes = new Uint8Array(512);
    this.#view = new DataView(this.#bytes.buffer);
    this.#length = NLMSG_HEADER_BYTES;
    this.#view.setUint16(4, type, true);
    this.#view.setUint16(6, flags, true);
  }

  u8(value: number): this {
    this.#view.setUint8(this.#take(1), value);
    return this;
  }

  u16(value: number): this {
    this.#view.setUint16(this.#take(2), value, true);
    return this;
  }

  u32(value: number): this {
    this.#view.setUint32(this.#take(4), value, true);
    return this;
  }

  bytes(value: Uint8Array): this {
    const at = this.#take(value.length);
    this.#bytes.set(value, at);
    return this;
  }

  /** An attribute of any bytes, padded to four. */
  attribute(type: number, value: Uint8Array): this {
    this.u16(ATTRIBUTE_HEADER_BYTES + value.length)
      .u16(type)
      .bytes(value);
    this.#take(-value.length & 3);
    return this;
  }

  u8Attribute(type: number, value: number): this {
    return this.attribute(type, Uint8Array.of(value));
  }

  u32Attribute(type: number, value: number): this {
    return this.attribute(type, new Uint8Array(Uint32Array.of(value).buffer));
  }

  /** A string with its closing NUL. */
  textAttribute(type: number, value: string): this {
    return this.attribute(type, Buffer.from(`${value}\0`));
  }

  /** An attribute that holds what `fill` writes. */
  nested(type: number, fill: (writer: MessageWriter) => void): this {
    const start = this.#take(ATTRIBUTE_HEADER_BYTES);
    this.#view.setUint16(start + 2, type | NLA_F_NESTED, true);
    fill(this);
    this.#view.setUint16(start, this.#length - start, true);
    return this;
  }

  /** The whole message, its length filled in, with a sequence number. */
  finish(sequence: number): Uint8Array {
    this.#view.setUint32(0, this.#length, true);
    this.#view.setUint32(8, sequence, true);
    return this.#bytes.subarray(0, this.#length);
  }

  /** Room for `count` zeroed bytes; their offset. */
  #take(count: number): number {
    const at = this.#length;
    this.#length += count;
    if (this.#length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(this.#length, this.#bytes.length * 2));
      grown.set(this.#bytes);
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    return at;
  }
}

/** One message as received; `payload` is what follows its header, perhaps shorter than the kind asks for. */
export interface NetlinkMessage {
  type: number;
  flags: number;
  sequence: number;
  port: number;
  payload: Uint8Array;
}

/** Splits a received buffer. Stops at the first header whose length is impossible: the rest has no meaning. */
export function splitMessages(bytes: Uint8Array): NetlinkMessage[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const messages: NetlinkMessage[] = [];
  let at = 0;
  while (at + NLMSG_HEADER_BYTES <= bytes.length) {
    const length = view.getUint32(at, true);
    if (length < NLMSG_HEADER_BYTES || length > bytes.length - at) break;
    messages.push({
      type: view.getUint16(at + 4, true),
      flags: view.getUint16(at + 6, true),
      sequence: view.getUint32(at + 8, true),
      port: view.getUint32(at + 12, true),
      payload: bytes.subarray(at + NLMSG_HEADER_BYTES, at + length),
    });
    at += (length + 3) & ~3;
  }
  return messages;
}

/** The attributes of a message or of another attribute, by type; a repeated one counts with its last value. */
export class Attributes {
  readonly #values: Map<number, Uint8Array>;

  /** @param offsetBytes where they start, past the fixed part */
  constructor(payload: Uint8Array, offsetBytes = 0) {
    this.#values = new Map();
    const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
    let at = offsetBytes;
    while (at + ATTRIBUTE_HEADER_BYTES <= payload.length) {
      const length = view.getUint16(at, true);
      if (length < ATTRIBUTE_HEADER_BYTES || length > payload.length - at) break;
      const type = view.getUint16(at + 2, true) & NLA_TYPE_MASK;
      this.#values.set(type, payload.subarray(at + ATTRIBUTE_HEADER_BYTES, at + length));
      at += (length + 3) & ~3;
    }
  }

  get(type: number): Uint8Array | undefined {
    return this.#values.get(type);
  }

  /** A number of one, two or four bytes, whichever the kernel sent; `undefined` when absent or of another length. */
  number(type: number): number | undefined {
    const value = this.#values.get(type);
    if (value === undefined) return undefined;
    const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
    if (value.length === 4) return view.getUint32(0, true);
    if (value.length === 2) return view.getUint16(0, true);
    return value.length === 1 ? value[0] : undefined;
  }

  /** Text up to its first NUL. */
  text(type: number): string | undefined {
    const value = this.#values.get(type);
    if (value === undefined) return undefined;
    const end = value.indexOf(0);
    return Buffer.from(end === -1 ? value : value.subarray(0, end)).toString();
  }

  /** The attributes inside an attribute; empty when absent. */
  nested(type: number): Attributes {
    return new Attributes(this.#values.get(type) ?? new Uint8Array(0));
  }
}
