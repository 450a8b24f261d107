// Makes the code of the services' messages anew from apps/schemas, one compiler per library. Run it after a schema has changed:
// `npm run build && node apps/dist/src/schemas/generate.js`. Needs Debian's flatbuffers-compiler, capnproto and protobuf-compiler;
// the compiler of capnp-es wants TypeScript 5, which npx gets.

import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const APPS = fileURLToPath(new URL('../../../', import.meta.url));
const SCHEMAS = join(APPS, 'schemas');
const OBJECTS = 'src/kv/objects/generated';
const CORNC = join(APPS, '../packages/cornflakes/bin/cornc.js');
const PROTOC_GEN_ES = join(APPS, '../node_modules/.bin/protoc-gen-es');

/** Runs a compiler in a folder. @throws when it fails; what it says is on standard error then */
function run(folder: string, program: string, ...args: string[]): void {
  const { error, status } = spawnSync(program, args, { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] });
  if (status !== 0) throw new Error(`${program}: ${error?.message ?? `ended with ${status}`}`);
}

/** Puts a file where it belongs; what made it stands at its top. */
function keep(path: string, command: string, source: string): void {
  const mark = `// Made by apps/src/schemas/generate.ts: ${command}. Do not edit.\n`;
  writeFileSync(join(APPS, path), mark + source);
  process.stderr.write(`${path}\n`);
}

/** Of several tables flatc makes several files that find each other without endings; here they are one, in strict TypeScript. */
function joinedFlatBuffers(folder: string): string {
  const tables = readdirSync(folder)
    .sort()
    .map(name => readFileSync(join(folder, name), 'utf8'))
    .join('')
    .replaceAll(/^(?:import |\/\/ automatically).*\n/gm, '')
    .replaceAll(/^(static (?:(?:start|add)[A-Za-z]*\(.*\)|finish[A-Za-z]*\(.*\))) \{$/gm, '$1: void {');
  return `import * as flatbuffers from 'flatbuffers';\n${tables}`;
}

/** What our compiler settings ask for and capnp-es leaves out. */
function strictCapnp(source: string): string {
  return source
    .replaceAll(
      'static readonly _capnp =',
      'static override readonly _capnp: { displayName: string; id: string; size: $.ObjectSize } =',
    )
    .replaceAll(/^( *)toString\(\)/gm, '$1override toString()');
}

const made = mkdtempSync(join(tmpdir(), 'demikernel-schemas-'));
const read = (name: string): string => readFileSync(join(made, name), 'utf8');
try {
  for (const [schema, path] of [
    ['kv', `${OBJECTS}/cornflakes.ts`],
    ['sessions', 'src/moving/generated/sessions.ts'],
  ] as const) {
    run(SCHEMAS, process.execPath, CORNC, `${schema}.proto`, '--out', made);
    keep(path, `cornc ${schema}.proto`, read(`${schema}.ts`));
  }

  const options = ['--es_opt=target=ts,import_extension=ts', `--plugin=${PROTOC_GEN_ES}`];
  run(SCHEMAS, 'protoc', ...options, `--es_out=${made}`, 'kv.proto');
  keep(`${OBJECTS}/protobuf-es.ts`, 'protoc --es_out --es_opt=target=ts', read('kv_pb.ts'));

  run(SCHEMAS, 'flatc', '--ts', '-o', join(made, 'flatbuffers'), 'kv.fbs');
  keep(`${OBJECTS}/flatbuffers.ts`, 'flatc --ts kv.fbs', joinedFlatBuffers(join(made, 'flatbuffers', 'kv')));

  copyFileSync(join(SCHEMAS, 'kv.capnp'), join(made, 'kv.capnp'));
  const compiler = ['--yes', '-p', 'capnp-es@0.0.16', '-p', 'typescript@5'];
  run(made, 'npx', ...compiler, '--', 'capnp-es', 'kv.capnp', '-ots');
  keep(`${OBJECTS}/capnp.ts`, 'capnp-es kv.capnp -ots', strictCapnp(read('kv.ts')));
} finally {
  rmSync(made, { recursive: true });
}
