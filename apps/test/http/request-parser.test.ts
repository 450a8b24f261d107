// The request parser: what it reads, what it refuses with which status, and that no cutting of the bytes changes either.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { pathOf, type Request } from '../../src/http/request.ts';
import { RequestParser } from '../../src/http/request-parser.ts';

const LIMITS = { lineBytes: 64, headBytes: 256, fields: 5, bodyBytes: 32 };

/** Everything a parser makes of some bytes, fed in pieces that end at `cuts`. */
function parse(
  text: string | Uint8Array,
  cuts: number[] = [],
): { requests: Request[]; status: number; between: boolean } {
  const bytes = typeof text === 'string' ? Buffer.from(text, 'latin1') : text;
  const parser = new RequestParser(LIMITS);
  const requests: Request[] = [];
  const ends = [...cuts.filter(cut => cut < bytes.length).sort((a, b) => a - b), bytes.length];
  let at = 0;
  for (const end of ends) {
    while (at < end && parser.errorStatus === 0) {
      at = parser.feed(bytes, at, end);
      if (parser.complete) requests.push(parser.take());
    }
  }
  return { requests, status: parser.errorStatus, between: parser.betweenRequests };
}

const HOST = 'Host: a\r\n';

describe('requests that are read', () => {
  const vectors: [string, string, Partial<Omit<Request, 'body'>> & { body?: string }][] = [
    ['GET', `GET / HTTP/1.1\r\n${HOST}\r\n`, { method: 'GET', target: '/', keepAlive: true, body: '' }],
    ['empty lines first', `\r\n\r\nGET /x HTTP/1.1\r\n${HOST}\r\n`, { target: '/x' }],
    ['HTTP/1.0 ends the connection', 'GET / HTTP/1.0\r\n\r\n', { minorVersion: 0, keepAlive: false }],
    ['HTTP/1.0 keep-alive', 'GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n', { keepAlive: true }],
    ['close among others', `GET / HTTP/1.1\r\n${HOST}Connection: x , Close\r\n\r\n`, { keepAlive: false }],
    ['a later minor version', `GET / HTTP/1.9\r\n${HOST}\r\n`, { minorVersion: 1 }],
    [
      'empty field',
      `GET / HTTP/1.1\r\n${HOST}X:\r\n\r\n`,
      {
        fields: new Map([
          ['host', 'a'],
          ['x', ''],
        ]),
      },
    ],
    [
      'white space around a value',
      `GET / HTTP/1.1\r\nHost: \t a b \t\r\n\r\n`,
      { fields: new Map([['host', 'a b']]) },
    ],
    [
      'fields of one name',
      `GET / HTTP/1.1\r\n${HOST}A: 1\r\na: 2\r\n\r\n`,
      {
        fields: new Map([
          ['host', 'a'],
          ['a', '1, 2'],
        ]),
      },
    ],
    ['counted body', `POST / HTTP/1.1\r\n${HOST}Content-Length: 5\r\n\r\nab\r\nc`, { body: 'ab\r\nc' }],
    ['counted, nothing', `POST / HTTP/1.1\r\n${HOST}Content-Length: 0\r\n\r\n`, { body: '' }],
    [
      'chunks',
      `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA \r\n0123456789\r\n0\r\n\r\n`,
      { body: 'abc0123456789' },
    ],
    [
      'extension and trailer',
      `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: CHUNKED\r\n\r\n01;a=b;c\r\nx\r\n000\r\nT: v\r\n\r\n`,
      { body: 'x' },
    ],
    [
      'expectation',
      `POST / HTTP/1.1\r\n${HOST}Expect: 100-Continue\r\nContent-Length: 1\r\n\r\nx`,
      { body: 'x' },
    ],
  ];
  for (const [name, text, expected] of vectors) {
    test(name, () => {
      const { requests, status, between } = parse(text);
      assert.equal(status, 0);
      assert.equal(requests.length, 1);
      assert.ok(between);
      const request = { ...requests[0]!, body: Buffer.from(requests[0]!.body).toString() };
      assert.deepEqual({ ...request, ...expected }, request);
    });
  }

  test('one after another', () => {
    const { requests } = parse(
      `GET /1 HTTP/1.1\r\n${HOST}\r\nPOST /2 HTTP/1.1\r\n${HOST}Content-Length: 2\r\n\r\nxyGET /3 HTTP/1.1\r\n${HOST}\r\n`,
    );
    assert.deepEqual(
      requests.map(request => request.target),
      ['/1', '/2', '/3'],
    );
  });
});

