// What the commands know of a client: its input, its output, and what it has said of itself. Its sockets are server.ts's.

import type { Output } from './output.ts';
import type { RespParser } from './resp-parser.ts';

export class ClientState {
  readonly id: number;
  readonly parser: RespParser;
  readonly out: Output;
  /** Where changes are noted down; `undefined`: nowhere. */
  readonly journal: Output | undefined;
  /** Of the protocol: 2 or 3. */
  version: number;
  name: string;
  libraryName: string;
  libraryVersion: string;
  address: string;
  /** Ends when its replies are sent. */
  quits: boolean;

  constructor(id: number, parser: RespParser, out: Output, journal: Output | undefined) {
    this.id = id;
    this.parser = parser;
    this.out = out;
    this.journal = journal;
    this.version = 2;
    this.name = '';
    this.libraryName = '';
    this.libraryVersion = '';
    this.address = '';
    this.quits = false;
  }

  /** An argument as text: for rare commands. */
  text(argument: number): string {
    const { parser } = this;
    const stream = parser.stream(argument);
    if (stream !== undefined) return Buffer.from(stream.toBytes()).toString('latin1');
    if (!parser.isPlain(argument)) return '';
    const offset = parser.offset(argument);
    const bytes = parser.region.bytes.subarray(offset, offset + parser.lengthOf(argument));
    return Buffer.from(bytes).toString('latin1');
  }
}
