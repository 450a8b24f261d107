// Programs in the kernel: loading, the verifier's log, test runs with packets, contexts and repetition; what the
// instructions do when they run.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Assembler } from '../src/assembler/assembler.ts';
import { R0, R1, R2, R3, R4, R5, R6, R10, type Register } from '../src/assembler/register.ts';
import * as C from '../src/constants.ts';
import { MappedArray } from '../src/maps/array.ts';
import { ProgramArray } from '../src/maps/redirect.ts';
import { Program } from '../src/program.ts';
import { passAll } from '../src/programs/pass-all.ts';
import { needBytes } from '../src/xdp/packet.ts';
import { bpfRefusal } from './privilege.ts';

const skip = bpfRefusal();
const PACKET = new Uint8Array(64);

test('a program is known by name', { skip }, () => {
  using program = passAll();
  const info = program.info();
  assert.equal(info.name, 'demi_pass');
  assert.equal(info.type, C.PROGRAM_TYPE_XDP);
  assert.ok(info.id > 0);
  assert.equal(program.testRun(PACKET).action, C.XDP_PASS);
  program.close();
  assert.throws(() => program.testRun(PACKET), { code: 'ERR_DEMI_CLOSED' });
});

test("a refusal carries the verifier's log", { skip }, () => {
  const code = new Assembler().load32(R2, R1, C.XDP_MD_DATA).load8(R0, R2, 0).exit().assemble();
  assert.throws(() => new Program({ name: 'demi_bad', code }), {
    code: 'ERR_DEMI_EBPF_VERIFIER',
    errnoName: 'EACCES',
    message: /refused program "demi_bad" \(EACCES\):[\s\S]*invalid access to packet/,
  });
  const endless = new Assembler().label('top').ja('top').exit().assemble();
  assert.throws(() => new Program({ name: 'demi_bad', code: endless }), {
    code: 'ERR_DEMI_EBPF_VERIFIER',
    errnoName: 'EINVAL',
  });
  assert.throws(() => new Program({ name: 'demi_bad', code: new Uint8Array(7) }), {
    code: 'ERR_DEMI_ARGUMENT',
  });
});

test('a log longer than the first buffer still comes with the error', { skip }, () => {
  const a = new Assembler().mov(R0, 0);
  for (let i = 0; i < 60_000; i++) a.add(R0, 1);
  const code = a.load32(R2, R1, C.XDP_MD_DATA).load8(R0, R2, 0).exit().assemble();
  assert.throws(() => new Program({ name: 'demi_long', code }), /invalid access to packet/);
});

test('other types load too', { skip }, () => {
  const code = new Assembler().mov(R0, 0).exit().assemble();
  for (const type of [C.PROGRAM_TYPE_SOCKET_FILTER, C.PROGRAM_TYPE_SCHED_CLS]) {
    using program = new Program({ name: 'demi_other', code, type, license: 'Dual MIT/GPL' });
    assert.equal(program.info().type, type);
  }
});

test('the context says where the packet came from', { skip }, () => {
  const code = new Assembler()
    .load32(R0, R1, C.XDP_MD_INGRESS_IFINDEX)
    .lsh(R0, 8)
    .load32(R2, R1, C.XDP_MD_RX_QUEUE_INDEX)
    .or(R0, R2)
    .exit()
    .assemble();
  using program = new Program({ name: 'demi_context', code });
  assert.equal(program.testRun(PACKET, { ingress: { ifindex: 1, queue: 0 } }).action, 0x100);
  assert.throws(() => program.testRun(PACKET, { ingress: { ifindex: 1, queue: 99 } }), {
    errnoName: 'EINVAL',
  });
});

