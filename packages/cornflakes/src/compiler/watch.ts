// Runs something again whenever one of its sources changes, until told to stop.

import { type FSWatcher, watch } from 'node:fs';
import path from 'node:path';

/** Editors write a file in several steps; what comes within this time is one change. */
const SETTLE_MS = 50;

/**
 * Calls `run` at once and after each change in the directories of the paths that it returns.
 * Directories are watched, not files: editors replace files, and a missing import may appear later.
 *
 * @returns When `stop` aborts; no watcher is left then.
 */
export async function rerunOnChange(run: () => Iterable<string>, stop: AbortSignal): Promise<void> {
  const watchers = new Map<string, FSWatcher>();
  let timer: NodeJS.Timeout | undefined;
  const changed = (_event: string, name: string | null): void => {
    if (name !== null && !name.endsWith('.proto')) return;
    clearTimeout(timer);
    timer = setTimeout(again, SETTLE_MS);
  };
  const again = (): void => {
    for (const file of run()) {
      const directory = path.dirname(file);
      if (watchers.has(directory)) continue;
      const watcher = watch(directory, changed);
      // A directory that goes away is not worth dying for; its files will be reported as missing.
      watcher.on('error', () => watcher.close());
      watchers.set(directory, watcher);
    }
  };
  try {
    again();
    await aborted(stop);
  } finally {
    clearTimeout(timer);
    for (const watcher of watchers.values()) watcher.close();
  }
}

function aborted(stop: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (stop.aborted) resolve();
    else stop.addEventListener('abort', () => resolve(), { once: true });
  });
}
