// One message's class and its type descriptor, put together from the pieces of its fields.

import type { Field, MessageType, Oneof } from '../schema/model.ts';
import { enumOf, type FieldCode, fieldCode, messageOf, presence, typeConstant } from './field-code.ts';
import { braced, indent, list, quote, tsdoc } from './lines.ts';
import { type MemberNames, memberNames } from './member-names.ts';
import type { ModuleWriter } from './module-writer.ts';
import { capitalized } from './names.ts';
import { assignSlots, hexMask, type Slot, type Slots } from './slots.ts';

/** A field with everything needed to write it. */
interface Member {
  field: Field;
  name: string;
  slot: Slot;
  code: FieldCode;
}

/** The lines of one message. */
export function messageClass(message: MessageType, module: ModuleWriter): string[] {
  return new ClassWriter(message, module).lines();
}

class ClassWriter {
  private readonly message: MessageType;
  private readonly module: ModuleWriter;
  private readonly name: string;
  private readonly constant: string;
  private readonly slots: Slots;
  private readonly names: MemberNames;
  private readonly members: Member[];

  constructor(message: MessageType, module: ModuleWriter) {
    this.message = message;
    this.module = module;
    this.name = module.messageClass(message);
    this.constant = module.messageConstant(message);
    this.slots = assignSlots(message.fields);
    this.names = memberNames(message);
    this.members = message.fields.map(field => {
      const name = this.names.fields.get(field)!;
      const slot = this.slots.of.get(field)!;
      const clearOneof =
        field.oneof === undefined ? undefined : `clear${capitalized(this.names.oneofs.get(field.oneof)!)}`;
      return { field, name, slot, code: fieldCode({ field, name, slot, clearOneof, module }) };
    });
  }

  lines(): string[] {
    const { message, module, name, constant } = this;
    const deprecated = message.deprecated ? '@deprecated' : '';
    const blocks = [
      this.constructorLines(),
      this.staticLines(),
      ...message.oneofs.map(oneof => this.oneofLines(oneof)),
      ...this.members.map(member => member.code.accessors),
      this.clearFields(),
      this.load(),
      this.measure(),
      this.members.some(member => member.code.list) ? this.countLists() : [],
      this.emit(),
    ].filter(block => block.length > 0);
    return [
      ...this.descriptor(),
      '',
      ...tsdoc(message.comment, deprecated),
      `export class ${name} extends ${module.runtime('Message')} {`,
      `  static readonly type: ${module.runtime('MessageType')}<${name}> = ${constant};`,
      ...indent(this.storage()),
      '',
      ...blocks.flatMap((block, at) => [...(at === 0 ? [] : ['']), ...indent(block)]),
      '}',
    ];
  }

  private descriptor(): string[] {
    const type = `${this.module.runtime('MessageType')}<${this.name}>`;
    const fields = this.members.map(member => this.fieldDescriptor(member));
    return [
      `const ${this.constant}: ${type} = new ${type}({`,
      `  name: ${quote(this.message.fullName)},`,
      `  create: () => new ${this.name}(),`,
      `  words: ${this.slots.words},`,
      ...indent(list('fields: ', fields, ',')),
      '});',
    ];
  }

  private fieldDescriptor({ field, name }: Member): string[] {
    const { module } = this;
    const parts = [`number: ${field.number}`, `name: ${quote(name)}`, `type: ${typeConstant(field, module)}`];
    if (field.cardinality === 'repeated') parts.push(`label: ${module.runtime('REPEATED')}`);
    if (field.cardinality === 'map') parts.push(`label: ${module.runtime('MAP')}`);
    const message = messageOf(field, module);
    if (message !== undefined) parts.push(`message: () => ${module.messageConstant(message)}`);
    const type = enumOf(field);
    if (type !== undefined) parts.push(`enum: ${module.enumConstant(type)}`);
    if (field.oneof !== undefined) parts.push(`oneof: ${quote(this.names.oneofs.get(field.oneof)!)}`);
    if (field.cardinality === 'optional') parts.push('optional: true');
    if (field.jsonName !== name) parts.push(`jsonName: ${quote(field.jsonName)}`);
    if (field.name !== snakeCase(name)) parts.push(`protoName: ${quote(field.name)}`);
    return braced('', parts, '', 2);
  }

  private storage(): string[] {
    return [
      ...this.presenceWords().map(word => `private ${word}: number;`),
      ...this.members.flatMap(member => member.code.storage.map(one => one.declaration)),
    ];
  }

  private constructorLines(): string[] {
    const values = this.members.flatMap(({ code }) =>
      code.storage.map(({ declaration, value }) => `this.${memberName(declaration)} = ${value};`),
    );
    const words = this.presenceWords().map(word => `this.${word} = 0;`);
    return ['constructor() {', ...indent([`super(${this.constant});`, ...words, ...values]), '}'];
  }

  private staticLines(): string[] {
    const { module, name, constant } = this;
    const source = module.runtimeType('AnySource');
    const options = module.runtimeType('ReadOptions');
    return [
      '/** A cleared message from the pool. */',
      `static acquire(): ${name} {`,
      `  return ${constant}.acquire();`,
      '}',
      '',
      '/** Verifies and reads; the result holds references of its own until `release`. */',
      `static read(source: ${source}, options?: ${options}): ${name} {`,
      `  return ${constant}.read(source, options);`,
      '}',
      '',
      `static fromJSON(json: ${module.runtimeType('JsonValue')}): ${name} {`,
      `  return ${constant}.fromJSON(json);`,
      '}',
    ];
  }

