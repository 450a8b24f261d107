// Every mnemonic against bytes from another assembler, or, where that one is too old, from the instruction set's text.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Assembler } from '../../src/assembler/assembler.ts';
import { decode } from '../../src/assembler/instruction.ts';
import { disassemble } from '../../src/assembler/listing.ts';
import { R0, R1, R2, R3, R4, R5, R9, R10 } from '../../src/assembler/register.ts';

type Emit = (a: Assembler) => unknown;

const VECTORS: readonly (readonly [string, Emit, string])[] = [
  ['b701000005000000', a => a.mov(R1, 5), 'r1 = 5'],
  ['bf51000000000000', a => a.mov(R1, R5), 'r1 = r5'],
  ['b401000005000000', a => a.mov32(R1, 5), 'w1 = 5'],
  ['b4010000ffffffff', a => a.mov32(R1, 0xffff_ffff), 'w1 = -1'],
  ['bc51000000000000', a => a.mov32(R1, R5), 'w1 = w5'],
  ['0f32000000000000', a => a.add(R2, R3), 'r2 += r3'],
  ['07020000ffffffff', a => a.add(R2, -1), 'r2 += -1'],
  ['0c32000000000000', a => a.add32(R2, R3), 'w2 += w3'],
  ['1702000007000000', a => a.sub(R2, 7), 'r2 -= 7'],
  ['1c32000000000000', a => a.sub32(R2, R3), 'w2 -= w3'],
  ['2f42000000000000', a => a.mul(R2, R4), 'r2 *= r4'],
  ['2402000003000000', a => a.mul32(R2, 3), 'w2 *= 3'],
  ['370200000a000000', a => a.div(R2, 10), 'r2 /= 10'],
  ['3c32000000000000', a => a.div32(R2, R3), 'w2 /= w3'],
  ['3702010003000000', a => a.signedDiv(R2, 3), 'r2 s/= 3'],
  ['3c32010000000000', a => a.signedDiv32(R2, R3), 'w2 s/= w3'],
  ['9702000009000000', a => a.mod(R2, 9), 'r2 %= 9'],
  ['9c32000000000000', a => a.mod32(R2, R3), 'w2 %= w3'],
  ['9f32010000000000', a => a.signedMod(R2, R3), 'r2 s%= r3'],
  ['9402010009000000', a => a.signedMod32(R2, 9), 'w2 s%= 9'],
  ['4702000010000000', a => a.or(R2, 16), 'r2 |= 16'],
  ['4402000010000000', a => a.or32(R2, 16), 'w2 |= 16'],
  ['5f12000000000000', a => a.and(R2, R1), 'r2 &= r1'],
  ['54020000ffffffff', a => a.and32(R2, 0xffff_ffff), 'w2 &= -1'],
  ['af92000000000000', a => a.xor(R2, R9), 'r2 ^= r9'],
  ['ac92000000000000', a => a.xor32(R2, R9), 'w2 ^= w9'],
  ['6702000003000000', a => a.lsh(R2, 3), 'r2 <<= 3'],
  ['6402000003000000', a => a.lsh32(R2, 3), 'w2 <<= 3'],
  ['7f32000000000000', a => a.rsh(R2, R3), 'r2 >>= r3'],
  ['7402000001000000', a => a.rsh32(R2, 1), 'w2 >>= 1'],
  ['c702000004000000', a => a.arsh(R2, 4), 'r2 s>>= 4'],
  ['cc42000000000000', a => a.arsh32(R2, R4), 'w2 s>>= w4'],
  ['8702000000000000', a => a.neg(R2), 'r2 = -r2'],
  ['8402000000000000', a => a.neg32(R2), 'w2 = -w2'],
  ['bf32080000000000', a => a.movSigned(R2, R3, 8), 'r2 = (s8)r3'],
  ['bc32100000000000', a => a.movSigned32(R2, R3, 16), 'w2 = (s16)w3'],
  ['dc02000010000000', a => a.toBigEndian(R2, 16), 'r2 = be16 r2'],
  ['dc02000020000000', a => a.toBigEndian(R2, 32), 'r2 = be32 r2'],
  ['dc02000040000000', a => a.toBigEndian(R2, 64), 'r2 = be64 r2'],
  ['d402000010000000', a => a.toLittleEndian(R2, 16), 'r2 = le16 r2'],
  ['d702000020000000', a => a.byteSwap(R2, 32), 'r2 = bswap32 r2'],
  ['7110040000000000', a => a.load8(R0, R1, 4), 'r0 = *(u8 *)(r1 + 4)'],
  ['69100c0000000000', a => a.load16(R0, R1, 12), 'r0 = *(u16 *)(r1 + 12)'],
  ['6110f8ff00000000', a => a.load32(R0, R1, -8), 'r0 = *(u32 *)(r1 - 8)'],
  ['79a0f0ff00000000', a => a.load64(R0, R10, -16), 'r0 = *(u64 *)(r10 - 16)'],
  ['9110040000000000', a => a.loadSigned8(R0, R1, 4), 'r0 = *(s8 *)(r1 + 4)'],
  ['8910040000000000', a => a.loadSigned16(R0, R1, 4), 'r0 = *(s16 *)(r1 + 4)'],
  ['8110040000000000', a => a.loadSigned32(R0, R1, 4), 'r0 = *(s32 *)(r1 + 4)'],
  ['7321030000000000', a => a.store8(R1, 3, R2), '*(u8 *)(r1 + 3) = r2'],
  ['6b21020000000000', a => a.store16(R1, 2, R2), '*(u16 *)(r1 + 2) = r2'],
  ['632afcff00000000', a => a.store32(R10, -4, R2), '*(u32 *)(r10 - 4) = r2'],
  ['7b2af8ff00000000', a => a.store64(R10, -8, R2), '*(u64 *)(r10 - 8) = r2'],
  ['7201030007000000', a => a.store8(R1, 3, 7), '*(u8 *)(r1 + 3) = 7'],
  ['6a01020007000000', a => a.store16(R1, 2, 7), '*(u16 *)(r1 + 2) = 7'],
  ['620afcff07000000', a => a.store32(R10, -4, 7), '*(u32 *)(r10 - 4) = 7'],
  ['7a0af8fff9ffffff', a => a.store64(R10, -8, -7), '*(u64 *)(r10 - 8) = -7'],
  ['c321000000000000', a => a.atomicAdd32(R1, 0, R2), 'lock *(u32 *)(r1 + 0) += r2'],
  ['db21080000000000', a => a.atomicAdd64(R1, 8, R2), 'lock *(u64 *)(r1 + 8) += r2'],
  ['db21080040000000', a => a.atomicOr64(R1, 8, R2), 'lock *(u64 *)(r1 + 8) |= r2'],
  ['db21080050000000', a => a.atomicAnd64(R1, 8, R2), 'lock *(u64 *)(r1 + 8) &= r2'],
  ['db210800a0000000', a => a.atomicXor64(R1, 8, R2), 'lock *(u64 *)(r1 + 8) ^= r2'],
  ['c321000001000000', a => a.fetchAdd32(R1, 0, R2), 'lock r2 = fetch(*(u32 *)(r1 + 0) += r2)'],
  ['db21000001000000', a => a.fetchAdd64(R1, 0, R2), 'lock r2 = fetch(*(u64 *)(r1 + 0) += r2)'],
  ['c3210000e1000000', a => a.exchange32(R1, 0, R2), 'lock r2 = exchange(*(u32 *)(r1 + 0), r2)'],
  ['db210000e1000000', a => a.exchange64(R1, 0, R2), 'lock r2 = exchange(*(u64 *)(r1 + 0), r2)'],
  [
    'c3210000f1000000',
    a => a.compareExchange32(R1, 0, R2),
    'lock r0 = compare_exchange(*(u32 *)(r1 + 0), r0, r2)',
  ],
  [
    'db210000f1000000',
    a => a.compareExchange64(R1, 0, R2),
    'lock r0 = compare_exchange(*(u64 *)(r1 + 0), r0, r2)',
  ],
  [
    '18030000f0debc9a0000000078563412',
    a => a.loadImmediate64(R3, 0x123456789abcdef0n),
    'r3 = 0x123456789abcdef0 ll',
  ],
  ['18030000ffffffff00000000ffffffff', a => a.loadImmediate64(R3, -1n), 'r3 = 0xffffffffffffffff ll'],
  ['18110000090000000000000000000000', a => a.mapFd(R1, { descriptor: 9 }), 'r1 = map fd 9'],
  [
    '18210000090000000000000010000000',
    a => a.mapValue(R1, { descriptor: 9 }, 16),
    'r1 = map value fd 9 + 16',
  ],
  ['8500000033000000', a => a.call(51), 'call redirect_map'],
  ['9500000000000000', a => a.exit(), 'exit'],
];

