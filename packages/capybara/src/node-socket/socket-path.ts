// Paths of UNIX sockets: for one user alone, and never in place of anything else.

import { lstatSync, rmSync } from 'node:fs';
import { DemiError } from '@demikernel/memory';

/** Passes a path where a socket lies, or nothing; or an abstract one (unix(7)). @throws DemiError `ERR_DEMI_ADDRESS` */
export function requireSocketPath(path: string): void {
  if (isAbstract(path) || lstatSync(path, { throwIfNoEntry: false })?.isSocket() !== false) return;
  throw new DemiError('ERR_DEMI_ADDRESS', `${path} is in the way, and no socket`);
}

/** Removes a socket that nobody needs any more, and nothing else. @throws DemiError `ERR_DEMI_ADDRESS` */
export function removeSocket(path: string): void {
  requireSocketPath(path);
  if (!isAbstract(path)) rmSync(path, { force: true });
}

/** Binds a socket that only this user may open: `bind` must have done it when it returns. */
export function forThisUser<T>(bind: () => T): T {
  const mask = process.umask(0o177);
  try {
    return bind();
  } finally {
    process.umask(mask);
  }
}

function isAbstract(path: string): boolean {
  return path.startsWith('\0');
}
