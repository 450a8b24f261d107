// Which test files there are, read from the sources: a stale file in dist is never run, a missing one is noticed.

import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository's root. */
export const WORKSPACE_ROOT: string = fileURLToPath(new URL('../../../', import.meta.url));

/** One test file. */
export interface TestFile {
  /** Relative to the root: `packages/memory/test/slice.test.ts`. */
  source: string;
  /** Absolute path of what it compiles to. */
  compiled: string;
  /** Runs alone: it needs the network, privileges, other processes or the clock to itself. */
  alone: boolean;
}

/**
 * What marks a file that others would disturb: whatever opens sockets or namespaces, starts processes or measures.
 * A file can also say so itself, with the words `runs alone` in a comment.
 */
const RUNS_ALONE =
  /[Rr]uns alone|node:child_process|node:net'|node:http'|node:dgram'|@demikernel\/lab|@demikernel\/ebpf|[cC]reateNamespace|AfXdp|AfPacket|catnap|performance\.now|hrtime/;

/** Folders with packages in them; each may have a folder `test`. */
export function packageFolders(root: string = WORKSPACE_ROOT): string[] {
  const folders = readdirSync(join(root, 'packages')).map(name => join('packages', name));
  return [...folders, 'apps', 'bench', 'lab'].filter(folder =>
    existsSync(join(root, folder, 'package.json')),
  );
}

/** Every file under a folder whose name ends in `ending`, in order, relative to `root`. */
export function filesUnder(root: string, folder: string, ending: string): string[] {
  const found: string[] = [];
  const visit = (path: string): void => {
    for (const name of readdirSync(path).sort()) {
      if (name === 'node_modules' || name === 'dist') continue;
      const child = join(path, name);
      if (statSync(child).isDirectory()) visit(child);
      else if (name.endsWith(ending)) found.push(relative(root, child));
    }
  };
  const start = join(root, folder);
  if (existsSync(start)) visit(start);
  return found;
}

/** Ending of tests that need the guest's devices; they run in there, all in one boot. */
export const GUEST_TEST_ENDING = '.guest-test.ts';

/** Test files whose path contains one of `filters`; all of them when there are none. */
export function listTestFiles(
  filters: readonly string[] = [],
  root: string = WORKSPACE_ROOT,
  ending = '.test.ts',
): TestFile[] {
  const files: TestFile[] = [];
  for (const folder of packageFolders(root)) {
    for (const source of filesUnder(root, join(folder, 'test'), ending)) {
      if (filters.length > 0 && !filters.some(filter => source.includes(filter))) continue;
      const inside = relative(folder, source).replace(/\.ts$/, '.js');
      const alone = RUNS_ALONE.test(readFileSync(join(root, source), 'utf8'));
      files.push({ source, compiled: join(root, folder, 'dist', inside), alone });
    }
  }
  return files;
}
