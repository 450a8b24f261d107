// Whether bpf(2) can be used here, found by trying; the reason by which a test is skipped otherwise.

import { passAll } from '../src/programs/pass-all.ts';

/** `undefined`, or why programs cannot be loaded. */
export function bpfRefusal(): string | undefined {
  try {
    passAll().close();
    return undefined;
  } catch (error) {
    return `bpf(2) is not allowed here: ${(error as Error).message}`;
  }
}