test('a packet comes back rewritten, and repetition rewrites it again', { skip }, () => {
  const a = new Assembler().load32(R2, R1, C.XDP_MD_DATA).load32(R3, R1, C.XDP_MD_DATA_END);
  needBytes(a, R2, 1, R3, R4, 'out');
  const code = a
    .load8(R4, R2, 0)
    .add(R4, 1)
    .store8(R2, 0, R4)
    .label('out')
    .mov(R0, C.XDP_PASS)
    .exit()
    .assemble();
  using program = new Program({ name: 'demi_rewrite', code });
  const out = new Uint8Array(64);
  const { lengthBytes } = program.testRun(PACKET, { out });
  assert.equal(lengthBytes, 64);
  assert.equal(out[0], 1);
  program.testRun(PACKET, { out, repeat: 10 });
  assert.equal(out[0], 10);
  assert.equal(PACKET[0], 0);
  assert.throws(() => program.testRun(PACKET, { out: new Uint8Array(1) }), { code: 'ERR_DEMI_ARGUMENT' });
  assert.throws(() => program.testRun(new Uint8Array(3)), { errnoName: 'EINVAL' });
  assert.throws(() => program.testRun(new Uint8Array(70_000)), { code: 'ERR_DEMI_ARGUMENT' });
});

test('a program calls its own functions, and others through a program array', { skip }, () => {
  const code = new Assembler()
    .mov(R1, 20)
    .callLabel('double')
    .add(R0, 2)
    .exit()
    .label('double')
    .mov(R0, R1)
    .lsh(R0, 1)
    .exit()
    .assemble();
  using program = new Program({ name: 'demi_call', code });
  assert.equal(program.testRun(PACKET).action, 42);
  using programs = new ProgramArray({ name: 'demi_programs', maxEntries: 2 });
  const jump = new Assembler()
    .mapFd(R2, programs)
    .mov(R3, 1)
    .call(C.HELPER_TAIL_CALL)
    .mov(R0, 7)
    .exit()
    .assemble();
  using first = new Program({ name: 'demi_tail', code: jump });
  assert.equal(first.testRun(PACKET).action, 7);
  using second = passAllDrop();
  programs.update(1, second.descriptor);
  assert.equal(first.testRun(PACKET).action, C.XDP_DROP);
});

function passAllDrop(): Program {
  const code = new Assembler().mov(R0, C.XDP_DROP).exit().assemble();
  return new Program({ name: 'demi_drop', code });
}

test('atomics work on memory shared with this process', { skip }, () => {
  using cells = new MappedArray({ name: 'demi_cells', valueBytes: 64, maxEntries: 1 });
  const words = new BigUint64Array(cells.buffer, 0, 8);
  const code = new Assembler()
    .mapValue(R6, cells, 8)
    .mov(R2, 5)
    .atomicAdd64(R6, 0, R2)
    .mov(R2, 3)
    .fetchAdd64(R6, 8, R2)
    .store64(R10, -8, R2)
    .mov(R2, 9)
    .exchange64(R6, 16, R2)
    .mov(R0, 100)
    .mov(R3, 200)
    .compareExchange64(R6, 24, R3)
    .load64(R2, R10, -8)
    .add(R0, R2)
    .exit()
    .assemble();
  using program = new Program({ name: 'demi_atomics', code });
  words.set([0n, 1n, 2n, 3n, 100n]);
  // What was there (100) plus what fetch-and-add found (2).
  assert.equal(program.testRun(PACKET).action, 102);
  assert.deepEqual([...words.subarray(0, 5)], [0n, 6n, 5n, 9n, 200n]);
});

/** Runs `build` with R2 = a and R3 = b, and returns R0's low and high halves. */
function run(a: bigint, b: bigint, build: (assembler: Assembler) => unknown, cells: MappedArray): bigint {
  const assembler = new Assembler().loadImmediate64(R2, a).loadImmediate64(R3, b).loadImmediate64(R0, a);
  build(assembler);
  const code = assembler.mapValue(R5, cells).store64(R5, 0, R0).mov(R0, 0).exit().assemble();
  using program = new Program({ name: 'demi_alu', code });
  program.testRun(PACKET);
  return new BigUint64Array(cells.buffer, 0, 1)[0]!;
}

