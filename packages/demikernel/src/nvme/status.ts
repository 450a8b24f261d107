// What the status of an answer means (Base Specification 2.0, section 3.3.3.2): as an errno for whoever asked, in words for
// whoever reads, and whether asking again may help.

import { EBADMSG, EINVAL, EIO, ENOSPC, ETIMEDOUT } from '../runtime/errno.ts';

const TYPE_AND_CODE = 0x7ff;
/** The same command would fail again. */
export const DO_NOT_RETRY = 0x4000;
/** The error log knows more. */
export const MORE = 0x2000;

// Generic command status.
export const STATUS_SUCCESS = 0x000;
export const STATUS_INVALID_OPCODE = 0x001;
export const STATUS_INVALID_FIELD = 0x002;
export const STATUS_DATA_TRANSFER_ERROR = 0x004;
export const STATUS_INTERNAL_ERROR = 0x006;
export const STATUS_ABORT_REQUESTED = 0x007;
export const STATUS_INVALID_NAMESPACE = 0x00b;
export const STATUS_COMMAND_INTERRUPTED = 0x021;
export const STATUS_LBA_OUT_OF_RANGE = 0x080;
export const STATUS_CAPACITY_EXCEEDED = 0x081;
export const STATUS_NAMESPACE_NOT_READY = 0x082;
// Media and data integrity errors.
export const STATUS_WRITE_FAULT = 0x280;
export const STATUS_UNRECOVERED_READ_ERROR = 0x281;
/** Not of the device: the controller was reset before it answered. */
export const STATUS_LOST = 0x7fff;

const NAMES: Readonly<Record<number, string>> = {
  [STATUS_SUCCESS]: 'success',
  [STATUS_INVALID_OPCODE]: 'invalid opcode',
  [STATUS_INVALID_FIELD]: 'invalid field',
  [STATUS_DATA_TRANSFER_ERROR]: 'data transfer error',
  [STATUS_INTERNAL_ERROR]: 'internal error',
  [STATUS_ABORT_REQUESTED]: 'aborted as requested',
  8: 'submission queue deleted',
  [STATUS_INVALID_NAMESPACE]: 'invalid namespace or format',
  [STATUS_COMMAND_INTERRUPTED]: 'interrupted',
  [STATUS_LBA_OUT_OF_RANGE]: 'LBA out of range',
  [STATUS_CAPACITY_EXCEEDED]: 'capacity exceeded',
  [STATUS_NAMESPACE_NOT_READY]: 'namespace not ready',
  [STATUS_WRITE_FAULT]: 'write fault',
  [STATUS_UNRECOVERED_READ_ERROR]: 'unrecovered read error',
  [0x101]: 'invalid queue identifier',
  [0x102]: 'invalid queue size',
  [STATUS_LOST & TYPE_AND_CODE]: 'lost in a reset',
};

/** For error messages: `LBA out of range (0x4080)`. */
export function statusText(status: number): string {
  return `${NAMES[status & TYPE_AND_CODE] ?? 'status'} (0x${status.toString(16)})`;
}

/** The errno that a request ends with. */
export function statusErrno(status: number): number {
  if (status === STATUS_SUCCESS) return 0;
  if (status === STATUS_LOST) return ETIMEDOUT;
  switch (status & TYPE_AND_CODE) {
    case STATUS_INVALID_OPCODE:
    case STATUS_INVALID_FIELD:
    case STATUS_INVALID_NAMESPACE:
    case STATUS_LBA_OUT_OF_RANGE:
      return EINVAL;
    case STATUS_ABORT_REQUESTED:
      // It is only asked for what has taken too long.
      return ETIMEDOUT;
    case STATUS_CAPACITY_EXCEEDED:
      return ENOSPC;
    case STATUS_UNRECOVERED_READ_ERROR:
      return EBADMSG;
    default:
      return EIO;
  }
}

/** Whether the device says that the command itself was fine and the moment was not. */
export function isPassing(status: number): boolean {
  if ((status & DO_NOT_RETRY) !== 0) return false;
  const code = status & TYPE_AND_CODE;
  return code === STATUS_COMMAND_INTERRUPTED || code === STATUS_NAMESPACE_NOT_READY;
}
