// The guest's initial file system: busybox, two scripts and the modules that reach the host's files.

import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { findProgram } from '../peers.ts';
import { type CpioEntry, writeCpio } from './cpio.ts';
import { BOOT_MODULES, initialScript, obeyScript } from './init-scripts.ts';
import type { GuestKernel } from './kernel-package.ts';
import { modulesInOrder } from './modules.ts';

// include/uapi/linux/elf.h
const PT_INTERP = 3;

/** Whether an ELF-64 program asks for a dynamic loader, which the initial file system has not. */
export function isDynamic(program: Buffer): boolean {
  const [table, entryBytes, count] = [
    Number(program.readBigUInt64LE(32)),
    program.readUInt16LE(54),
    program.readUInt16LE(56),
  ];
  for (let index = 0; index < count; index++) {
    if (program.readUInt32LE(table + index * entryBytes) === PT_INTERP) return true;
  }
  return false;
}

function staticBusybox(): Buffer {
  const path = findProgram('busybox');
  const program = path === undefined ? undefined : readFileSync(path);
  if (program === undefined || isDynamic(program)) {
    throw new Error('The guest boots with a static busybox: apt-get install busybox-static (as root)');
  }
  return program;
}

/** The archive; `mark` ends each command's output, see {@link obeyScript}. */
export function makeInitialFileSystem(kernel: GuestKernel, mark: string): Buffer {
  const paths = modulesInOrder(kernel.modules, BOOT_MODULES);
  const entries: CpioEntry[] = ['bin', 'dev', 'host', 'modules', 'proc', 'root', 'rw'].map(path => ({
    path,
  }));
  entries.push({ path: 'bin/busybox', data: staticBusybox(), executable: true });
  for (const path of paths) {
    entries.push({ path: `modules/${basename(path)}`, data: readFileSync(join(kernel.modules, path)) });
  }
  const text = (content: string): Uint8Array => Buffer.from(content);
  const names = paths.map(path => basename(path));
  entries.push({ path: 'init', data: text(initialScript(names)), executable: true });
  entries.push({ path: 'obey', data: text(obeyScript(mark, kernel.modules, kernel.release)) });
  return writeCpio(entries);
}
