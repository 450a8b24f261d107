// Network namespaces: named ones as `ip netns` keeps them (files under /run/netns held by bind mounts), and running
// code or child processes inside. A namespace belongs to a thread, so entering and leaving happens in one call.

import type { ChildProcess, SpawnOptions } from 'node:child_process';
import { spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, unlinkSync } from 'node:fs';
import { DemiError } from '@demikernel/memory';
import { EBUSY, EINVAL, ENOENT, systemError } from './errno.ts';
import { errno, libc } from './library.ts';

// include/uapi/linux/sched.h, mount.h
const CLONE_NEWNET = 0x40000000;
const MS_BIND = 0x1000;
const MS_REC = 0x4000;
const MS_SHARED = 1 << 20;
const MNT_DETACH = 2;

/** Where `ip netns` keeps names. */
export const NAMESPACE_FOLDER = '/run/netns';
const OWN_NAMESPACE = '/proc/thread-self/ns/net';
const CAPABILITIES: readonly string[] = ['CAP_SYS_ADMIN'];

function pathOf(name: string): string {
  // A name is one path component (ip-netns(8)); anything else could unmount or unlink what is not ours.
  if (!/^[^/\0]{1,255}$/.test(name) || name === '.' || name === '..') {
    throw new DemiError('ERR_DEMI_NAME', `Not a namespace name: ${JSON.stringify(name)}`);
  }
  return `${NAMESPACE_FOLDER}/${name}`;
}

/** The names known to `ip netns` on this machine. */
export function listNamespaces(): string[] {
  return existsSync(NAMESPACE_FOLDER) ? readdirSync(NAMESPACE_FOLDER).sort() : [];
}

/**
 * Creates a named network namespace, its loopback down, as `ip netns add` does. The calling thread stays where it is.
 *
 * @throws DemiError `ERR_DEMI_PERMISSION` without CAP_SYS_ADMIN, `ERR_DEMI_NAME`, `ERR_DEMI_EXISTS`
 */
export function createNamespace(name: string): void {
  const path = pathOf(name);
  prepareFolder();
  try {
    // Exclusive, mode 0: only a place to mount on.
    closeSync(openSync(path, 'wx', 0));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') {
      throw new DemiError('ERR_DEMI_EXISTS', `A network namespace named ${name} exists`, { cause });
    }
    throw systemError('open', { errno: Math.abs((cause as NodeJS.ErrnoException).errno ?? 0), detail: path });
  }
  try {
    insideOf(
      () => libc().unshare(CLONE_NEWNET),
      'unshare',
      () => {
        if (libc().mount(OWN_NAMESPACE, path, 'none', MS_BIND, 0) === -1) {
          throw systemError('mount', { detail: `holding namespace ${name}`, capabilities: CAPABILITIES });
        }
      },
    );
  } catch (error) {
    unlinkSync(path);
    throw error;
  }
}

/** The mount point must be shared, or other mount namespaces would hold on to deleted namespaces. */
function prepareFolder(): void {
  try {
    mkdirSync(NAMESPACE_FOLDER, { recursive: true, mode: 0o755 });
  } catch (cause) {
    const number = Math.abs((cause as NodeJS.ErrnoException).errno ?? 0);
    throw systemError('mkdir', { errno: number, detail: NAMESPACE_FOLDER, capabilities: CAPABILITIES });
  }
  const share = (): number => libc().mount('', NAMESPACE_FOLDER, 'none', MS_SHARED | MS_REC, 0);
  if (share() === 0) return;
  // EINVAL: not a mount point yet. Bind it onto itself and try again.
  const first = errno();
  if (
    first === EINVAL &&
    libc().mount(NAMESPACE_FOLDER, NAMESPACE_FOLDER, 'none', MS_BIND | MS_REC, 0) === 0
  ) {
    if (share() === 0) return;
  }
  throw systemError('mount', { detail: `sharing ${NAMESPACE_FOLDER}`, capabilities: CAPABILITIES });
}

