// The type of a message at run time: its layout, its pool, and how one is read.

import { debugging } from './debug.ts';
import { MalformedMessageError, OK } from './error.ts';
import type { Internals } from './internals.ts';
import { messageFromJson } from './json.ts';
import type { JsonValue } from './json-value.ts';
import { type FieldDescriptor, HeaderLayout } from './layout.ts';
import type { Message } from './message.ts';
import type { AnySource } from './source.ts';
import { tuning } from './tuning.ts';
import type { ReadOptions } from './verify.ts';

/** An enumeration of the schema. */
export interface EnumType {
  readonly name: string;
  readonly numbers: ReadonlyMap<string, number>;
  /** Of several names for one number the first. */
  readonly names: ReadonlyMap<number, string>;
}

/** The type of an enumeration, from its names and numbers. */
export function enumType(name: string, values: Readonly<Record<string, number>>): EnumType {
  const numbers = new Map<string, number>();
  const names = new Map<number, string>();
  for (const key of Object.keys(values)) {
    numbers.set(key, values[key]!);
    if (!names.has(values[key]!)) names.set(values[key]!, key);
  }
  return { name, numbers, names };
}

export interface MessageTypeOptions<T extends Message> {
  /** Full name in the schema. */
  name: string;
  create: () => T;
  /** Presence words: fields numbered 1 to 32 · words have a bit, others a tagged entry. */
  words: number;
  /** In the order of their numbers. */
  fields: readonly FieldDescriptor[];
}

/** Idle messages kept per type. */
const MAX_IDLE = 4096;

export class MessageType<out T extends Message> {
  readonly name: string;
  readonly fields: readonly FieldDescriptor[];
  readonly layout: HeaderLayout;
  private readonly createMessage: () => T;
  // Of the idle messages: of one class, whatever the type.
  private readonly idle: Internals[];
  private idleCount: number;

  constructor(options: MessageTypeOptions<T>) {
    this.name = options.name;
    this.fields = options.fields;
    this.layout = new HeaderLayout(options.name, options.words, options.fields);
    this.createMessage = options.create;
    this.idle = [];
    this.idleCount = 0;
  }

  /** An empty message; from the pool when there is one. */
  acquire(): T {
    if (this.idleCount === 0) return this.acquireFresh();
    const internals = this.idle[--this.idleCount]!;
    internals.live = true;
    internals.copyThresholdBytes = tuning.copyThresholdBytes;
    if (debugging.on) debugging.acquired(internals.message);
    // What is in the pool was made by `createMessage`.
    return internals.message as T;
  }

  private acquireFresh(): T {
    const message = this.createMessage();
    message.internals.live = true;
    if (debugging.on) debugging.acquired(message);
    return message;
  }

  /** A message that is part of another, which looks after it. */
  createPart(): T {
    const message = this.createMessage();
    message.internals.isPart = true;
    message.internals.live = true;
    return message;
  }

  /** Takes a released message back; called by `Message.release`. */
  recycle(internals: Internals): void {
    if (debugging.on || this.idleCount >= MAX_IDLE) return;
    if (this.idleCount < this.idle.length) this.idle[this.idleCount] = internals;
    else this.idle.push(internals);
    this.idleCount++;
  }

  /**
   * Verifies and reads a message. It takes references of its own: the source may be freed at once.
   *
   * @throws MalformedMessageError ERR_DEMI_MALFORMED_MESSAGE
   */
  read(source: AnySource, options?: ReadOptions): T {
    const message = this.acquire();
    let reason = OK;
    try {
      reason = message.tryRead(source, options);
    } catch (error) {
      message.release();
      throw error;
    }
    if (reason === OK) return message;
    message.release();
    throw new MalformedMessageError(this.name, reason);
  }

  /** By the proto3 JSON mapping. @throws ERR_DEMI_JSON naming the field */
  fromJSON(json: JsonValue): T {
    const message = this.acquire();
    try {
      messageFromJson(message, json);
    } catch (error) {
      message.release();
      throw error;
    }
    return message;
  }
}
