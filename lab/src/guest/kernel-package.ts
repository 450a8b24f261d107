// The guest's kernel: Debian's package, downloaded and unpacked into a cache folder, never installed. Which of its
// modules go where lives elsewhere.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { findProgram } from '../peers.ts';

/** Debian's name for the newest kernel of a release: a package that depends on the one with the files. */
const META_PACKAGE = 'linux-image-amd64';
/** Parts of the package that no test wants: a third of the files, two thirds of the bytes. */
const UNWANTED = [
  './usr/*',
  '*/kernel/sound/*',
  ...[
    'gpu',
    'media',
    'scsi',
    'usb',
    'iio',
    'hwmon',
    'hid',
    'input',
    'staging',
    'comedi',
    'bluetooth',
    'isdn',
  ].map(kind => `*/kernel/drivers/${kind}/*`),
  '*/kernel/drivers/net/wireless/*',
];

/** A kernel that is ready to boot. */
export interface GuestKernel {
  /** As `uname -r` says it in the guest. */
  release: string;
  /** Path of the compressed image. */
  image: string;
  /** Folder with `kernel/` and `modules.dep`. */
  modules: string;
}

/** Where kernels are kept: `DEMIKERNEL_GUEST_CACHE`, else below the user's cache folder. Deleting it is safe. */
export function guestCacheFolder(environment: NodeJS.ProcessEnv = process.env): string {
  const named = environment['DEMIKERNEL_GUEST_CACHE'];
  if (named !== undefined && named !== '') return named;
  const cache = environment['XDG_CACHE_HOME'] || join(homedir(), '.cache');
  return join(cache, 'demikernel', 'guest');
}

/** The kernel in a folder that {@link findKernel} or {@link fetchKernel} filled. */
function kernelIn(folder: string): GuestKernel | undefined {
  const base = join(folder, 'lib/modules');
  const release = existsSync(base) ? readdirSync(base)[0] : undefined;
  if (release === undefined) return undefined;
  const image = join(folder, 'boot', `vmlinuz-${release}`);
  const modules = join(base, release);
  return existsSync(image) && existsSync(join(modules, 'modules.dep'))
    ? { release, image, modules }
    : undefined;
}

/** The newest kernel that the cache has, `undefined` when there is none. */
export function findKernel(cache: string = guestCacheFolder()): GuestKernel | undefined {
  if (!existsSync(cache)) return undefined;
  const names = readdirSync(cache).filter(name => name.startsWith('linux-image-'));
  names.sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
  for (const name of names.reverse()) {
    const kernel = kernelIn(join(cache, name));
    if (kernel !== undefined) return kernel;
  }
  return undefined;
}

function run(program: string, args: readonly string[], folder: string): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    cwd: folder,
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C' },
  });
  if (status === 0) return stdout;
  const why = error?.message ?? (stderr.trim().split('\n').slice(-3).join('; ') || `status ${status}`);
  throw new Error(`The guest's kernel package: ${program} ${args[0] ?? ''} failed: ${why}`);
}

/** Folders of runs that were killed while they unpacked. */
function sweep(cache: string): void {
  for (const name of readdirSync(cache)) {
    const pid = /^\.unpacking-(\d+)-/.exec(name)?.[1];
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) {
      rmSync(join(cache, name), { recursive: true, force: true });
    }
  }
}

/**
 * The kernel, from the cache or, once per machine, from Debian's archive through apt-get (70 MB; needs no root).
 *
 * @throws Error that names the command that failed and what it said
 */
export function fetchKernel(say: (line: string) => void, cache: string = guestCacheFolder()): GuestKernel {
  const found = findKernel(cache);
  if (found !== undefined) return found;
  if (findProgram('apt-get') === undefined || findProgram('dpkg-deb') === undefined) {
    throw new Error(
      'The guest boots a kernel of Debian’s: that takes apt-get and dpkg-deb, which are not here',
    );
  }
  mkdirSync(cache, { recursive: true });
  sweep(cache);
  const folder = mkdtempSync(join(cache, `.unpacking-${process.pid}-`));
  try {
    const archive = download(say, cache, folder);
    const root = join(folder, 'root');
    mkdirSync(root);
    unpack(archive, root, folder);
    const target = join(cache, archive.replace(/\.deb$/, ''));
    try {
      renameSync(root, target);
    } catch (error) {
      // Another run was faster: its kernel is as good.
      if (!existsSync(target)) throw error;
    }
    const kernel = kernelIn(target);
    if (kernel === undefined) throw new Error(`${archive} holds no kernel with modules`);
    return kernel;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Name of the downloaded package's file, in `folder`. */
function download(say: (line: string) => void, cache: string, folder: string): string {
  const attempt = (): string => {
    const depends = run('apt-cache', ['depends', '--important', META_PACKAGE], folder);
    const name = /Depends:\s+(linux-image-[\w.+-]+)/.exec(depends)?.[1];
    if (name === undefined) throw new Error(`apt-cache knows no kernel behind ${META_PACKAGE}`);
    say(`guest: downloading ${name} into ${cache} (once)`);
    run('apt-get', ['-qq', '-o', 'APT::Sandbox::User=root', 'download', name], folder);
    const archive = readdirSync(folder).find(file => file.endsWith('.deb'));
    if (archive === undefined) throw new Error(`apt-get downloaded no package for ${name}`);
    return archive;
  };
  try {
    return attempt();
  } catch {
    // The lists of packages may be absent, or older than the archive.
    run('apt-get', ['-qq', 'update'], folder);
    return attempt();
  }
}

function unpack(archive: string, root: string, folder: string): void {
  const excludes = UNWANTED.map(pattern => `--exclude='${pattern}'`).join(' ');
  run(
    'sh',
    ['-c', `dpkg-deb --fsys-tarfile '${archive}' | tar -x -C '${root}' --no-same-owner ${excludes}`],
    folder,
  );
  const release = readdirSync(join(root, 'lib/modules'))[0]!;
  // Newer releases compress their modules, which only newer kernels load as they are.
  run('sh', ['-c', `find lib/modules -name '*.ko.xz' -exec xz --decompress {} +`], root);
  run('busybox', ['depmod', '-b', root, release], root);
}
