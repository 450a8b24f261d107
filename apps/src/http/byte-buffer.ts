// Bytes that are gathered until there are enough of them. It grows as they come, never by what a peer announces.

const FIRST_BYTES = 512;
/** A buffer that grew larger than this is let go when it is cleared: an idle connection holds little. */
const KEPT_BYTES = 4096;

export class ByteBuffer {
  bytes: Uint8Array;
  lengthBytes: number;

  constructor() {
    this.bytes = new Uint8Array(0);
    this.lengthBytes = 0;
  }

  /** Adds `source[start … end - 1]`. */
  append(source: Uint8Array, start: number, end: number): void {
    const needed = this.lengthBytes + end - start;
    if (needed > this.bytes.length) {
      const grown = new Uint8Array(Math.max(FIRST_BYTES, needed, this.bytes.length * 2));
      grown.set(this.bytes.subarray(0, this.lengthBytes));
      this.bytes = grown;
    }
    this.bytes.set(source.subarray(start, end), this.lengthBytes);
    this.lengthBytes = needed;
  }

  /** The first bytes as text, a character each. */
  latin1(lengthBytes: number): string {
    return Buffer.from(this.bytes.buffer, 0, lengthBytes).toString('latin1');
  }

  /** What has been gathered, as a fresh copy. */
  copy(): Uint8Array {
    return this.bytes.slice(0, this.lengthBytes);
  }

  clear(): void {
    this.lengthBytes = 0;
    if (this.bytes.length > KEPT_BYTES) this.bytes = new Uint8Array(0);
  }
}
