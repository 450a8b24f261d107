// What the runtime keeps of every message, apart from the fields. One class for all types of messages: the runtime works on
// messages of every type, and a look into objects of many shapes costs V8 several times one into objects of a single one.

import type { SlotPool } from '@demikernel/memory';
import type { Message } from './message.ts';
import { Source } from './source.ts';
import { tuning } from './tuning.ts';
import type { UnknownFields } from './unknown-fields.ts';

/** Bytes that a message sends by reference, noted while it is written. They are the fields', not ours. */
export class References {
  count: number;
  readonly pools: SlotPool[];
  readonly slots: number[];
  readonly offsets: number[];
  readonly lengths: number[];

  constructor() {
    this.count = 0;
    this.pools = [];
    this.slots = [];
    this.offsets = [];
    this.lengths = [];
  }

  add(pool: SlotPool, slot: number, offset: number, length: number): void {
    const index = this.count++;
    this.pools[index] = pool;
    this.slots[index] = slot;
    this.offsets[index] = offset;
    this.lengths[index] = length;
  }
}

export class Internals {
  readonly message: Message;
  live: boolean;
  /** Whether the message belongs to another, which clears it. */
  isPart: boolean;
  /** Values at least this long, in registered memory, are sent by reference. */
  copyThresholdBytes: number;
  /** Fields that the schema does not know; they are written again. */
  unknown: UnknownFields | undefined;
  /** Whether fields that the schema does not know had to be left behind. */
  lost: boolean;
  /** Bytes of the header as measured, without kind words. */
  headerBytes: number;
  /** Unknown fields written so far. */
  unknownWritten: number;
  /** What the message was read from. Only of messages that are no part of another, as all that follows. */
  source: Source | undefined;
  references: References | undefined;
  /** Measures: bytes of headers and tables, of copied blobs, of blobs sent by reference. */
  headBytes: number;
  copiedBytes: number;
  referredBytes: number;
  extended: boolean;

  constructor(message: Message) {
    this.message = message;
    this.live = false;
    this.isPart = false;
    this.copyThresholdBytes = tuning.copyThresholdBytes;
    this.unknown = undefined;
    this.lost = false;
    this.headerBytes = 0;
    this.unknownWritten = 0;
    this.source = undefined;
    this.references = undefined;
    this.headBytes = 0;
    this.copiedBytes = 0;
    this.referredBytes = 0;
    this.extended = false;
  }

  /** Made when a message is read for the first time: it is large, and most parts of messages need none. */
  sourceToRead(): Source {
    this.source ??= new Source();
    return this.source;
  }

  referencesToSend(): References {
    this.references ??= new References();
    return this.references;
  }

  /** Gives up what the message was read from. */
  forget(): void {
    this.unknown = undefined;
    this.lost = false;
    this.source?.detach();
  }
}
