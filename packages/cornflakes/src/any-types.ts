// What a google.protobuf.Any may hold: the types that this process knows by name, and messages put into one and taken out.

import { DemiError } from '@demikernel/memory';
import type { Message } from './message.ts';
import type { MessageType } from './message-type.ts';

/** What generated code makes of google.protobuf.Any. */
export interface AnyMessage {
  get typeUrl(): string;
  set typeUrl(value: string);
  get value(): Uint8Array;
  set value(value: Uint8Array);
}

const URL_PREFIX = 'type.googleapis.com/';

/** Types by their full names. Nothing is known unless it was added: what is not used can be left out of a bundle. */
class AnyTypes {
  private readonly byName: Map<string, MessageType<Message>>;

  constructor() {
    this.byName = new Map();
  }

  /** Lets JSON show, and read, messages of these types within an Any. */
  add(...types: readonly MessageType<Message>[]): void {
    for (const type of types) this.byName.set(type.name, type);
  }

  /** The type that a URL names behind its last slash; `undefined` when it was not added. */
  find(typeUrl: string): MessageType<Message> | undefined {
    return this.byName.get(typeUrl.slice(typeUrl.lastIndexOf('/') + 1));
  }

  /** Puts a message, in its bytes, into an Any. */
  pack(any: AnyMessage, message: Message): void {
    any.typeUrl = URL_PREFIX + message.type.name;
    any.value = message.toBytes();
  }

  /**
   * The message in an Any, the caller's to release; `undefined` when its type was not added. It lies in the Any's memory.
   *
   * @throws MalformedMessageError ERR_DEMI_MALFORMED_MESSAGE
   */
  unpack(any: AnyMessage): Message | undefined {
    return this.find(any.typeUrl)?.read(any.value);
  }
}

export const anyTypes: AnyTypes = new AnyTypes();

export function unknownType(path: string, typeUrl: string): DemiError {
  return new DemiError(
    'ERR_DEMI_JSON',
    `${path === '' ? 'the message' : path} has '${typeUrl}', which was not added to anyTypes`,
  );
}
