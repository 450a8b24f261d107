// The smallest program: the kernel gets everything. A veth end needs one for its peer's redirects to arrive.

import { Assembler } from '../assembler/assembler.ts';
import type { Assembly } from '../assembler/emitter.ts';
import { R0 } from '../assembler/register.ts';
import { PROGRAM_XDP_HAS_FRAGS, XDP_PASS } from '../constants.ts';
import { Program } from '../program.ts';

/** The code of {@link passAll}. */
export function passAllCode(): Assembly {
  return new Assembler().mov(R0, XDP_PASS).exit().assemble();
}

/** Loads a program that passes every packet to the kernel. */
export function passAll(): Program {
  return new Program({ name: 'demi_pass', code: passAllCode(), flags: PROGRAM_XDP_HAS_FRAGS });
}
