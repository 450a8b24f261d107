// The pieces of text that one field contributes to its class: storage, accessors, reading, measuring, writing.
// message-class.ts puts the pieces of all fields together.

import type { EnumType, Field, MessageType } from '../schema/model.ts';
import { tsdoc } from './lines.ts';
import { mapAccessors } from './map-code.ts';
import type { ModuleWriter } from './module-writer.ts';
import { capitalized } from './names.ts';
import { enumCode, isUnsigned64, type ScalarCode, scalarCode } from './scalars.ts';
import type { Slot } from './slots.ts';

/** What is known about a field when its code is written. */
export interface FieldContext {
  field: Field;
  /** The accessor's name. */
  name: string;
  slot: Slot;
  /** Members of a oneof: the name of the method that clears the oneof. */
  clearOneof: string | undefined;
  module: ModuleWriter;
}

export interface FieldCode {
  /** Private members: declaration and initial value. */
  storage: { declaration: string; value: string }[];
  /** Statements that bring the field to its default, without its presence. */
  clear: string[];
  accessors: string[];
  /** Statements that read at `p`; one expression statement where possible. */
  load: string[];
  /** Whether `measure` asks it, beyond its entry in the header. */
  measured: boolean;
  /** Statements that write at `at`, an expression. */
  emit(at: string): string[];
  entryBytes: 4 | 8;
  /** Present when it has elements, which is found out when the message is measured. */
  list: boolean;
}

export function fieldCode(context: FieldContext): FieldCode {
  const { field, module } = context;
  if (field.cardinality === 'repeated' || field.cardinality === 'map') return listCode(context);
  const { type } = field;
  if (type.kind === 'message') return messageCode(context, type.message);
  if (type.kind === 'enum') return numberCode(context, enumCode(module.enumName(type.enum)));
  if (type.kind === 'unresolved') throw new TypeError(`unresolved type ${type.name}`);
  const code = scalarCode(type.name);
  if (code.family === 'number') return numberCode(context, code);
  return code.family === 'int64' ? int64Code(context, isUnsigned64(type.name)) : objectCode(context, code);
}

/** `(this.presentN & mask) !== 0` without the parentheses that conditions do not need. */
export function presence(slot: Slot): string {
  return `this.present${slot.word} & ${slot.mask}`;
}

function setPresence(slot: Slot): string {
  return `this.present${slot.word} |= ${slot.mask};`;
}

function clearPresence(slot: Slot): string {
  return `this.present${slot.word} &= ~${slot.mask};`;
}

function hasGetter({ name, slot }: FieldContext): string[] {
  return [`get has${capitalized(name)}(): boolean {`, `  return (${presence(slot)}) !== 0;`, '}'];
}

function clearMethod({ name, slot }: FieldContext, statements: readonly string[]): string[] {
  const body = [...statements, clearPresence(slot)];
  return [`clear${capitalized(name)}(): void {`, ...body.map(line => `  ${line}`), '}'];
}

/** Setting a member of a oneof clears the others. */
function leaveOneof({ clearOneof, slot }: FieldContext): string[] {
  return clearOneof === undefined ? [] : [`  if (!(${presence(slot)})) this.${clearOneof}();`];
}

/** The schema's comment and its deprecation, behind what the accessor itself has to say. */
export function fieldDoc(field: Field, ...own: string[]): string[] {
  return tsdoc(field.comment, ...own, field.deprecated ? '@deprecated' : '');
}

function setter(context: FieldContext, type: string, statements: readonly string[]): string[] {
  return [
    `set ${context.name}(value: ${type}) {`,
    ...leaveOneof(context),
    ...statements.map(line => `  ${line}`),
    `  ${setPresence(context.slot)}`,
    '}',
  ];
}

function numberCode(context: FieldContext, code: ScalarCode): FieldCode {
  const { field, name } = context;
  const storage = `_${name}`;
  const type = code.zero === 'false' ? 'boolean' : 'number';
  const clear = [`this.${storage} = ${code.zero};`];
  return {
    storage: [{ declaration: `private ${storage}: ${type};`, value: code.zero }],
    clear,
    accessors: [
      ...hasGetter(context),
      ...fieldDoc(field),
      `get ${name}(): ${code.get} {`,
      `  return this.${storage};`,
      '}',
      ...setter(context, code.set, [`this.${storage} = ${code.normalize('value')};`]),
      ...clearMethod(context, clear),
    ],
    load: [`this.${storage} = ${code.load('source')};`],
    measured: false,
    emit: at => [code.emit(`this.${storage}`, at)],
    entryBytes: code.entryBytes,
    list: false,
  };
}

function int64Code(context: FieldContext, unsigned: boolean): FieldCode {
  const { field, name, module } = context;
  const [low, high] = [`_${name}Low`, `_${name}High`];
  const read = module.runtime(unsigned ? 'uint64' : 'int64');
  const readNumber = module.runtime(unsigned ? 'uint64Number' : 'int64Number');
  const [low64, high64] = [module.runtime('low64'), module.runtime('high64')];
  const clear = [`this.${low} = 0;`, `this.${high} = 0;`];
  return {
    storage: [
      { declaration: `private ${low}: number;`, value: '0' },
      { declaration: `private ${high}: number;`, value: '0' },
    ],
    clear,
    accessors: [
      ...hasGetter(context),
      ...fieldDoc(field),
      `get ${name}(): bigint {`,
      `  return ${read}(this.${low}, this.${high});`,
      '}',
      ...setter(context, 'bigint | number', [
        `this.${low} = ${low64}(value);`,
        `this.${high} = ${high64}(value);`,
      ]),
      `/** \`${name}\` as a number, without a BigInt. @throws ERR_DEMI_UNSAFE_INTEGER beyond 2^53 */`,
      `get ${name}Number(): number {`,
      `  return ${readNumber}(this.${low}, this.${high});`,
      '}',
      ...clearMethod(context, clear),
    ],
    load: [`this.${low} = source.i32(p);`, `this.${high} = source.i32(p + 4);`],
    measured: false,
    emit: at => [`w.u64(${at}, this.${low}, this.${high});`],
    entryBytes: 8,
    list: false,
  };
}

