// Runs something again whenever one of its sources changes, until told to stop.

import { existsSync, type FSWatcher, watch } from 'node:fs';
import { dirname } from 'node:path';

/** Editors write a file in several steps; what comes within this time is one change. */
const SETTLE_MS = 50;

/**
 * Calls `run` at once and after each change in the directories of `paths` and of the paths that it returns.
 * Directories are watched, not files: editors replace files, and a missing import may appear later.
 *
 * @returns When `stop` aborts; no watcher is left then.
 */
export async function rerunOnChange(
  paths: readonly string[],
  run: () => readonly string[],
  stop: AbortSignal,
): Promise<void> {
  const watchers = new Map<string, FSWatcher>();
  let timer: NodeJS.Timeout | undefined;
  const soon = (): void => {
    clearTimeout(timer);
    timer = setTimeout(again, SETTLE_MS);
  };
  const add = (path: string): boolean => {
    const directory = dirname(path);
    if (watchers.has(directory) || !existsSync(directory)) return false;
    const watcher = watch(directory, (_event, name) => {
      if (name === null || name.endsWith('.proto')) soon();
    });
    // A directory that goes away is not worth dying for; its files will be reported as missing.
    watcher.on('error', () => {
      watcher.close();
      watchers.delete(directory);
    });
    watchers.set(directory, watcher);
    return true;
  };
  const again = (): void => {
    // What changed between being read and being watched would be missed.
    if (run().filter(add).length > 0) soon();
  };
  try {
    paths.forEach(add);
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
