// Network namespaces of tests that were killed: named `demi-PID-…`, of a process that is gone.

import { existsSync } from 'node:fs';
import { deleteNamespace, listNamespaces } from '@demikernel/native/kernel';

/** Removes them; returns their names. Does nothing where this process may not. */
export function removeStaleNamespaces(): string[] {
  const removed: string[] = [];
  for (const name of listNamespaces()) {
    const pid = /^demi-(\d+)-/.exec(name)?.[1];
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue;
    try {
      if (deleteNamespace(name)) removed.push(name);
    } catch {
      // Somebody else's, or gone meanwhile.
    }
  }
  return removed;
}
