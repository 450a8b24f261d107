// The errors of misuse, built only when thrown, and the error that a promise rejects with.

import { DemiError } from '@demikernel/memory';
import { errnoName } from '../runtime/errno.ts';
import {
  OP_ACCEPT,
  OP_CONNECT,
  OP_OPEN,
  OP_POP,
  OP_PUSH,
  OP_TRUNCATE,
  type QueueToken,
} from '../runtime/operation.ts';

export function tokenTaken(token: QueueToken): DemiError {
  return new DemiError('ERR_DEMI_TOKEN', `queue token ${token} is waited for elsewhere`);
}

const OPCODE_NAMES: Record<number, string> = {
  [OP_PUSH]: 'push',
  [OP_POP]: 'pop',
  [OP_ACCEPT]: 'accept',
  [OP_CONNECT]: 'connect',
  [OP_OPEN]: 'open',
  [OP_TRUNCATE]: 'truncate',
};

/** The name of an opcode, for messages. */
export function opcodeName(opcode: number): string {
  return OPCODE_NAMES[opcode] ?? `operation ${opcode}`;
}

/** What a failed call or operation throws or rejects with: `ERR_DEMI_NETWORK` with the errno. */
export function networkError(call: string, errno: number): DemiError {
  const name = errnoName(errno);
  return new DemiError('ERR_DEMI_NETWORK', `${call}: ${name}`, { errno, errnoName: name, syscall: call });
}
