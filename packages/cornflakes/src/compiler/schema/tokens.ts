// A schema's text cut into tokens with their lines and columns, which the parser does not report.
// The meaning of the tokens is in outline.ts.

/** A word, a quoted string with its quotes, or one character of punctuation. */
export interface Token {
  text: string;
  line: number;
  column: number;
}

const PUNCTUATION = '{}=;:[],()<>';

/** Cuts `text` into tokens; comments and white space fall away. Never fails: the parser says what is malformed. */
export function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  let line = 1;
  let lineStart = 0;
  let at = 0;
  while (at < text.length) {
    const character = text.charAt(at);
    if (character === '\n') {
      line++;
      lineStart = ++at;
    } else if (isSpace(character)) {
      at++;
    } else if (text.startsWith('//', at)) {
      const end = text.indexOf('\n', at);
      at = end < 0 ? text.length : end;
    } else if (text.startsWith('/*', at)) {
      const close = text.indexOf('*/', at + 2);
      const end = close < 0 ? text.length : close + 2;
      for (; at < end; at++) {
        if (text.charAt(at) !== '\n') continue;
        line++;
        lineStart = at + 1;
      }
    } else {
      const end = tokenEnd(text, at);
      tokens.push({ text: text.slice(at, end), line, column: at - lineStart + 1 });
      at = end;
    }
  }
  return tokens;
}

function tokenEnd(text: string, start: number): number {
  const first = text.charAt(start);
  if (first === '"' || first === "'") return stringEnd(text, start, first);
  if (PUNCTUATION.includes(first)) return start + 1;
  let end = start + 1;
  while (end < text.length && !endsWord(text, end)) end++;
  return end;
}

function stringEnd(text: string, start: number, quote: string): number {
  let end = start + 1;
  // proto3 strings end with their line; an unterminated one must not swallow the rest of the file.
  while (end < text.length && text.charAt(end) !== '\n') {
    if (text.charAt(end) === quote) return end + 1;
    end += text.charAt(end) === '\\' ? 2 : 1;
  }
  return Math.min(end, text.length);
}

function endsWord(text: string, at: number): boolean {
  const character = text.charAt(at);
  if (isSpace(character) || PUNCTUATION.includes(character)) return true;
  if (character === '"' || character === "'") return true;
  return character === '/' && (text.charAt(at + 1) === '/' || text.charAt(at + 1) === '*');
}

function isSpace(character: string): boolean {
  return character <= ' ' || character === '\u00a0' || character === '\ufeff';
}
