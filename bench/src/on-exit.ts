// What must be undone however a run ends: by itself, by an error, by Ctrl-C.

import { killAll } from './testbed/pinned-process.ts';

const undos = new Set<() => void>();
let listening = false;

/** Registers an undo. Returns a function that does it now and forgets it. */
export function onExit(undo: () => void): () => void {
  listen();
  undos.add(undo);
  return () => {
    if (undos.delete(undo)) undo();
  };
}

function listen(): void {
  if (listening) return;
  listening = true;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      undoAll();
      // As the shell expects of a process that a signal has ended.
      process.exit(128 + { SIGINT: 2, SIGTERM: 15, SIGHUP: 1 }[signal]);
    });
  }
  process.on('exit', undoAll);
}

function undoAll(): void {
  killAll();
  for (const undo of undos) {
    undos.delete(undo);
    try {
      undo();
    } catch (error) {
      process.stderr.write(`${(error as Error).message}\n`);
    }
  }
}
