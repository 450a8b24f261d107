// The switch's functions on its tables, as eBPF: looking a flow up, entering one, choosing a backend. Each is called with
// its argument in R1 and ends in its own exit; model-state.ts says the same in TypeScript.

import { type Assembler, R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, type Register } from '@demikernel/ebpf';
import * as L from './layout.ts';
import * as F from './program-frame.ts';

/** Names of the functions, for `callLabel`. */
export const LOOKUP = 'fn.lookup';
export const INSERT = 'fn.insert';
export const CHOOSE = 'fn.choose';
export const MAGLEV = 'fn.maglev';
export const LEAST_LOADED = 'fn.leastLoaded';

/** Places those that the port's role calls: the verifier wants every instruction reached. */
export function placeFlowFunctions(code: F.Code): void {
  lookup(code);
  insert(code);
  leastLoaded(code);
  if (code.options.role === 'backend') return;
  choose(code);
  maglev(code);
}

/** `out` becomes a hash of the key at R6, with the secrets at R7 + `at`. Overwrites R2 and R3. */
function hash(a: Assembler, out: Register, at: number): void {
  a.load32(out, R7, at + 4 * (L.HASH_WORDS - 1));
  for (let i = 0; i < L.HASH_WORDS - 1; i++) {
    a.load16(R2, R6, 2 * i)
      .load32(R3, R7, at + 4 * i)
      .mul32(R2, R3)
      .add32(out, R2);
  }
  a.mov32(R2, out).rsh32(R2, 15).lsh32(out, 17).or32(out, R2);
}

/** `offset` becomes that of the bucket for the hash in it. */
function bucketOffset(a: Assembler, offset: Register, geometry: L.Geometry): void {
  a.and32(offset, geometry.buckets - 1).lsh(offset, Math.log2(L.BUCKET_BYTES));
}

/** R1: the key's record, whose hashes are filled in. R0: the flow, or 0. */
function lookup({ a, options }: F.Code): void {
  const { memory, geometry } = options;
  const flows = L.flowsOffset(geometry);
  a.label(LOOKUP).mov(R6, R1).mapValue(R7, memory);
  hash(a, R0, L.AT_HASH_FIRST);
  a.store32(R6, F.KEY_FIRST, R0);
  hash(a, R9, L.AT_HASH_SECOND);
  a.store32(R6, F.KEY_SECOND, R9).load64(R3, R6, F.KEY_CLIENT).load32(R4, R6, F.KEY_PORTS);
  for (const bucket of [R0, R9]) {
    bucketOffset(a, bucket, geometry);
    a.mapValue(R8, memory, flows).add(R8, bucket);
    for (let way = 0; way < L.WAYS; way++) {
      const next = a.uniqueLabel('way');
      const at = way * L.FLOW_BYTES;
      a.load64(R1, R8, at + L.FLOW_CLIENT_ADDRESS)
        .jne(R1, R3, next)
        .load32(R1, R8, at + L.FLOW_PORTS)
        .jne32(R1, R4, next)
        .load32(R1, R8, at + L.FLOW_OWNERSHIP)
        .jlt32(R1, L.PHASE_OWNED, next)
        .mov(R0, R8)
        .add(R0, at)
        .exit()
        .label(next);
    }
  }
  a.mov(R0, 0).exit();
}

/**
 * R1: the key's record, looked up in vain. R0: INSERTED, INSERT_FULL, or INSERT_RACED when another CPU enters the same connection:
 * both claim an entry with the first hash in it and then look for each other; who sees the other gives way. The client
 * sends its SYN again.
 */
