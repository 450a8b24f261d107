// The eleven registers as values of their own type, so that `mov(R1, R5)` and `mov(R1, 5)` cannot be confused.

/** An eBPF register; use the constants {@link R0} to {@link R10}. */
export interface Register {
  /** 0 to 10. */
  readonly register: number;
}

/** A register or a constant. */
export type Operand = Register | number;

/** Results of calls, and of the program. */
export const R0: Register = Object.freeze({ register: 0 });
/** First argument of a call; the context on entry. R1 to R5 do not survive a call. */
export const R1: Register = Object.freeze({ register: 1 });
export const R2: Register = Object.freeze({ register: 2 });
export const R3: Register = Object.freeze({ register: 3 });
export const R4: Register = Object.freeze({ register: 4 });
export const R5: Register = Object.freeze({ register: 5 });
/** R6 to R9 survive calls. */
export const R6: Register = Object.freeze({ register: 6 });
export const R7: Register = Object.freeze({ register: 7 });
export const R8: Register = Object.freeze({ register: 8 });
export const R9: Register = Object.freeze({ register: 9 });
/** The frame pointer, read only: the stack is the 512 bytes under it. */
export const R10: Register = Object.freeze({ register: 10 });