function objectCode(context: FieldContext, code: ScalarCode): FieldCode {
  const { field, name, module } = context;
  const storage = `_${name}`;
  const holder = module.runtime(code.get === 'string' ? 'StringField' : 'BytesField');
  const get = code.get === 'string' ? 'text' : 'bytes';
  const clear = [`this.${storage}.clear();`];
  return {
    ...referenceCode(storage),
    storage: [{ declaration: `private readonly ${storage}: ${holder};`, value: `new ${holder}()` }],
    clear,
    accessors: [
      ...hasGetter(context),
      ...fieldDoc(field),
      `get ${name}(): ${code.get} {`,
      `  return this.${storage}.${get}();`,
      '}',
      ...setter(context, module.runtimeType(code.set), [
        `this.${storage}.set(value, this.internals.copyThresholdBytes);`,
      ]),
      `/** Length, leases and copies of \`${name}\` without a view. */`,
      `get ${name}Field(): ${holder} {`,
      `  return this.${storage};`,
      '}',
      ...clearMethod(context, clear),
    ],
  };
}

function messageCode(context: FieldContext, message: MessageType): FieldCode {
  const { field, name, slot, module } = context;
  const storage = `_${name}`;
  const type = module.messageClass(message);
  const holder = `${module.runtime('MessageField')}<${type}>`;
  const clear = [`this.${storage}.clear();`];
  return {
    ...referenceCode(storage),
    storage: [
      {
        declaration: `private readonly ${storage}: ${holder};`,
        value: `new ${holder}(${module.messageConstant(message)})`,
      },
    ],
    clear,
    accessors: [
      ...hasGetter(context),
      ...fieldDoc(field, 'The message, or `undefined` when there is none. Valid as long as this one.'),
      `get ${name}(): ${type} | undefined {`,
      `  return ${presence(slot)} ? this.${storage}.get() : undefined;`,
      '}',
      '/** The message, to be filled in; made when there is none. */',
      `mutable${capitalized(name)}(): ${type} {`,
      ...leaveOneof(context),
      `  ${setPresence(slot)}`,
      `  return this.${storage}.mutable(this);`,
      '}',
      ...clearMethod(context, clear),
    ],
  };
}

function listCode(context: FieldContext): FieldCode {
  const { field, name, module } = context;
  const storage = `_${name}`;
  const { type, value } = listType(field, module);
  const accessors = [
    ...fieldDoc(field),
    `get ${name}(): ${type} {`,
    `  return this.${storage};`,
    '}',
    ...(field.cardinality === 'map' ? mapAccessors(context) : []),
  ];
  return {
    ...referenceCode(storage),
    storage: [{ declaration: `private readonly ${storage}: ${type};`, value }],
    accessors,
    list: true,
  };
}

/** Fields that an object of the runtime holds: it loads, measures and writes itself. */
function referenceCode(storage: string): FieldCode {
  return {
    storage: [],
    clear: [`this.${storage}.clear();`],
    accessors: [],
    load: [`this.${storage}.load(source, p);`],
    measured: true,
    emit: at => [`this.${storage}.emit(w, ${at});`],
    entryBytes: 8,
    list: false,
  };
}

function listType(field: Field, module: ModuleWriter): { type: string; value: string } {
  if (field.cardinality === 'map') return messageList(module.names.entry(field), module);
  const { type } = field;
  if (type.kind === 'message') return messageList(type.message, module);
  if (type.kind === 'enum') return scalarList('NumberList', 'ENUM', module);
  if (type.kind === 'unresolved') throw new TypeError(`unresolved type ${type.name}`);
  const code = scalarCode(type.name);
  if (code.family === 'object') {
    const list = module.runtime(type.name === 'string' ? 'StringList' : 'BytesList');
    return { type: list, value: `new ${list}()` };
  }
  return scalarList(code.family === 'int64' ? 'BigIntList' : 'NumberList', code.constant, module);
}

function messageList(message: MessageType, module: ModuleWriter): { type: string; value: string } {
  const type = `${module.runtime('MessageList')}<${module.messageClass(message)}>`;
  return { type, value: `new ${type}(${module.messageConstant(message)})` };
}

function scalarList(list: string, constant: string, module: ModuleWriter): { type: string; value: string } {
  const type = module.runtime(list);
  return { type, value: `new ${type}(${module.runtime(constant)})` };
}

/** The runtime's constant for what a field holds. */
export function typeConstant(field: Field, module: ModuleWriter): string {
  if (field.cardinality === 'map') return module.runtime('MESSAGE');
  const { type } = field;
  if (type.kind === 'scalar') return module.runtime(scalarCode(type.name).constant);
  return module.runtime(type.kind === 'enum' ? 'ENUM' : 'MESSAGE');
}

/** The enum that a descriptor names, if any. */
export function enumOf(field: Field): EnumType | undefined {
  return field.cardinality !== 'map' && field.type.kind === 'enum' ? field.type.enum : undefined;
}

/** The message that a descriptor names, if any. */
export function messageOf(field: Field, module: ModuleWriter): MessageType | undefined {
  if (field.cardinality === 'map') return module.names.entry(field);
  return field.type.kind === 'message' ? field.type.message : undefined;
}
