// Ways to append a group of records durably: ours, and what Node offers. Each is done when every record is durable.

import { closeSync, fdatasyncSync, fsyncSync, openSync, writeSync, writevSync } from 'node:fs';
import { type FileHandle, open as openFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Demikernel, open, type WaitMode, type WaitSet } from 'demikernel';

/** What takes turns in the benchmark. */
export interface Appender {
  readonly system: string;
  readonly wait: string;
  readonly file: PeerFile;
  /** Appends the group. */
  append(group: readonly Uint8Array[]): Promise<void> | void;
  close(): Promise<void> | void;
}

/**
 * Where peers write: at the end of a file that grows, as logs are mostly written; or into a file that is there already,
 * zeroed and durable, so that no size changes and no block is new, as ours does.
 */
export type PeerFile = 'grows' | 'prepared';

const FILE_BYTES = 32 << 20;

function makeFile(path: string, kind: PeerFile): void {
  const fd = openSync(path, 'w');
  if (kind === 'grows') {
    closeSync(fd);
    return;
  }
  const zeros = new Uint8Array(1 << 20);
  for (let at = 0; at < FILE_BYTES; at += zeros.length) writeSync(fd, zeros);
  fsyncSync(fd);
  closeSync(fd);
}

/** Our log on Catcollar's files. */
export async function logAppender(directory: string, wait: WaitMode): Promise<Appender> {
  const os: Demikernel = await open({ libos: 'catnap', wait, storage: { libos: 'catcollar', directory } });
  const opened = os.wait(os.open(`log-${wait}`, { mode: 'either' }))!;
  if (opened.errno !== 0) throw new Error(`the log cannot be opened: errno ${opened.errno}`);
  const qd = opened.acceptedQd;
  const set: WaitSet = os.waitSet();
  let last = 0;
  return {
    system: 'catcollar log',
    file: 'prepared',
    wait,
    append: group => {
      for (const record of group) set.add(os.push(qd, record));
      while (set.size > 0) {
        const result = set.wait()!;
        if (result.errno !== 0) throw new Error(`push: errno ${result.errno}`);
        last = result.position;
      }
    },
    close: () => {
      os.wait(os.truncate(qd, last));
      os.shutDown();
    },
  };
}

/** Where the next bytes go: in a prepared file round and round. */
class Positions {
  private readonly limit: number;
  private at: number;

  constructor(kind: PeerFile) {
    this.limit = kind === 'prepared' ? FILE_BYTES : Number.POSITIVE_INFINITY;
    this.at = 0;
  }

  take(lengthBytes: number): number {
    if (this.at + lengthBytes > this.limit) this.at = 0;
    const position = this.at;
    this.at += lengthBytes;
    return position;
  }
}

function lengthOf(group: readonly Uint8Array[]): number {
  return group.reduce((sum, record) => sum + record.length, 0);
}

/** One writev and one datasync per group; with `spin`, the event loop never sleeps. */
export async function writevAppender(directory: string, kind: PeerFile, spin: boolean): Promise<Appender> {
  const { file, positions } = await fileOf(directory, `writev-${kind}-${spin}`, kind);
  return {
    system: 'fs.promises writev + datasync',
    file: kind,
    wait: spin ? 'spin' : 'interrupt',
    append: async group => {
      const done = spinWhile(spin);
      await file.writev([...group], positions.take(lengthOf(group)));
      await file.datasync();
      done();
    },
    close: () => file.close(),
  };
}

/** As many writes and datasyncs as records, at once. */
export async function concurrentAppender(directory: string, kind: PeerFile): Promise<Appender> {
  const { file, positions } = await fileOf(directory, `concurrent-${kind}`, kind);
  return {
    system: 'fs.promises, each write + datasync',
    file: kind,
    wait: 'interrupt',
    append: async group => {
      await Promise.all(
        group.map(async record => {
          await file.write(record, 0, record.length, positions.take(record.length));
          await file.datasync();
        }),
      );
    },
    close: () => file.close(),
  };
}

/** Blocks the thread. */
export function synchronousAppender(directory: string, kind: PeerFile): Appender {
  const path = join(directory, `sync-${kind}`);
  makeFile(path, kind);
  const fd = openSync(path, 'r+');
  const positions = new Positions(kind);
  return {
    system: 'fs writevSync + fdatasyncSync',
    file: kind,
    wait: 'blocks',
    append: group => {
      writevSync(fd, [...group], positions.take(lengthOf(group)));
      fdatasyncSync(fd);
    },
    close: () => closeSync(fd),
  };
}

async function fileOf(
  directory: string,
  name: string,
  kind: PeerFile,
): Promise<{ file: FileHandle; positions: Positions }> {
  const path = join(directory, name);
  makeFile(path, kind);
  return { file: await openFile(path, 'r+'), positions: new Positions(kind) };
}

/** Keeps Node's event loop from sleeping until the function it returns is called. */
function spinWhile(spin: boolean): () => void {
  let over = !spin;
  const turn = (): void => {
    if (!over) setImmediate(turn);
  };
  turn();
  return () => {
    over = true;
  };
}