// Jumps are given over one `exit` to the label after it, so the distance is 1.
const JUMPS: readonly (readonly [string, Emit, string])[] = [
  ['0500010000000000', a => a.ja('x'), 'goto 2'],
  ['0600000001000000', a => a.jaLong('x'), 'goto 2'],
  ['8510000001000000', a => a.callLabel('x'), 'call 2'],
  ['1501010005000000', a => a.jeq(R1, 5, 'x'), 'if r1 == 5 goto 2'],
  ['1d21010000000000', a => a.jeq(R1, R2, 'x'), 'if r1 == r2 goto 2'],
  ['5d21010000000000', a => a.jne(R1, R2, 'x'), 'if r1 != r2 goto 2'],
  ['2501010005000000', a => a.jgt(R1, 5, 'x'), 'if r1 > 5 goto 2'],
  ['3501010005000000', a => a.jge(R1, 5, 'x'), 'if r1 >= 5 goto 2'],
  ['ad21010000000000', a => a.jlt(R1, R2, 'x'), 'if r1 < r2 goto 2'],
  ['b501010005000000', a => a.jle(R1, 5, 'x'), 'if r1 <= 5 goto 2'],
  ['65010100fbffffff', a => a.jsgt(R1, -5, 'x'), 'if r1 s> -5 goto 2'],
  ['7d21010000000000', a => a.jsge(R1, R2, 'x'), 'if r1 s>= r2 goto 2'],
  ['c501010005000000', a => a.jslt(R1, 5, 'x'), 'if r1 s< 5 goto 2'],
  ['d501010005000000', a => a.jsle(R1, 5, 'x'), 'if r1 s<= 5 goto 2'],
  ['4501010008000000', a => a.jset(R1, 8, 'x'), 'if r1 & 8 goto 2'],
  ['1601010005000000', a => a.jeq32(R1, 5, 'x'), 'if w1 == 5 goto 2'],
  ['56010100ffffffff', a => a.jne32(R1, 0xffff_ffff, 'x'), 'if w1 != -1 goto 2'],
  ['2601010005000000', a => a.jgt32(R1, 5, 'x'), 'if w1 > 5 goto 2'],
  ['3e21010000000000', a => a.jge32(R1, R2, 'x'), 'if w1 >= w2 goto 2'],
  ['a601010005000000', a => a.jlt32(R1, 5, 'x'), 'if w1 < 5 goto 2'],
  ['b601010005000000', a => a.jle32(R1, 5, 'x'), 'if w1 <= 5 goto 2'],
  ['6601010005000000', a => a.jsgt32(R1, 5, 'x'), 'if w1 s> 5 goto 2'],
  ['7601010005000000', a => a.jsge32(R1, 5, 'x'), 'if w1 s>= 5 goto 2'],
  ['ce21010000000000', a => a.jslt32(R1, R2, 'x'), 'if w1 s< w2 goto 2'],
  ['d601010005000000', a => a.jsle32(R1, 5, 'x'), 'if w1 s<= 5 goto 2'],
  ['4e21010000000000', a => a.jset32(R1, R2, 'x'), 'if w1 & w2 goto 2'],
];

test('every mnemonic encodes to its golden bytes and lists as its text', () => {
  for (const [hex, emit, text] of VECTORS) {
    const a = new Assembler();
    emit(a);
    const { bytes, instructions } = a.assemble();
    assert.equal(Buffer.from(bytes).toString('hex'), hex, text);
    assert.equal(disassemble(instructions[0]!, 0, String, instructions[1]), text);
    assert.deepEqual(decode(bytes), instructions);
  }
});

test('every jump encodes to its golden bytes', () => {
  for (const [hex, emit, text] of JUMPS) {
    const a = new Assembler();
    emit(a);
    const { bytes, instructions } = a.exit().label('x').exit().assemble();
    assert.equal(Buffer.from(bytes.subarray(0, 8)).toString('hex'), hex, text);
    assert.equal(disassemble(instructions[0]!), text);
  }
});

test('every byte pair lists as something', () => {
  for (let opcode = 0; opcode < 256; opcode++) {
    for (const immediate of [0, 1, 0xe1, -1]) {
      const text = disassemble({ opcode, dst: 15, src: 15, offset: -1, immediate });
      assert.equal(typeof text, 'string');
      assert.ok(text.length > 0);
    }
  }
});
