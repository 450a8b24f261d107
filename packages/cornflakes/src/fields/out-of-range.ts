// The error of every list.

import { DemiError } from '@demikernel/memory';

export function outOfRange(index: number, length: number): DemiError {
  return new DemiError('ERR_DEMI_OUT_OF_RANGE', `there is no element ${index} in a list of ${length}`);
}
