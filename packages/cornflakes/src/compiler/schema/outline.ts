// The positions of a schema's declarations, by name, and what only positions can tell: duplicates, proto2, groups.
// The parser (parse.ts) decides what the declarations mean; this walks the tokens tolerantly beside it.

import type { Findings, Position } from './diagnostics.ts';
import { type Token, tokenize } from './tokens.ts';

/** An `import` statement. */
export interface ImportStatement {
  path: string;
  public: boolean;
  position: Position;
}

/** Positions of one schema. Names are scoped without the package: `Outer.Inner.field`, `Outer.Color.RED`. */
export interface Outline {
  imports: ImportStatement[];
  /** Name tokens of messages, enums, oneofs, fields and enum values. */
  names: Map<string, Position>;
  /** Number tokens of fields and enum values. */
  numbers: Map<string, Position>;
  /** Type tokens of fields; of a map, its value's. */
  types: Map<string, Position>;
  services: { name: string; position: Position }[];
  tokens: Token[];
}

const MAX_NESTING = 100;
const MAX_FIELD_NUMBER = 2 ** 29 - 1;

/** Walks `text`; refuses what is not proto3 and notes what is skipped. */
export function outline(file: string, text: string, findings: Findings): Outline {
  return new Walker(file, tokenize(text), findings).walk();
}

/** What opens a block or ends with `;`, up to there and without its `[options]`. */
type Statement = Token[];

class Walker {
  private readonly file: string;
  private readonly tokens: Token[];
  private readonly findings: Findings;
  private readonly result: Outline;
  /** Names of fields by `scope#number`. */
  private readonly used = new Map<string, string>();
  private at = 0;

  constructor(file: string, tokens: Token[], findings: Findings) {
    this.file = file;
    this.tokens = tokens;
    this.findings = findings;
    this.result = {
      imports: [],
      names: new Map(),
      numbers: new Map(),
      types: new Map(),
      services: [],
      tokens,
    };
  }

  walk(): Outline {
    this.syntax();
    while (this.at < this.tokens.length) {
      const statement = this.statement();
      const word = statement[0]?.text;
      if (word === 'import') this.importStatement(statement);
      else if (word === 'service') this.service(statement);
      else if (word === 'option' || word === 'package' || word === 'syntax') this.skipBlock();
      else this.declaration(statement, '', 0);
      // A stray `}` is the parser's to report.
      if (this.tokens[this.at]?.text === '}') this.at++;
    }
    return this.result;
  }

  private syntax(): void {
    const [word, , value] = this.tokens;
    if (word === undefined) {
      this.findings.error({ file: this.file, line: 1, column: 1 }, 'the file is empty');
    } else if (word.text === 'edition') {
      this.findings.error(this.position(word), 'editions are not supported; write syntax = "proto3";');
    } else if (word.text !== 'syntax') {
      this.findings.error(
        this.position(word),
        'no syntax statement, so this is proto2, which is not supported; begin with syntax = "proto3";',
      );
    } else if (value !== undefined && unquote(value.text) === 'proto2') {
      this.findings.error(this.position(value), 'proto2 is not supported; write syntax = "proto3";');
    }
  }

  /** Collects tokens up to `;`, `{` or before `}`; consumes the `;`, leaves `{` as the current token. */
  private statement(): Statement {
    const statement: Statement = [];
    while (this.at < this.tokens.length) {
      const token = this.tokens[this.at]!;
      if (token.text === '{' || token.text === '}') break;
      if (token.text === '[') {
        this.skipBalanced('[', ']');
        continue;
      }
      this.at++;
      if (token.text === ';') break;
      statement.push(token);
    }
    return statement;
  }

  private importStatement(statement: Statement): void {
    const path = statement.find(token => token.text.startsWith('"') || token.text.startsWith("'"));
    if (path === undefined) return;
    this.result.imports.push({
      path: unquote(path.text),
      public: statement[1]?.text === 'public',
      position: this.position(path),
    });
  }

  private service(statement: Statement): void {
    const name = statement[1];
    if (name !== undefined) {
      this.result.services.push({ name: name.text, position: this.position(name) });
      this.findings.note(this.position(name), `service ${name.text} is skipped: only messages are compiled`);
    }
    this.skipBlock();
  }

  /** What may stand at the top or in a message. */
  private declaration(statement: Statement, scope: string, depth: number): void {
    const [word, name] = statement;
    if (word === undefined) this.skipBlock();
    else if (word.text === 'message' && name !== undefined && this.opens()) this.message(name, scope, depth);
    else if (word.text === 'enum' && name !== undefined && this.opens()) this.enumeration(name, scope);
    else if (word.text === 'extend') this.extend(statement);
    else if (scope === '') this.skipBlock();
    else this.member(statement, scope);
  }

  private message(name: Token, scope: string, depth: number): void {
    const inner = this.declare(name, scope);
    if (depth >= MAX_NESTING) {
      this.findings.error(this.position(name), `messages nest deeper than ${MAX_NESTING}`);
      this.skipBlock();
      return;
    }
    this.block(statement => {
      const [word, second] = statement;
      if (word?.text === 'oneof' && second !== undefined && this.opens()) this.oneof(second, inner);
      else this.declaration(statement, inner, depth + 1);
    });
  }

  private oneof(name: Token, scope: string): void {
    this.declare(name, scope);
    this.block(statement => this.member(statement, scope));
  }