describe('requests that are refused', () => {
  const post = (field: string, body = ''): string => `POST / HTTP/1.1\r\n${HOST}${field}\r\n\r\n${body}`;
  const vectors: [string, string, number][] = [
    ['noise', '\x00\x01\x02\r\n', 400],
    ['TLS hello', '\x16\x03\x01\x00\x0a\n', 400],
    ['bare LF', `GET / HTTP/1.1\n${HOST}\n`, 400],
    ['bare CR in a line', `GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n`, 400],
    ['too many empty lines', '\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\n\r\n', 400],
    ['two spaces', `GET  / HTTP/1.1\r\n${HOST}\r\n`, 400],
    ['no version', `GET /\r\n\r\n`, 400],
    ['HTTP/2 preface', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 505],
    ['long line', `GET /${'a'.repeat(64)} HTTP/1.1\r\n`, 414],
    ['long line without end', 'G'.repeat(65), 414],
    ['no host', 'GET / HTTP/1.1\r\n\r\n', 400],
    ['two hosts', `GET / HTTP/1.1\r\n${HOST}${HOST}\r\n`, 400],
    ['space before colon', 'GET / HTTP/1.1\r\nHost : a\r\n\r\n', 400],
    ['no colon', `GET / HTTP/1.1\r\n${HOST}abc\r\n\r\n`, 400],
    ['empty name', `GET / HTTP/1.1\r\n${HOST}: x\r\n\r\n`, 400],
    ['folded field', `GET / HTTP/1.1\r\n${HOST} folded: x\r\n\r\n`, 400],
    ['NUL in value', `GET / HTTP/1.1\r\n${HOST}A: \0\r\n\r\n`, 400],
    ['many fields', `GET / HTTP/1.1\r\n${HOST}${'A: b\r\n'.repeat(5)}\r\n`, 431],
    ['large fields', `GET / HTTP/1.1\r\n${HOST}A: ${'b'.repeat(250)}\r\n\r\n`, 431],
    ['lengths that differ', post('Content-Length: 1\r\nContent-Length: 2', 'xy'), 400],
    ['a list of lengths', post('Content-Length: 1, 1', 'x'), 400],
    ['signed length', post('Content-Length: +1', 'x'), 400],
    ['hexadecimal length', post('Content-Length: 0x1', 'x'), 400],
    ['length and chunks', post('Content-Length: 1\r\nTransfer-Encoding: chunked', '0\r\n\r\n'), 400],
    ['large body', post('Content-Length: 33'), 413],
    ['huge length', post(`Content-Length: ${'9'.repeat(40)}`), 413],
    ['unknown coding', post('Transfer-Encoding: gzip, chunked'), 501],
    ['chunks in HTTP/1.0', 'POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n', 400],
    ['chunk without size', post('Transfer-Encoding: chunked', '\r\n'), 400],
    ['chunk with minus', post('Transfer-Encoding: chunked', '-1\r\n'), 400],
    ['chunk longer than it says', post('Transfer-Encoding: chunked', '1\r\nab\r\n'), 400],
    ['large chunk', post('Transfer-Encoding: chunked', 'ffffffff\r\n'), 413],
    ['larger than 32 bits', post('Transfer-Encoding: chunked', '100000000\r\n'), 400],
    ['chunks that add up', post('Transfer-Encoding: chunked', `1f\r\n${'x'.repeat(31)}\r\n2\r\n`), 413],
    ['long chunk extension', post('Transfer-Encoding: chunked', `1;${'x'.repeat(300)}\r\n`), 400],
    ['bad trailer', post('Transfer-Encoding: chunked', '0\r\nno colon\r\n\r\n'), 400],
    ['large trailers', post('Transfer-Encoding: chunked', `0\r\nA: ${'b'.repeat(260)}\r\n`), 431],
    ['unknown expectation', post('Expect: a-miracle'), 417],
  ];
  for (const [name, text, status] of vectors) {
    test(`${name}: ${status}`, () => {
      const found = parse(text);
      assert.equal(found.status, status);
      assert.equal(found.requests.length, 0);
      for (let cut = 1; cut < text.length; cut++)
        assert.equal(parse(text, [cut]).status, status, `cut at ${cut}`);
    });
  }
});

describe('any bytes', () => {
  const piece = fc.oneof(
    fc.constantFrom(
      'GET / HTTP/1.1\r\n',
      'POST /p HTTP/1.1\r\n',
      HOST,
      '\r\n',
      'Content-Length: 3\r\n',
      'abc',
      '\n',
      '\r',
      ':',
      'Transfer-Encoding: chunked\r\n',
      '3\r\nabc\r\n',
      '0\r\n',
      'Connection: close\r\n',
      ' ',
      '\0',
    ),
    fc.string({ maxLength: 12 }),
  );
  const stream = fc.array(piece, { maxLength: 24 }).map(pieces => pieces.join(''));

  test('how they are cut makes no difference', () => {
    fc.assert(
      fc.property(stream, fc.array(fc.nat(200), { maxLength: 20 }), (text, cuts) => {
        assert.deepEqual(parse(text, cuts), parse(text));
        assert.deepEqual(
          parse(
            text,
            Array.from(text, (_, i) => i),
          ),
          parse(text),
        );
      }),
      { numRuns: 500 },
    );
  });

  test('noise is never an exception', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), bytes => void parse(bytes)),
      { numRuns: 500 },
    );
  });
});

test('the head of a request that expects 100-continue is noticed before its body', () => {
  const parser = new RequestParser();
  const head = Buffer.from(`POST / HTTP/1.1\r\n${HOST}Expect: 100-continue\r\nContent-Length: 3\r\n\r\n`);
  parser.feed(head, 0, head.length);
  assert.ok(parser.awaitsContinue);
  parser.feed(Buffer.from('abc'), 0, 3);
  assert.ok(parser.complete && !parser.awaitsContinue);
});

test('paths of targets', () => {
  for (const [target, path] of [
    ['/', '/'],
    ['/a?b', '/a'],
    ['/a#b', '/a'],
    ['http://host', '/'],
    ['HTTP://host:80/a/b?c', '/a/b'],
    ['http://host?x', '/'],
    ['*', '*'],
  ] as const) {
    assert.equal(pathOf(target), path);
  }
});
