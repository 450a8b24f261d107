// The RESP parser: commands cut at every byte, in slices of every size, nonsense; what it reads, and that nothing leaks.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { heapRegion, type ScatterGatherArray, SlotPool } from '@demikernel/memory';
import fc from 'fast-check';
import { BROKEN, COMMAND, NEED_MORE, RespParser } from '../../src/kv/resp-parser.ts';

const LONGEST_VALUE = 20_000;

class Bench {
  readonly pool: SlotPool;
  readonly parser: RespParser;
  memory: boolean;

  constructor() {
    this.pool = new SlotPool(heapRegion(256 * 2048), { slotSizeBytes: 2048, headroomBytes: 0 });
    this.memory = true;
    this.parser = new RespParser({
      limits: { valueBytes: LONGEST_VALUE },
      allocLarge: bytes => (this.memory ? this.pool.allocArray(bytes) : undefined),
      freeLarge: array => array.free(),
    });
  }

  /** An array of slices that end where `cuts` say. */
  array(bytes: Uint8Array, cuts: readonly number[]): ScatterGatherArray {
    // Arrays are used again: behind their end lie slices of earlier uses.
    const earlier = this.pool.array();
    for (let i = 0; i < 20; i++) earlier.append(this.pool.alloc(1)!);
    earlier.free();
    const array = this.pool.array();
    let start = 0;
    const ends = [...new Set([...cuts, bytes.length])]
      .filter(cut => cut <= bytes.length)
      .sort((a, b) => a - b);
    for (const end of ends) {
      for (let at = start; at < end; at += 2048) {
        const slice = this.pool.alloc(Math.min(2048, end - at))!;
        slice.bytes().set(bytes.subarray(at, at + slice.length));
        array.append(slice);
      }
      start = end;
    }
    return array;
  }

  /** Every command in what is fed, as texts; the error last. */
  read(array: ScatterGatherArray): string[][] {
    const { parser } = this;
    const commands: string[][] = [];
    parser.feed(array);
    for (let status = parser.next(); status !== NEED_MORE; status = parser.next()) {
      if (status === BROKEN) {
        commands.push([parser.error]);
        return commands;
      }
      assert.equal(status, COMMAND);
      const command: string[] = [];
      for (let i = 0; i < parser.count; i++) {
        const stream = parser.stream(i);
        const offset = parser.offset(i);
        const bytes =
          stream?.toBytes() ??
          (parser.isPlain(i)
            ? parser.region.bytes.slice(offset, offset + parser.lengthOf(i))
            : Buffer.from('(refused)'));
        command.push(Buffer.from(bytes).toString('latin1'));
      }
      commands.push(command);
    }
    return commands;
  }

  close(): void {
    this.parser.close();
    assert.equal(this.pool.freeSlots, this.pool.slotCount, 'slots are missing');
  }
}

const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1');
const encode = (command: readonly string[]): string =>
  `*${command.length}\r\n${command.map(each => `$${latin1(each).length}\r\n${each}\r\n`).join('')}`;

function readWhole(text: string, cuts: readonly number[] = []): string[][] {
  const bench = new Bench();
  const commands = bench.read(bench.array(latin1(text), cuts));
  bench.close();
  return commands;
}

const COMMANDS: readonly string[][] = [
  ['GET', 'key'],
  ['SET', 'a key', 'a\r\nvalue\0'],
  ['PING'],
  ['SET', '', ''],
  ['MSET', 'a', '1', 'b', '22', 'c', '*3\r\n$3\r\n'],
];

