// The project's error class, seen from this package, and the codes this package throws it with.

export { DemiError } from '@demikernel/memory';

/** A label that was never placed, or was placed twice. */
export const ERR_LABEL = 'ERR_DEMI_EBPF_LABEL';
/** A jump, offset or immediate that does not fit its field. */
export const ERR_RANGE = 'ERR_DEMI_EBPF_RANGE';
/** Not a register, or one that may not be written. */
export const ERR_REGISTER = 'ERR_DEMI_EBPF_REGISTER';
/** The kernel's verifier refused a program; the message ends with its log. */
export const ERR_VERIFIER = 'ERR_DEMI_EBPF_VERIFIER';
/** A call to the kernel failed; `errno` and `errnoName` say how. */
export const ERR_SYSCALL = 'ERR_DEMI_SYSCALL';
/** The device already carries an XDP program. */
export const ERR_BUSY = 'ERR_DEMI_EBPF_BUSY';
/** bpf(2) needs a capability this process lacks. */
export const ERR_PERMISSION = 'ERR_DEMI_PERMISSION';
/** An argument of the wrong size or kind. */
export const ERR_ARGUMENT = 'ERR_DEMI_ARGUMENT';
/** The map, program or link was closed. */
export const ERR_CLOSED = 'ERR_DEMI_CLOSED';
