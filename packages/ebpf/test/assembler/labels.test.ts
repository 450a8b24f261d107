// Labels, ranges, registers: what the assembler resolves, and what it refuses by name.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Assembler } from '../../src/assembler/assembler.ts';
import { R0, R1, R10, type Register } from '../../src/assembler/register.ts';

test('backward and forward labels, counted in slots across wide loads', () => {
  const { instructions, labels } = new Assembler()
    .label('top')
    .loadImmediate64(R1, 1n)
    .jeq(R1, 0, 'end')
    .loadImmediate64(R1, 2n)
    .ja('top')
    .label('end')
    .exit()
    .assemble();
  assert.equal(instructions[2]!.offset, 3);
  assert.equal(instructions[5]!.offset, -6);
  assert.equal(labels.get('end'), 6);
});

test('a listing shows labels and comments', () => {
  const text = new Assembler()
    .comment('nothing of ours')
    .comment('so far')
    .mov(R0, 2)
    .ja('out')
    .label('out')
    .exit()
    .assemble()
    .toString();
  assert.match(text, /^ {4}0 {2}r0 = 2 +; nothing of ours; so far\n {4}1 {2}goto out\nout:\n {4}2 {2}exit$/);
});

test('assembling twice gives the same bytes, and the assembler may go on', () => {
  const a = new Assembler().ja('x').label('x').mov(R0, 0);
  const first = a.assemble();
  assert.deepEqual(a.assemble().bytes, first.bytes);
  assert.equal(a.exit().assemble().instructions.length, 3);
  assert.equal(first.instructions.length, 2);
});

const refusals: readonly (readonly [string, string, () => unknown])[] = [
  ['a label never placed', 'ERR_DEMI_EBPF_LABEL', () => new Assembler().ja('x').exit().assemble()],
  ['a label placed twice', 'ERR_DEMI_EBPF_LABEL', () => new Assembler().label('x').label('x')],
  ['a label at the very end', 'ERR_DEMI_EBPF_LABEL', () => new Assembler().ja('x').label('x').assemble()],
  ['register 11', 'ERR_DEMI_EBPF_REGISTER', () => new Assembler().mov({ register: 11 }, 0)],
  ['no register', 'ERR_DEMI_EBPF_REGISTER', () => new Assembler().mov(undefined as unknown as Register, 0)],
  ['writing the frame pointer', 'ERR_DEMI_EBPF_REGISTER', () => new Assembler().mov(R10, 0)],
  ['an offset of 17 bits', 'ERR_DEMI_EBPF_RANGE', () => new Assembler().load8(R0, R1, 0x8000)],
  [
    'a constant that would be sign-extended',
    'ERR_DEMI_EBPF_RANGE',
    () => new Assembler().and(R0, 0xffff_ffff),
  ],
  ['the same in a comparison', 'ERR_DEMI_EBPF_RANGE', () => new Assembler().jeq(R0, 0x8000_0000, 'x')],
  ['a constant of 33 bits', 'ERR_DEMI_EBPF_RANGE', () => new Assembler().mov32(R0, 2 ** 32)],
  ['a fraction', 'ERR_DEMI_EBPF_RANGE', () => new Assembler().mov32(R0, 0.5)],
  ['a constant of 65 bits', 'ERR_DEMI_EBPF_RANGE', () => new Assembler().loadImmediate64(R0, 1n << 64n)],
  ['a map that is not open', 'ERR_DEMI_ARGUMENT', () => new Assembler().mapFd(R1, { descriptor: -1 })],
  [
    'a jump of 16 bits and more',
    'ERR_DEMI_EBPF_RANGE',
    () => {
      const a = new Assembler().ja('far');
      for (let i = 0; i < 0x8000; i++) a.mov(R0, 0);
      return a.label('far').exit().assemble();
    },
  ],
];

for (const [name, code, act] of refusals) {
  test(`refused: ${name}`, () => {
    assert.throws(act, { name: 'DemiError', code });
  });
}