const u64 = (value: bigint): bigint => BigInt.asUintN(64, value);
const s64 = (value: bigint): bigint => BigInt.asIntN(64, value);
const u32 = (value: bigint): bigint => BigInt.asUintN(32, value);
const s32 = (value: bigint): bigint => BigInt.asIntN(32, value);
type Law = (a: bigint, b: bigint) => bigint;
type Operation = (assembler: Assembler, dst: Register, src: Register) => unknown;

const LAWS: readonly (readonly [string, Operation, Law])[] = [
  ['add', (a, d, s) => a.add(d, s), (a, b) => a + b],
  ['add32', (a, d, s) => a.add32(d, s), (a, b) => u32(a + b)],
  ['sub', (a, d, s) => a.sub(d, s), (a, b) => a - b],
  ['mul', (a, d, s) => a.mul(d, s), (a, b) => a * b],
  ['div', (a, d, s) => a.div(d, s), (a, b) => a / b],
  ['signedDiv', (a, d, s) => a.signedDiv(d, s), (a, b) => s64(a) / s64(b)],
  ['signedDiv32', (a, d, s) => a.signedDiv32(d, s), (a, b) => u32(s32(a) / s32(b))],
  ['mod', (a, d, s) => a.mod(d, s), (a, b) => a % b],
  ['signedMod', (a, d, s) => a.signedMod(d, s), (a, b) => s64(a) % s64(b)],
  ['xor32', (a, d, s) => a.xor32(d, s), (a, b) => u32(a ^ b)],
  ['or', (a, d, s) => a.or(d, s), (a, b) => a | b],
  ['rsh', (a, d, s) => a.rsh(d, s), (a, b) => a >> (b & 63n)],
  ['arsh', (a, d, s) => a.arsh(d, s), (a, b) => s64(a) >> (b & 63n)],
  ['arsh32', (a, d, s) => a.arsh32(d, s), (a, b) => u32(s32(a) >> (b & 31n))],
  ['lsh32', (a, d, s) => a.lsh32(d, s), (a, b) => u32(a << (b & 31n))],
  ['neg', (a, d) => a.neg(d), a => -a],
  ['mov32', (a, d, s) => a.mov32(d, s), (_, b) => u32(b)],
  ['movSigned 8', (a, d, s) => a.movSigned(d, s, 8), (_, b) => BigInt.asIntN(8, b)],
  ['movSigned32 16', (a, d, s) => a.movSigned32(d, s, 16), (_, b) => u32(BigInt.asIntN(16, b))],
  ['toBigEndian 16', (a, d) => a.toBigEndian(d, 16), a => ((a & 0xffn) << 8n) | ((a >> 8n) & 0xffn)],
  ['toLittleEndian 32', (a, d) => a.toLittleEndian(d, 32), a => u32(a)],
  ['byteSwap 64', (a, d) => a.byteSwap(d, 64), swap64],
];

function swap64(value: bigint): bigint {
  let out = 0n;
  for (let i = 0n; i < 8n; i++) out |= ((value >> (8n * i)) & 0xffn) << (56n - 8n * i);
  return out;
}

test('arithmetic does in the kernel what its name says', { skip }, () => {
  using cells = new MappedArray({ name: 'demi_cells', valueBytes: 8, maxEntries: 1 });
  const pairs: readonly (readonly [bigint, bigint])[] = [
    [0x123456789abcdef0n, 0x11n],
    [u64(-5n), 3n],
    [0xffffffff_80000001n, 0x8000_0007n],
    [7n, u64(-2n)],
  ];
  for (const [name, operation, law] of LAWS) {
    for (const [a, b] of pairs) {
      assert.equal(
        run(a, b, x => operation(x, R0, R3), cells),
        u64(law(a, b)),
        `${name} ${a} ${b}`,
      );
    }
  }
});