describe('RESP parser', () => {
  test('commands in one slice, and cut in two at every byte', () => {
    const text = COMMANDS.map(encode).join('');
    for (let cut = 0; cut <= text.length; cut++) assert.deepEqual(readWhole(text, [cut]), COMMANDS);
  });

  test('cut in three at every two bytes, and at every byte', () => {
    const commands = COMMANDS.slice(1, 4);
    const text = commands.map(encode).join('');
    for (let first = 0; first < text.length; first++) {
      for (let second = first; second < text.length; second++) {
        assert.deepEqual(readWhole(text, [first, second]), commands);
      }
    }
    assert.deepEqual(
      readWhole(
        text,
        Array.from({ length: text.length }, (_, i) => i),
      ),
      commands,
    );
  });

  test('every cut also between two feeds', () => {
    const text = COMMANDS.map(encode).join('');
    for (let cut = 0; cut <= text.length; cut++) {
      const bench = new Bench();
      const commands = bench.read(bench.array(latin1(text.slice(0, cut)), []));
      commands.push(...bench.read(bench.array(latin1(text.slice(cut)), [])));
      assert.deepEqual(commands, COMMANDS);
      bench.close();
    }
  });

  const commandOf = fc.array(
    fc.oneof(
      fc.string({ maxLength: 20 }),
      fc.integer({ min: 0, max: LONGEST_VALUE }).map(length => 'x'.repeat(length)),
    ),
    { minLength: 1, maxLength: 5 },
  );

  test('any commands, cut anywhere, over any feeds', () => {
    fc.assert(
      fc.property(
        fc.array(commandOf, { maxLength: 6 }),
        fc.array(fc.nat(30_000), { maxLength: 12 }),
        fc.array(fc.nat(30_000), { maxLength: 4 }),
        (commands, cuts, feeds) => {
          const ascii = commands.map(command => command.map(each => each.replace(/[^ -~]/g, '?')));
          const bytes = latin1(ascii.map(encode).join(''));
          const bench = new Bench();
          const read: string[][] = [];
          let start = 0;
          for (const end of [...feeds, bytes.length].sort((a, b) => a - b)) {
            const stop = Math.min(end, bytes.length);
            read.push(...bench.read(bench.array(bytes.subarray(start, stop), cuts)));
            start = stop;
          }
          assert.deepEqual(read, ascii);
          bench.close();
        },
      ),
      { numRuns: 300 },
    );
  });

  test('nonsense is refused or read, never thrown at, and leaks nothing', () => {
    const piece = fc.oneof(
      fc.constantFrom(
        '*',
        '$',
        '\r\n',
        '\n',
        '\r',
        '-1',
        '0',
        '3',
        '*2\r\n$3\r\nGET\r\n',
        '"',
        "'",
        ' ',
        '99999',
      ),
      fc.string({ maxLength: 5 }),
    );
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 30 }),
        fc.array(fc.nat(100), { maxLength: 8 }),
        (pieces, cuts) => {
          const text = pieces.join('');
          // However it is cut, it says the same.
          assert.deepEqual(readWhole(text, cuts), readWhole(text));
        },
      ),
      { numRuns: 2000 },
    );
  });

  const errors: readonly [name: string, text: string, error: string][] = [
    ['a count that is no number', '*a\r\n', 'invalid multibulk length'],
    ['a count beyond the bound', '*70000\r\n', 'invalid multibulk length'],
    ['no bulk string', '*1\r\n:1\r\n', "expected '$', got ':'"],
    ['a length that is no number', '*1\r\n$1x\r\n', 'invalid bulk length'],
    ['a length below nothing', '*1\r\n$-1\r\n', 'invalid bulk length'],
    ['a length beyond the bound', `*1\r\n$${LONGEST_VALUE + 1}\r\n`, 'invalid bulk length'],
    ['a count that never ends', `*${'1'.repeat(70_000)}`, 'too big mbulk count string'],
    ['a length that never ends', `*1\r\n$${'1'.repeat(70_000)}`, 'too big bulk count string'],
    ['a line that never ends', 'x'.repeat(70_000), 'too big inline request'],
    ['a quote that is not closed', 'SET "a b\r\n', 'unbalanced quotes in request'],
    ['a quote in a word', "SET 'a'b\r\n", 'unbalanced quotes in request'],
  ];
  for (const [name, text, error] of errors) {
    test(`${name}: an error`, () => {
      assert.deepEqual(readWhole(text), [[`Protocol error: ${error}`]]);
      assert.deepEqual(readWhole(text, [1, 5]), [[`Protocol error: ${error}`]]);
    });
  }

  test('inline commands', () => {
    assert.deepEqual(readWhole('PING\r\nGET  a\nSET a "x\\x41\\n \\"y"  \'it\\\'s\'\r\n\r\n'), [
      ['PING'],
      ['GET', 'a'],
      ['SET', 'a', 'xA\n "y', "it's"],
      [],
    ]);
  });

  test('empty commands are passed over', () => {
    assert.deepEqual(readWhole('*0\r\n*-1\r\n*1\r\n$4\r\nPING\r\n', [2, 5, 9]), [[], [], ['PING']]);
  });

  test('a long argument without memory is skipped, and said so', () => {
    const bench = new Bench();
    bench.memory = false;
    const text = encode(['SET', 'a', 'x'.repeat(9000)]) + encode(['PING']);
    assert.deepEqual(bench.read(bench.array(latin1(text), [])), [['SET', 'a', '(refused)'], ['PING']]);
    bench.close();
  });
});
