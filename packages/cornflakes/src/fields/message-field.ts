// One nested message: read when somebody asks, made when somebody fills it in, kept for the next use of its owner.

import type { Message } from '../message.ts';
import type { MessageType } from '../message-type.ts';
import type { Source } from '../source.ts';
import type { Writer } from '../writer.ts';

const ABSENT = 0;
/** Received, and not looked at yet. */
const RECEIVED = 1;
const READY = 2;

export class MessageField<T extends Message> {
  private readonly type: MessageType<T>;
  private message: T | undefined;
  private source: Source | undefined;
  private offset: number;
  private state: number;

  constructor(type: MessageType<T>) {
    this.type = type;
    this.message = undefined;
    this.source = undefined;
    this.offset = 0;
    this.state = ABSENT;
  }

  /** Takes the entry at `p` of a verified message. */
  load(source: Source, p: number): void {
    this.source = source;
    this.offset = source.u32(p + 4);
    this.state = RECEIVED;
  }

  /** The message; an empty one when there is none. */
  get(): T {
    if (this.message === undefined) this.message = this.type.createPart();
    if (this.state === RECEIVED) this.read(this.message);
    return this.message;
  }

  private read(message: T): void {
    try {
      message.load(this.source!, this.offset);
      this.state = READY;
    } catch (error) {
      // The memory has changed since it was verified. Nobody sees the half.
      message.clear();
      throw error;
    }
  }

  /** The message, which is there from now on. */
  mutable(owner: Message): T {
    const message = this.get();
    message.internals.copyThresholdBytes = owner.internals.copyThresholdBytes;
    this.state = READY;
    return message;
  }

  clear(): void {
    if (this.state === ABSENT) return;
    this.source = undefined;
    // A message that was never read holds nothing.
    if (this.state === READY) this.message!.clear();
    this.state = ABSENT;
  }

  measure(w: Writer): void {
    this.get().measure(w);
  }

  emit(w: Writer, p: number): void {
    const at = w.headBytes;
    w.u32(p, 0);
    w.u32(p + 4, at);
    this.get().emit(w, at);
  }
}
