// Conditions over arrays of operations, for the waits that take arrays of tokens.

import { OP_COMPLETE, type Operation, type QueueToken } from '../runtime/operation.ts';
import type { Condition } from './poll-until.ts';

export type TokenList = readonly QueueToken[];

/** Holds when one is complete. */
export function anyComplete(operations: readonly Operation[]): Condition {
  return countComplete(operations, 1);
}

/** Holds when `count` are complete. */
export function countComplete(operations: readonly Operation[], count: number): Condition {
  return {
    get satisfied(): boolean {
      let complete = 0;
      for (const operation of operations) if (operation.state === OP_COMPLETE) complete++;
      return complete >= count;
    },
  };
}

/** The first that is complete; one is. */
export function firstComplete(operations: readonly Operation[]): Operation {
  return operations.find(operation => operation.state === OP_COMPLETE)!;
}
