// Names in generated code: from a schema's to TypeScript's, without colliding with the language, with what the
// runtime's classes already have, or with each other. Every choice depends on the schema alone, so output is stable.

/** Reserved words of ECMAScript and names that TypeScript does not let a class or a constant have. */
const RESERVED = new Set(
  (
    'arguments await break case catch class const continue debugger default delete do else enum eval export extends ' +
    'false finally for function if implements import in instanceof interface let new null package private protected ' +
    'public return static super switch this throw true try typeof var void while with yield ' +
    'any bigint boolean never number object string symbol undefined unknown ' +
    // Globals that generated code uses.
    'Array BigInt BigInt64Array Boolean Float32Array Float64Array Int32Array Iterable Iterator Map Number Object ' +
    'Readonly ReadonlyArray Set String Uint8Array'
  ).split(' '),
);

/** Names taken in one scope (a module, or a class). */
export class NameScope {
  private readonly taken: Set<string>;

  constructor(taken: Iterable<string> = []) {
    this.taken = new Set(taken);
  }

  /** `wanted`, or with as many underscores behind it as make it free. */
  take(wanted: string): string {
    return this.takeAll(wanted, name => [name]);
  }

  /** A name such that all of `derived(name)` is free; takes them. */
  takeAll(wanted: string, derived: (name: string) => string[]): string {
    let name = wanted;
    while (derived(name).some(one => this.taken.has(one))) name += '_';
    for (const one of derived(name)) this.taken.add(one);
    return name;
  }

  has(name: string): boolean {
    return this.taken.has(name);
  }
}

/** A scope for declarations of a module. */
export function moduleScope(): NameScope {
  return new NameScope(RESERVED);
}

/** `foo_bar` to `fooBar`; a name that would begin with a digit keeps an underscore. */
export function camelCase(name: string): string {
  const camel = name.replace(/_+(.?)/g, (_, letter: string, at: number) =>
    at === 0 ? letter : letter.toUpperCase(),
  );
  const lower = /^[A-Z]+$/.test(camel) ? camel.toLowerCase() : camel.charAt(0).toLowerCase() + camel.slice(1);
  return lower === '' || /^[0-9]/.test(lower) ? `_${lower}` : lower;
}

/** First letter a capital: what follows `has` and `clear`. */
export function capitalized(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1);
}

/** `GetResp` to `GET_RESP`, `HTTPRequest` to `HTTP_REQUEST`. */
export function constantCase(name: string): string {
  return name
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replace(/([A-Z])([A-Z][a-z])/g, '$1_$2')
    .toUpperCase();
}
