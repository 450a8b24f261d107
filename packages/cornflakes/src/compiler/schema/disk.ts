// Schemas on disk: which file an import means, and under which name a file asked for is imported by others.

import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { FindSource } from './load.ts';

/** Files to load and where their imports are found. */
export interface DiskSources {
  /** Names as other files import them, one for each file asked for. */
  importNames: string[];
  find: FindSource;
  /** Paths read so far, for whoever wants to watch them. */
  read: Set<string>;
}

/**
 * Sources under `importPaths` (default: the current directory), searched in order.
 * A file outside all of them is taken as if its own directory were one more.
 */
export function diskSources(files: readonly string[], importPaths: readonly string[]): DiskSources {
  const roots = (importPaths.length === 0 ? ['.'] : importPaths).map(root => path.resolve(root));
  const importNames = files.map(file => {
    const absolute = path.resolve(file);
    const root = roots.find(one => isUnder(absolute, one));
    if (root !== undefined) return path.relative(root, absolute).split(path.sep).join('/');
    roots.push(path.dirname(absolute));
    return path.basename(absolute);
  });
  const read = new Set<string>();
  const find: FindSource = importName => {
    // A name may not climb out of the import paths.
    if (path.isAbsolute(importName) || importName.split('/').includes('..')) return undefined;
    for (const root of roots) {
      const file = path.join(root, importName);
      const text = readIfThere(file);
      if (text === undefined) continue;
      read.add(file);
      return { path: shownPath(file), text };
    }
    return undefined;
  };
  return { importNames, find, read };
}

function shownPath(file: string): string {
  const relative = path.relative('.', file);
  return relative.startsWith('..') ? file : relative;
}

function isUnder(file: string, directory: string): boolean {
  const relative = path.relative(directory, file);
  return !relative.startsWith('..') && !path.isAbsolute(relative);
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EISDIR') return undefined;
    throw error;
  }
}

/** Every schema under a directory, in a stable order. */
export function schemaFiles(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.proto'))
    .sort()
    .map(name => path.join(directory, name));
}