  private enumeration(name: Token, scope: string): void {
    const inner = this.declare(name, scope);
    this.block(statement => {
      const [value, equals, number] = statement;
      if (value === undefined || equals?.text !== '=' || value.text === 'option') return this.skipBlock();
      const full = this.declare(value, inner);
      if (number !== undefined) this.result.numbers.set(full, this.position(number));
    });
  }

  /** A field, or one of the statements that declare nothing. */
  private member(statement: Statement, scope: string): void {
    const word = statement[0]?.text;
    const equals = statement.findIndex(token => token.text === '=');
    if (word === 'extensions' && equals < 0) {
      this.findings.error(this.position(statement[0]!), 'extensions are not supported');
    } else if (word !== 'option' && word !== 'reserved' && equals >= 2) {
      this.field(statement, equals, scope);
    }
    this.skipBlock();
  }

  private field(statement: Statement, equals: number, scope: string): void {
    const [first, second] = statement;
    if (first!.text === 'required') {
      this.findings.error(this.position(first!), "'required' is proto2, which is not supported");
      return;
    }
    if (first!.text === 'group' || (second!.text === 'group' && equals >= 3)) {
      this.findings.error(
        this.position(first!.text === 'group' ? first! : second!),
        'groups are not supported; declare a message and a field of its type',
      );
      return;
    }
    const full = this.declare(statement[equals - 1]!, scope);
    const number = statement[equals + 1];
    if (number !== undefined) this.number(number, full, scope);
    this.result.types.set(full, this.position(typeToken(statement, equals)));
  }

  private number(token: Token, full: string, scope: string): void {
    this.result.numbers.set(full, this.position(token));
    const value = integer(token.text);
    if (value === undefined) return;
    const problem = numberProblem(value);
    if (problem !== undefined) this.findings.error(this.position(token), problem);
    const key = `${scope}#${value}`;
    const earlier = this.used.get(key);
    if (earlier === undefined) this.used.set(key, full.slice(scope.length + 1));
    else this.findings.error(this.position(token), `number ${value} is already used by '${earlier}'`);
  }

  /** Custom options are declared by extending the options messages; nothing is generated for them. */
  private extend(statement: Statement): void {
    const target = statement[1];
    if (target !== undefined) {
      if (/^\.?google\.protobuf\.[A-Za-z]+Options$/.test(target.text)) {
        this.findings.note(this.position(target), 'custom options are skipped');
      } else {
        this.findings.error(this.position(target), 'extensions are not supported');
      }
    }
    this.skipBlock();
  }

  private declare(name: Token, scope: string): string {
    const full = scope === '' ? name.text : `${scope}.${name.text}`;
    // The parser drops it without a word.
    if (name.text === '__proto__') {
      this.findings.error(this.position(name), "'__proto__' cannot be used as a name");
    }
    const earlier = this.result.names.get(full);
    if (earlier === undefined) {
      this.result.names.set(full, this.position(name));
    } else {
      this.findings.error(
        this.position(name),
        `'${name.text}' is declared twice; first in line ${earlier.line}, column ${earlier.column}`,
      );
    }
    return full;
  }

  private opens(): boolean {
    return this.tokens[this.at]?.text === '{';
  }

  /** Runs `each` over the statements of the block that opens here. */
  private block(each: (statement: Statement) => void): void {
    this.at++;
    while (this.at < this.tokens.length && this.tokens[this.at]!.text !== '}') {
      const before = this.at;
      each(this.statement());
      if (this.at === before) this.skipBlock();
      if (this.at === before) this.at++;
    }
    this.at++;
  }

  /** Skips the block that opens here, if one does. */
  private skipBlock(): void {
    if (this.opens()) this.skipBalanced('{', '}');
  }

  private skipBalanced(open: string, close: string): void {
    let depth = 0;
    while (this.at < this.tokens.length) {
      const text = this.tokens[this.at++]!.text;
      if (text === open) depth++;
      else if (text === close && --depth === 0) return;
    }
  }

  private position(token: Token): Position {
    return { file: this.file, line: token.line, column: token.column };
  }
}

/** `map<K, V> name`: V; `repeated T name`: T. A type written in several tokens is found at its first. */
function typeToken(statement: Statement, equals: number): Token {
  const comma = statement.findIndex(token => token.text === ',');
  if (statement[0]!.text === 'map' && comma > 0 && comma + 1 < equals) return statement[comma + 1]!;
  const labelled = equals >= 3 && (statement[0]!.text === 'repeated' || statement[0]!.text === 'optional');
  return statement[labelled ? 1 : 0]!;
}

/** Decimal, hexadecimal or octal, as proto3 writes them; undefined for anything else, which the parser reports. */
function integer(text: string): number | undefined {
  if (/^(0|[1-9][0-9]*)$/.test(text) || /^0[xX][0-9a-fA-F]+$/.test(text)) return Number(text);
  return /^0[0-7]+$/.test(text) ? Number.parseInt(text, 8) : undefined;
}

function numberProblem(value: number): string | undefined {
  if (value < 1 || value > MAX_FIELD_NUMBER) return `field numbers go from 1 to ${MAX_FIELD_NUMBER}`;
  if (value >= 19_000 && value <= 19_999)
    return 'field numbers 19000 to 19999 are reserved by Protocol Buffers';
  return undefined;
}

function unquote(text: string): string {
  return text.slice(1, -1).replace(/\\(.)/g, '$1');
}