  private oneofLines(oneof: Oneof): string[] {
    const name = this.names.oneofs.get(oneof)!;
    const members = this.members.filter(member => member.field.oneof === oneof);
    const what = `Number of the field of \`${name}\` that is set; 0 when none is.`;
    return [
      ...tsdoc(oneof.comment, what),
      `get ${name}Case(): number {`,
      ...members.map(({ field, slot }) => `  if (${presence(slot)}) return ${field.number};`),
      '  return 0;',
      '}',
      `clear${capitalized(name)}(): void {`,
      ...members.map(member => `  if (${presence(member.slot)}) this.clear${capitalized(member.name)}();`),
      '}',
    ];
  }

  private clearFields(): string[] {
    const statements = [
      ...this.presenceWords().map(word => `this.${word} = 0;`),
      ...this.members.flatMap(member => member.code.clear),
    ];
    return ['override clearFields(): void {', ...indent(statements), '}'];
  }

  private load(): string[] {
    const head = `override load(source: ${this.module.runtimeType('Source')}, at: number): void {`;
    const enter = `source.enter(this.internals, ${this.constant}, at);`;
    if (this.members.length === 0) return [head, `  ${enter}`, '  this.present0 = source.present0;', '}'];
    const body = [`${this.members.length === 1 ? 'const' : 'let'} p = ${enter}`];
    body.push('const present0 = source.present0;', 'this.present0 = present0;');
    for (let word = 1; word < this.slots.presentWords; word++) {
      body.push(`const present${word} = source.present[${word}]!;`, `this.present${word} = present${word};`);
    }
    this.members.forEach(({ slot, code }, at) => {
      const last = at === this.members.length - 1;
      const advance = last ? [] : [`p += ${code.entryBytes};`];
      body.push(...when(localPresence(slot), [...code.load, ...advance]));
    });
    return [head, ...indent(body), '}'];
  }

  private measure(): string[] {
    const body = [`w.measureHeader(this.internals, ${this.constant}, ${this.sparseCount()});`];
    if (this.members.some(member => member.code.list)) body.unshift('this.countLists();');
    for (let word = 0; word < this.slots.words; word++) {
      let wide = 0;
      for (const { slot, code } of this.members) {
        if (slot.dense && slot.word === word && code.entryBytes === 8) wide |= 1 << slot.bit;
      }
      body.push(`w.measureEntries(this.internals, this.present${word}, ${hexMask(wide)});`);
    }
    for (const { name, slot, code } of this.members) {
      if (code.measured) body.push(`if (${presence(slot)}) this._${name}.measure(w);`);
    }
    return [`override measure(w: ${this.module.runtimeType('Writer')}): void {`, ...indent(body), '}'];
  }

  /** How many sparse fields are present: they have presence words of their own. */
  private sparseCount(): string {
    const terms: string[] = [];
    for (let word = this.slots.words; word < this.slots.presentWords; word++) {
      terms.push(`${this.module.runtime('population')}(this.present${word})`);
    }
    return terms.length === 0 ? '0' : terms.join(' + ');
  }

  private countLists(): string[] {
    const lists = this.members.filter(member => member.code.list);
    const body: string[] = [];
    for (let word = 0; word < this.slots.presentWords; word++) {
      const inWord = lists.filter(member => member.slot.word === word);
      if (inWord.length === 0) continue;
      const all = inWord.reduce((mask, member) => mask | (1 << member.slot.bit), 0);
      body.push(
        `let present${word} = this.present${word} & ~${hexMask(all)};`,
        ...inWord.map(({ name, slot }) => `if (this._${name}.length !== 0) present${word} |= ${slot.mask};`),
        `this.present${word} = present${word};`,
      );
    }
    return [
      '/** A list is present when it has entries. */',
      'private countLists(): void {',
      ...indent(body),
      '}',
    ];
  }

  private emit(): string[] {
    const { module, constant } = this;
    const body: string[] = [];
    for (let word = 0; word < this.slots.presentWords; word++) {
      body.push(`const present${word} = this.present${word};`);
    }
    const binding = this.members.length === 0 ? 'const' : 'let';
    body.push(`${binding} p = w.header(this.internals, at, ${constant}, ${this.sparseCount()});`);
    for (let word = 0; word < this.slots.words; word++) {
      body.push(`w.u32(at + ${4 + 4 * word}, present${word});`);
    }
    for (const member of this.members) body.push(...this.emitMember(member));
    body.push('if (this.internals.unknown !== undefined) w.unknownRest(p, this.internals);');
    return [`override emit(w: ${module.runtimeType('Writer')}, at: number): void {`, ...indent(body), '}'];
  }

  private emitMember({ field, slot, code }: Member): string[] {
    const condition = localPresence(slot);
    if (slot.dense) return when(condition, [...code.emit('p'), `p += ${code.entryBytes};`]);
    // The tag is written where unknown fields with smaller numbers leave off, the value behind it.
    const label = this.module.runtime(
      field.cardinality === 'repeated' ? 'REPEATED' : field.cardinality === 'map' ? 'MAP' : 'SINGULAR',
    );
    const type = typeConstant(field, this.module);
    return when(condition, [
      `p = w.sparse(p, ${field.number}, ${type}, ${label}, this.internals);`,
      ...code.emit('p - 8'),
    ]);
  }

  private presenceWords(): string[] {
    return Array.from({ length: this.slots.presentWords }, (_, at) => `present${at}`);
  }
}

function localPresence(slot: Slot): string {
  return `present${slot.word} & ${slot.mask}`;
}

function when(condition: string, statements: readonly string[]): string[] {
  if (statements.length === 1) return [`if (${condition}) ${statements[0]}`];
  return [`if (${condition}) {`, ...indent(statements), '}'];
}

function memberName(declaration: string): string {
  return /(\w+):/.exec(declaration)![1]!;
}

/** What the runtime takes the schema's name to be when none is given. */
function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`);
}
