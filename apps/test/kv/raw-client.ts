// A client of RESP servers for tests: bytes out, bytes in, over node:net.

import { connect, type Socket } from 'node:net';

export type Command = readonly (string | Buffer)[];

/** A command as clients send it. */
export function encode(command: Command): Buffer {
  const parts: Buffer[] = [Buffer.from(`*${command.length}\r\n`)];
  for (const argument of command) {
    const bytes = Buffer.from(argument);
    parts.push(Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n'));
  }
  return Buffer.concat(parts);
}

export class RawClient {
  readonly socket: Socket;
  ended: boolean;
  private received: Buffer[];
  private wake: () => void;
  private marks: number;

  private constructor(socket: Socket) {
    this.socket = socket;
    this.ended = false;
    this.received = [];
    this.wake = () => {};
    this.marks = 0;
    socket.on('data', bytes => {
      this.received.push(bytes);
      this.wake();
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      this.ended = true;
      this.wake();
    });
  }

  static open(port: number, host = '127.0.0.1'): Promise<RawClient> {
    return new Promise((resolve, reject) => {
      const socket = connect(port, host, () => resolve(new RawClient(socket)));
      socket.once('error', reject);
    });
  }

  /** What comes until it ends in `mark`, or the connection does. */
  async until(mark: string): Promise<string> {
    for (;;) {
      const text = Buffer.concat(this.received).toString('latin1');
      if (text.endsWith(mark) || this.ended) {
        this.received = [];
        return text;
      }
      await new Promise<void>(resolve => {
        this.wake = resolve;
      });
    }
  }

  /** Everything that answers some bytes: a PING behind them marks the end. */
  async ask(bytes: Buffer): Promise<string> {
    const mark = `mark ${this.marks++}`;
    this.socket.write(Buffer.concat([bytes, encode(['PING', mark])]));
    const end = `$${mark.length}\r\n${mark}\r\n`;
    const answer = await this.until(end);
    return answer.endsWith(end) ? answer.slice(0, -end.length) : answer;
  }

  run(...command: Command): Promise<string> {
    return this.ask(encode(command));
  }

  close(): void {
    this.socket.destroy();
  }
}