function insert({ a, options }: F.Code): void {
  const { memory, geometry } = options;
  const flows = L.flowsOffset(geometry);
  a.label(INSERT)
    .comment('R7: the mark of a claimed entry; R8, R9: offsets of the buckets; R5: of the entry')
    .mov(R6, R1)
    .load32(R7, R6, F.KEY_FIRST)
    .mov(R8, R7)
    .load32(R9, R6, F.KEY_SECOND)
    .mov(R1, L.PHASE_CLAIMED)
    .lsh(R1, 32)
    .or(R7, R1);
  bucketOffset(a, R8, geometry);
  bucketOffset(a, R9, geometry);
  for (const bucket of [R8, R9]) {
    a.mapValue(R1, memory, flows).add(R1, bucket);
    for (let way = 0; way < L.WAYS; way++) {
      const next = a.uniqueLabel('taken');
      a.load64(R0, R1, way * L.FLOW_BYTES)
        .jne(R0, 0, next)
        .mov(R0, 0)
        .compareExchange64(R1, way * L.FLOW_BYTES, R7)
        .jne(R0, 0, next)
        .mov(R5, bucket)
        .add(R5, way * L.FLOW_BYTES)
        .ja('insert.claimed')
        .label(next);
    }
  }
  a.mov(R0, L.INSERT_FULL).exit();

  a.label('insert.claimed').mapValue(R1, memory, flows).add(R1, R5);
  fillEntry(a, options);
  for (const bucket of [R8, R9]) {
    for (let way = 0; way < L.WAYS; way++) {
      const next = a.uniqueLabel('norival');
      a.mov(R4, bucket)
        .add(R4, way * L.FLOW_BYTES)
        .jeq(R4, R5, next)
        .mapValue(R2, memory, flows)
        .add(R2, R4)
        .load64(R0, R2, 0)
        .jeq(R0, R7, 'insert.rival')
        .rsh(R0, 32)
        .jlt(R0, L.PHASE_OWNED, next)
        .load64(R0, R2, L.FLOW_CLIENT_ADDRESS)
        .load64(R3, R6, F.KEY_CLIENT)
        .jne(R0, R3, next)
        .load32(R0, R2, L.FLOW_PORTS)
        .load32(R3, R6, F.KEY_PORTS)
        .jeq(R0, R3, 'insert.rival')
        .label(next);
    }
  }
  a.load64(R0, R6, F.KEY_STATE)
    .store64(R1, 0, R0)
    .mov(R0, L.INSERTED)
    .exit()
    .label('insert.rival')
    .store64(R1, 0, 0)
    .mov(R0, L.INSERT_RACED)
    .exit();
}

/** Writes the claimed entry at R1 from the record at R6. Overwrites R0, R2 and R3. */
function fillEntry(a: Assembler, { memory }: F.SwitchCodeOptions): void {
  const counted = a.uniqueLabel('counted');
  a.load64(R0, R6, F.KEY_CLIENT)
    .store64(R1, L.FLOW_CLIENT_ADDRESS, R0)
    .load32(R0, R6, F.KEY_PORTS)
    .store32(R1, L.FLOW_PORTS, R0)
    .mapValue(R2, memory)
    .load32(R0, R2, L.AT_NOW)
    .store32(R1, L.FLOW_LAST_SEEN, R0)
    .load32(R0, R6, F.KEY_FLAGS)
    .store32(R1, L.FLOW_FLAGS, R0)
    .load32(R0, R6, F.KEY_CLIENT_PORT)
    .store32(R1, L.FLOW_CLIENT_PORT, R0)
    .load64(R0, R6, F.KEY_LENGTH)
    .store64(R1, L.FLOW_BYTES_IN, R0)
    .mov(R3, 0)
    .jeq(R0, 0, counted)
    .mov(R3, 1)
    .label(counted)
    .store64(R1, L.FLOW_PACKETS, R3)
    .store64(R1, L.FLOW_BYTES_OUT, 0)
    .store64(R1, L.FLOW_BYTES_OUT + 8, 0);
}