/**
 * Deletes a named network namespace. Its devices vanish when the last process and descriptor in it is gone; a veth's
 * other end vanishes with it. Returns whether it existed.
 *
 * @throws DemiError `ERR_DEMI_PERMISSION` without CAP_SYS_ADMIN
 */
export function deleteNamespace(name: string): boolean {
  const path = pathOf(name);
  if (!existsSync(path)) return false;
  if (libc().umount2(path, MNT_DETACH) === -1) {
    const number = errno();
    // EINVAL: a name left behind without a mount. Nothing else is ours to remove.
    if (number !== EINVAL && number !== ENOENT) {
      throw systemError('umount2', { errno: number, detail: path, capabilities: CAPABILITIES });
    }
  }
  try {
    unlinkSync(path);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (code === 'ENOENT') return false;
    throw systemError('unlink', { errno: code === 'EBUSY' ? EBUSY : EINVAL, detail: path });
  }
  return true;
}

/**
 * Opens a namespace, by name or by the id of a process in it. The descriptor (close-on-exec) keeps it alive; close it.
 *
 * @throws DemiError `ERR_DEMI_SYSCALL` ENOENT, `ERR_DEMI_PERMISSION`
 */
export function openNamespace(which: string | number): number {
  const path = typeof which === 'number' ? `/proc/${which}/ns/net` : pathOf(which);
  try {
    return openSync(path, 'r');
  } catch (cause) {
    const number = Math.abs((cause as NodeJS.ErrnoException).errno ?? 0);
    throw systemError('open', { errno: number, detail: path, capabilities: ['CAP_SYS_PTRACE'] });
  }
}

/**
 * Runs a synchronous function with the calling thread inside a namespace, and comes back even when it throws.
 *
 * Sockets opened inside stay there for their life. Child processes started inside (`spawn`, `spawnSync`, `execFile`)
 * live there from their first instruction, because libuv forks them from this thread: no wrapper command is needed,
 * and the pid is the program's own. What stays outside is `/sys`, and work that Node hands to its thread pool (DNS).
 *
 * @param namespace a name, or a descriptor of {@link openNamespace}
 * @throws DemiError `ERR_DEMI_PERMISSION` without CAP_SYS_ADMIN; `ERR_DEMI_ASYNC` when `action` returns a promise,
 *   whose continuation would run outside; and whatever `action` throws
 */
export function runInNamespace<T>(namespace: string | number, action: () => T): T {
  const fd = typeof namespace === 'number' ? namespace : openNamespace(namespace);
  try {
    return insideOf(() => libc().setns(fd, CLONE_NEWNET), 'setns', action);
  } finally {
    if (fd !== namespace) closeSync(fd);
  }
}

/**
 * Starts a child process inside a namespace, by {@link runInNamespace}. As with `spawn`, a command that does not exist
 * is an `error` event.
 */
export function spawnInNamespace(
  namespace: string | number,
  command: string,
  args: readonly string[] = [],
  options: SpawnOptions = {},
): ChildProcess {
  return runInNamespace(namespace, () => spawn(command, args, options));
}

function insideOf<T>(enter: () => number, syscall: string, action: () => T): T {
  const home = openSync(OWN_NAMESPACE, 'r');
  try {
    if (enter() === -1)
      throw systemError(syscall, { detail: 'entering a network namespace', capabilities: CAPABILITIES });
    let result: T;
    try {
      result = action();
    } finally {
      if (libc().setns(home, CLONE_NEWNET) === -1) {
        // A thread that cannot come back would do everything else in the wrong place.
        const error = systemError('setns', { detail: 'returning from a network namespace' });
        process.nextTick(() => {
          throw error;
        });
      }
    }
    if (result instanceof Promise) {
      result.catch(() => {});
      throw new DemiError('ERR_DEMI_ASYNC', 'Only synchronous work can run inside a namespace');
    }
    return result;
  } finally {
    closeSync(home);
  }
}

/** Whether this process may create network namespaces: tries, and cleans up. */
export function canCreateNamespaces(): boolean {
  const name = `demi-${process.pid}-probe`;
  try {
    createNamespace(name);
  } catch {
    return false;
  }
  deleteNamespace(name);
  return true;
}
