// Pieces of generated text.

/** Indents by `depth` steps of two spaces; empty lines stay empty. */
export function indent(lines: readonly string[], depth = 1): string[] {
  return lines.map(line => (line === '' ? '' : '  '.repeat(depth) + line));
}

/** A TSDoc comment of the given paragraphs, or nothing when all are empty. */
export function tsdoc(...paragraphs: readonly string[]): string[] {
  const lines = paragraphs
    .filter(text => text !== '')
    // A comment must not end the comment it is put into.
    .flatMap(text => text.replaceAll('*/', '*\\/').split(/\r\n|[\n\r\u2028\u2029]/))
    .map(line => line.trimEnd());
  if (lines.length === 0) return [];
  if (lines.length === 1) return [`/** ${lines[0]} */`];
  return ['/**', ...lines.map(line => (line === '' ? ' *' : ` * ${line}`)), ' */'];
}

/** A string literal with single quotes. */
export function quote(text: string): string {
  const inner = JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'");
  // JSON lets line separators stand, which is legal in strings but unreadable.
  return `'${inner.replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029')}'`;
}

const WIDTH = 110;

/** `head{ items }tail` in one line when it fits at `depth`, else an item a line. */
export function braced(head: string, items: readonly string[], tail: string, depth: number): string[] {
  const single = `${head}{ ${items.join(', ')} }${tail}`;
  // A comma stands behind it in lists.
  if (single.length + 1 + 2 * depth <= WIDTH) return [single];
  return [`${head}{`, ...indent(items.map(item => `${item},`)), `}${tail}`];
}

/** `head[items]tail` with an item a line; a single one stays with the brackets, as formatters have it. */
export function list(head: string, items: readonly string[][], tail: string): string[] {
  const [first] = items;
  if (first === undefined) return [`${head}[]${tail}`];
  const single = `${head}[${first[0]}]${tail}`;
  if (items.length === 1 && first.length === 1 && single.length + 2 <= WIDTH) return [single];
  const separated = items.flatMap(lines => [...lines.slice(0, -1), `${lines.at(-1)},`]);
  return [`${head}[`, ...indent(separated), `]${tail}`];
}
