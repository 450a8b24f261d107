// Schemas to modules that run: compiled, type-checked and translated by the project's own tsc, imported.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { compileSources, type FindSource } from '../../src/compiler/index.ts';
import type { JsonValue, Message, MessageType } from '../../src/index.ts';

const PACKAGE = fileURLToPath(new URL('../../../', import.meta.url));
const TSC = fileURLToPath(new URL('../../../../../node_modules/typescript/bin/tsc', import.meta.url));

/** What a generated class has on itself. */
export interface GeneratedClass {
  readonly type: MessageType<Message>;
  acquire(): Message;
  read(source: Uint8Array): Message;
  fromJSON(json: JsonValue): Message;
}

/** The exports of one generated module. */
export type GeneratedModule = Record<string, GeneratedClass>;

export interface Built {
  /** Imports a module, named without its extension. */
  import(name: string): Promise<GeneratedModule>;
  /** Removes everything written. */
  remove(): void;
}

/** Compiles each schema on its own. @throws AssertionError with tsc's messages when the output has type errors */
export function build(importNames: readonly string[], find: FindSource): Built {
  // In the package, so that the runtime is found as any user's modules find it.
  mkdirSync(path.join(PACKAGE, 'dist'), { recursive: true });
  const directory = mkdtempSync(path.join(PACKAGE, 'dist', 'generated-'));
  const remove = (): void => rmSync(directory, { recursive: true, force: true });
  try {
    for (const { name, text } of compileSources(importNames, find).files) {
      const file = path.join(directory, 'src', name);
      mkdirSync(path.dirname(file), { recursive: true });
      writeFileSync(file, text);
    }
    check(directory);
  } catch (error) {
    remove();
    throw error;
  }
  const load = (name: string): Promise<GeneratedModule> =>
    import(pathToFileURL(path.join(directory, 'js', `${name}.js`)).href) as Promise<GeneratedModule>;
  return { import: load, remove };
}

/** Under the settings of the project, with the strictest of its users beside them. */
function check(directory: string): void {
  const config = {
    extends: path.join(PACKAGE, '../../tsconfig.base.json'),
    compilerOptions: {
      rootDir: 'src',
      outDir: 'js',
      composite: false,
      sourceMap: false,
      declarationMap: false,
      noImplicitReturns: true,
      noPropertyAccessFromIndexSignature: true,
      noUncheckedIndexedAccess: true,
      exactOptionalPropertyTypes: true,
    },
    include: ['src'],
  };
  writeFileSync(path.join(directory, 'tsconfig.json'), JSON.stringify(config));
  const { status, stdout } = spawnSync(process.execPath, [TSC, '-p', directory], { encoding: 'utf8' });
  assert.equal(status, 0, stdout.slice(0, 4000));
}
