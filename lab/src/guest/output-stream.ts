// Tells a command's output from the mark that ends it, in a stream that carries one command after the other.

/** Receives what a port sends: output goes on at once, and what may be the beginning of a mark is held back. */
export class OutputStream {
  private readonly mark: Buffer;
  private readonly write: (bytes: Buffer) => void;
  private readonly onEnd: (status: number) => void;
  private held: Buffer;

  /** `onEnd` is told a command's exit status, after all its output has been written. */
  constructor(mark: string, write: (bytes: Buffer) => void, onEnd: (status: number) => void) {
    this.mark = Buffer.from(`${mark} `);
    this.write = write;
    this.onEnd = onEnd;
    this.held = Buffer.alloc(0);
  }

  push(chunk: Buffer): void {
    let bytes = this.held.length === 0 ? chunk : Buffer.concat([this.held, chunk]);
    for (;;) {
      const at = bytes.indexOf(this.mark);
      const end = at < 0 ? -1 : bytes.indexOf(0x0a, at);
      const certain = at < 0 ? bytes.length - this.beginning(bytes) : at;
      if (certain > 0) this.write(bytes.subarray(0, certain));
      if (end < 0) {
        this.held = Buffer.from(bytes.subarray(certain));
        return;
      }
      const status = Number(bytes.toString('latin1', at + this.mark.length, end));
      bytes = bytes.subarray(end + 1);
      this.onEnd(status);
    }
  }

  /** How many of the last bytes may begin a mark. */
  private beginning(bytes: Buffer): number {
    for (let length = Math.min(this.mark.length - 1, bytes.length); length > 0; length--) {
      if (bytes.subarray(bytes.length - length).equals(this.mark.subarray(0, length))) return length;
    }
    return 0;
  }
}