/** R1: a flow's second hash. R0: the backend for a new connection, or NONE. */
function choose({ a, options }: F.Code): void {
  const { memory } = options;
  a.label(CHOOSE)
    .mapValue(R2, memory)
    .load32(R3, R2, L.AT_POLICY)
    .jeq(R3, L.POLICY_LEAST_LOADED, 'choose.least')
    .jeq(R3, L.POLICY_ROUND_ROBIN, 'choose.turn')
    .callLabel(MAGLEV)
    .exit()
    .label('choose.least')
    .mov(R1, L.NONE)
    .callLabel(LEAST_LOADED)
    .exit()
    .label('choose.turn')
    .mov(R0, L.NONE)
    .load32(R3, R2, L.AT_SCHEDULE_LENGTH)
    .and(R3, 2 * L.MAX_SCHEDULE - 1)
    .jeq(R3, 0, 'choose.none')
    .mov(R4, 1)
    .fetchAdd32(R2, L.AT_TURN, R4)
    .mod32(R4, R3)
    .and(R4, L.MAX_SCHEDULE - 1)
    .lsh(R4, 1)
    .mapValue(R2, memory, L.AT_SCHEDULE)
    .add(R2, R4)
    .load16(R0, R2, 0)
    .label('choose.none')
    .exit();
}

/** R1: a flow's second hash. R0: the backend in its slot, or NONE. */
function maglev({ a, options }: F.Code): void {
  a.label(MAGLEV)
    .and(R1, 0x1_ffff)
    .mul(R1, L.MAGLEV_SLOTS)
    .rsh(R1, 17)
    .lsh(R1, 1)
    .mapValue(R2, options.memory, L.AT_MAGLEV)
    .add(R2, R1)
    .load16(R0, R2, 0)
    .exit();
}

/** Backends compared in one turn of the loop. */
const TOGETHER = 8;

/**
 * R1: a backend not to choose, or NONE. R0: the active one with the fewest connections for its weight, or NONE.
 *
 * The verifier follows every branch of every turn, so the turns have none: the least of (load, backend) is kept by masks.
 * Slots behind the last are NONE.
 */
function leastLoaded({ a, options }: F.Code): void {
  const { memory } = options;
  a.label(LEAST_LOADED)
    .mapValue(R2, memory)
    .load32(R2, R2, L.AT_ACTIVE_COUNT)
    .comment('R0: load << 8 | backend of the best; at first more than any')
    .loadImmediate64(R0, (1n << 62n) - 1n)
    .mov(R3, 0)
    .label('least.turn')
    .jge(R3, R2, 'least.done')
    .jge(R3, L.MAX_BACKENDS, 'least.done')
    .mapValue(R4, memory, L.AT_ACTIVE)
    .add(R4, R3)
    .add(R4, R3);
  for (let i = 0; i < TOGETHER; i++) {
    a.load16(R5, R4, 2 * i)
      .comment('R8: all ones when it is excluded, or no backend')
      .mov(R8, R5)
      .xor(R8, R1)
      .sub(R8, 1)
      .mov(R6, L.BACKEND_MASK)
      .sub(R6, R5)
      .or(R8, R6)
      .arsh(R8, 63)
      .and(R5, L.BACKEND_MASK);
    F.backendRecord(a, memory, R9, R5, R7);
    a.load32(R7, R9, L.BACKEND_CONNECTIONS)
      .add(R7, 1)
      .load32(R6, R9, L.BACKEND_COST)
      .mul(R7, R6)
      .load32(R6, R9, L.BACKEND_LOAD)
      .add(R7, R6)
      .comment('54 bits of load, 8 of backend; R8 makes it the greatest')
      .lsh(R7, 10)
      .rsh(R7, 2)
      .or(R7, R5)
      .rsh(R8, 2)
      .or(R7, R8)
      .comment('R0 = min(R0, R7)')
      .sub(R7, R0)
      .mov(R6, R7)
      .arsh(R6, 63)
      .and(R7, R6)
      .add(R0, R7);
  }
  a.add(R3, TOGETHER)
    .ja('least.turn')
    .label('least.done')
    .comment('none found: above 8 bits still')
    .loadImmediate64(R1, (1n << 62n) - 1n)
    .mov(R2, L.NONE)
    .jeq(R0, R1, 'least.none')
    .mov(R2, R0)
    .and(R2, L.BACKEND_MASK)
    .label('least.none')
    .mov(R0, R2)
    .exit();
}
