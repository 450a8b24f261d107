// Which module may import which: the house rules of the workspace, and what breaks them.

import { readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { dirname, join, normalize } from 'node:path';
import { filesUnder, packageFolders, WORKSPACE_ROOT } from './test-files.ts';

/** An import that should not be. */
export interface Trespass {
  file: string;
  imports: string;
  why: string;
}

/** What the key-value store speaks beside Cornflakes, to be compared with it. */
const SERIALIZERS: readonly string[] = ['protobufjs', '@bufbuild/protobuf', 'flatbuffers', 'capnp-es'];

/** By folder: the packages whose public entries its `src` may import. */
const PACKAGE_ARROWS: Record<string, readonly string[]> = {
  'packages/memory': [],
  'packages/native': ['@demikernel/memory', 'koffi'],
  'packages/ebpf': ['@demikernel/memory', '@demikernel/native'],
  'packages/demikernel': ['@demikernel/memory', '@demikernel/native', '@demikernel/ebpf'],
  'packages/cornflakes': ['@demikernel/memory', 'protobufjs'],
  'packages/capybara': [
    '@demikernel/memory',
    '@demikernel/native',
    '@demikernel/ebpf',
    'demikernel',
    'etcd3',
  ],
  apps: [
    '@demikernel/memory',
    '@demikernel/native',
    'demikernel',
    '@demikernel/cornflakes',
    '@demikernel/capybara',
    '@demikernel/lab',
    ...SERIALIZERS,
  ],
  bench: [
    '@demikernel/memory',
    '@demikernel/native',
    '@demikernel/ebpf',
    'demikernel',
    '@demikernel/cornflakes',
    '@demikernel/capybara',
    '@demikernel/lab',
    '@demikernel/apps',
    ...SERIALIZERS,
  ],
  lab: ['@demikernel/memory', '@demikernel/native', '@demikernel/ebpf', 'demikernel'],
};

/** Inside a package's src: the floor of each room. A room imports from floors below its own, and from itself. */
const CAPYBARA_FLOORS: Record<string, number> = {
  tcpmig: 0,
  policy: 0,
  'node-socket': 0,
  switch: 1,
  host: 1,
  repair: 1,
  'hand-over': 1,
  control: 2,
  cli: 3,
};
const DEMIKERNEL_FLOORS: Record<string, number> = {
  runtime: 0,
  inetstack: 1,
  devices: 1,
  rdma: 1,
  nvme: 1,
  shm: 1,
  uring: 1,
  sockets: 1,
  log: 1,
  liboses: 2,
  pdpix: 3,
  calibration: 4,
  cli: 5,
};
const FLOORS: Record<string, Record<string, number>> = {
  'packages/capybara': CAPYBARA_FLOORS,
  'packages/demikernel': DEMIKERNEL_FLOORS,
};
/** The modules of package.json's `exports` lie beside the rooms and open all of them. */
const ENTRY_FLOOR = 6;

/** Rooms that are pure: no module of Node's, and of the packages only memory. */
const PURE_ROOMS: readonly string[] = ['inetstack', 'log'];

/** Modules that a source text imports, statically or not, types included. */
export function importsOf(source: string): string[] {
  // Comments may talk about imports; texts of programs for child processes begin behind a quote, never on a line's start.
  const code = source.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '');
  const found: string[] = [];
  for (const match of code.matchAll(/^(?:import|export)\s[^'"`;]*?from\s+['"]([^'"]+)['"]/gm))
    found.push(match[1]!);
  for (const match of code.matchAll(/^import\s+['"]([^'"]+)['"]/gm)) found.push(match[1]!);
  for (const match of code.matchAll(
    /(?:\bimport|\brequire|\bcreateRequire\([^()]*\))\(\s*['"]([^'"]+)['"]\s*\)/g,
  ))
    found.push(match[1]!);
  return found;
}

/** `@demikernel/native` of `@demikernel/native/kernel`, `koffi` of `koffi/indirect`. */
function packageOf(specifier: string): string {
  const parts = specifier.split('/');
  return specifier.startsWith('@') ? parts.slice(0, 2).join('/') : parts[0]!;
}

function roomOf(file: string): string | undefined {
  const parts = file.split('/');
  // packages/NAME/src/ROOM/…, and each library OS is a room of its own.
  if (parts.length <= 4) return undefined;
  return parts[3] === 'liboses' && parts.length > 5 ? `liboses/${parts[4]}` : parts[3];
}

function floorOf(floors: Record<string, number>, room: string | undefined): number | undefined {
  return room === undefined ? ENTRY_FLOOR : floors[room.split('/')[0]!];
}

function checkRelative(folder: string, file: string, specifier: string): string | undefined {
  const target = normalize(join(dirname(file), specifier));
  if (!target.startsWith(`${folder}/src/`)) return 'leaves src of its package';
  if (!/\.(ts|json)$/.test(specifier)) return 'a relative import names the file with its ending';
  const floors = FLOORS[folder];
  if (floors === undefined) return undefined;
  const [from, to] = [roomOf(file), roomOf(target)];
  if (from === to) return undefined;
  const [fromFloor, toFloor] = [floorOf(floors, from), floorOf(floors, to)];
  if (fromFloor === undefined || toFloor === undefined)
    return `no floor is known for ${from ?? ''} or ${to ?? ''}`;
  if (fromFloor === toFloor) return `${from} and ${to} are on one floor and do not know each other`;
  return fromFloor < toFloor ? `${to} is on a floor above ${from}` : undefined;
}

function checkPackage(folder: string, file: string, specifier: string): string | undefined {
  const pure = folder === 'packages/demikernel' && PURE_ROOMS.includes(roomOf(file) ?? '');
  if (isBuiltin(specifier)) {
    if (!specifier.startsWith('node:')) return 'a module of Node is imported with its prefix node:';
    return pure ? 'this room is pure: nothing of Node’s' : undefined;
  }
  const name = packageOf(specifier);
  if (pure && name !== '@demikernel/memory') return 'this room is pure: of the packages only memory';
  // The schema parser serves the compiler; the runtime depends on memory alone.
  if (
    name === 'protobufjs' &&
    folder === 'packages/cornflakes' &&
    !file.startsWith(`${folder}/src/compiler/`)
  )
    return 'only the compiler parses';
  if (PACKAGE_ARROWS[folder]?.includes(name) !== true) return `${folder} may not import ${name}`;
  return undefined;
}

/** Why a source file, named from the root, may not import a module; `undefined` when it may. */
export function whyNot(file: string, specifier: string): string | undefined {
  const parts = file.split('/');
  const folder = parts.slice(0, parts[0] === 'packages' ? 2 : 1).join('/');
  return specifier.startsWith('.')
    ? checkRelative(folder, file, specifier)
    : checkPackage(folder, file, specifier);
}

/** Every import in the packages' sources that breaks a rule. */
export function trespasses(root: string = WORKSPACE_ROOT): Trespass[] {
  const found: Trespass[] = [];
  for (const folder of packageFolders(root)) {
    for (const file of filesUnder(root, join(folder, 'src'), '.ts')) {
      for (const specifier of importsOf(readFileSync(join(root, file), 'utf8'))) {
        const why = whyNot(file, specifier);
        if (why !== undefined) found.push({ file, imports: specifier, why });
      }
    }
  }
  return found;
}
