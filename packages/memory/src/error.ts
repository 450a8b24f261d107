// The one error class of the project. Network failures are results, not errors; this is for misuse, for the
// kernel's refusals at set-up, and for what a promise rejects with.

/** Details of a {@link DemiError}. */
export interface DemiErrorOptions {
  /** Positive Linux error number (errno-base.h), when the kernel refused. */
  errno?: number;
  /** Its symbolic name, for example `EPERM`. */
  errnoName?: string;
  /** The system call or operation that failed. */
  syscall?: string;
  cause?: unknown;
}

/**
 * What every package of the project throws.
 *
 * `code` starts with `ERR_DEMI_`; `errno` and `errnoName` are set when the kernel refused.
 */
export class DemiError extends Error {
  readonly code: string;
  readonly errno: number | undefined;
  readonly errnoName: string | undefined;
  readonly syscall: string | undefined;

  constructor(code: string, message: string, options: DemiErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'DemiError';
    this.code = code;
    this.errno = options.errno;
    this.errnoName = options.errnoName;
    this.syscall = options.syscall;
  }
}
