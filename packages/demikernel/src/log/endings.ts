// Ending a log's operations, alone or by the list. An append that has succeeded is completed by the log itself.

import { OP_PUSH, type Operation, type OperationList, type OperationTable } from '../runtime/operation.ts';

/** Ends an operation without success; it is on no list. */
export function end(operations: OperationTable, operation: Operation, errno: number): void {
  operation.array?.free();
  operation.array = undefined;
  operation.doneBytes = 0;
  operation.position = -1;
  operations.complete(operation, errno);
}

export function endAll(operations: OperationTable, list: OperationList, errno: number): void {
  for (let operation = list.shift(); operation !== undefined; operation = list.shift()) {
    end(operations, operation, errno);
  }
}

/** Returns whether there were any. */
export function endPushes(operations: OperationTable, list: OperationList, errno: number): boolean {
  let any = false;
  for (let operation = list.head; operation !== undefined; ) {
    const { next } = operation;
    if (operation.opcode === OP_PUSH) {
      any = true;
      list.remove(operation);
      end(operations, operation, errno);
    }
    operation = next;
  }
  return any;
}

/** Ends what one queue has on the list. */
export function endOfQueue(operations: OperationTable, list: OperationList, qd: number, errno: number): void {
  for (let operation = list.head; operation !== undefined; ) {
    const { next } = operation;
    if (operation.qd === qd) {
      list.remove(operation);
      end(operations, operation, errno);
    }
    operation = next;
  }
}
