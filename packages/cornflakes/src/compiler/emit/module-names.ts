// What a schema file's module exports, under which names. Depends on that file alone, so that others can rely on it.

import {
  allEnums,
  allMessages,
  type EnumType,
  type Field,
  type MessageType,
  type SchemaFile,
} from '../schema/model.ts';
import { camelCase, capitalized, constantCase, moduleScope, type NameScope } from './names.ts';

/** Names of what one module declares. */
export class ModuleNames {
  /** Messages in the order in which they are written: nested ones and map entries before the message they are in. */
  readonly messages: MessageType[] = [];
  readonly enums: EnumType[];
  /** Everything declared; what is imported must not take these. */
  readonly scope: NameScope;
  private readonly classes = new Map<MessageType, string>();
  private readonly constants = new Map<MessageType, string>();
  private readonly enumNames = new Map<EnumType, string>();
  private readonly enumTypes = new Map<EnumType, string>();
  private readonly entries = new Map<Field, MessageType>();

  constructor(file: SchemaFile) {
    this.scope = moduleScope();
    this.enums = allEnums(file);
    for (const message of file.messages) this.collect(message);
    // What the schema's author wrote comes first; what is only ours gives way.
    const own = allMessages(file);
    for (const message of own) this.classes.set(message, this.scope.take(pathName(message)));
    for (const type of this.enums) this.enumNames.set(type, this.scope.take(pathName(type)));
    for (const entry of this.entries.values()) this.classes.set(entry, this.scope.take(pathName(entry)));
    for (const type of this.enums) {
      this.enumTypes.set(type, this.scope.take(`${this.enumName(type)}Type`));
    }
    for (const message of this.messages) {
      const constant = constantCase(this.className(message));
      const wanted = this.scope.has(constant) ? `${constant}_TYPE` : constant;
      this.constants.set(message, this.scope.take(wanted));
    }
  }

  className(message: MessageType): string {
    return this.classes.get(message)!;
  }

  /** The module's own constant for the message's type. */
  constant(message: MessageType): string {
    return this.constants.get(message)!;
  }

  enumName(type: EnumType): string {
    return this.enumNames.get(type)!;
  }

  enumTypeName(type: EnumType): string {
    return this.enumTypes.get(type)!;
  }

  /** The message that one entry of a map field is. */
  entry(field: Field): MessageType {
    return this.entries.get(field)!;
  }

  private collect(message: MessageType): void {
    for (const nested of message.messages) this.collect(nested);
    for (const field of message.fields) {
      if (field.cardinality !== 'map') continue;
      const entry = entryMessage(message, field);
      this.entries.set(field, entry);
      this.messages.push(entry);
    }
    this.messages.push(message);
  }
}

/** `Outer.Inner` becomes `OuterInner`. */
function pathName(type: MessageType | EnumType): string {
  const name = capitalized(type.name);
  return type.parent === undefined ? name : pathName(type.parent) + name;
}

/** A map is a list of messages with a key and a value (protobuf's own definition of maps). */
function entryMessage(parent: MessageType, field: Field): MessageType {
  const name = `${capitalized(camelCase(field.name))}Entry`;
  const { position, numberPosition, typePosition } = field;
  const member = { oneof: undefined, deprecated: false, comment: '', position, numberPosition, typePosition };
  const plain = { ...member, cardinality: 'implicit' as const, keyType: undefined };
  return {
    kind: 'message',
    name,
    fullName: `${parent.fullName}.${name}`,
    file: parent.file,
    parent,
    fields: [
      { ...plain, name: 'key', jsonName: 'key', number: 1, type: { kind: 'scalar', name: field.keyType! } },
      { ...plain, name: 'value', jsonName: 'value', number: 2, type: field.type },
    ],
    oneofs: [],
    messages: [],
    enums: [],
    reserved: { ranges: [], names: [] },
    deprecated: false,
    comment: `One entry of \`${parent.name}.${field.name}\`.`,
    position,
  };
}
