// Writes a cpio archive, the form in which the kernel takes an initial file system
// (Documentation/driver-api/early-userspace/buffer-format.rst). Reads none.

/** A file or folder of the archive. */
export interface CpioEntry {
  /** Relative: `bin/busybox`. Folders come before what lies in them. */
  path: string;
  /** Absent for a folder. */
  data?: Uint8Array;
  executable?: boolean;
}

const S_IFDIR = 0o040000;
const S_IFREG = 0o100000;

/** The archive's bytes, in the `newc` format. */
export function writeCpio(entries: readonly CpioEntry[]): Buffer {
  const parts: Buffer[] = [];
  let inode = 1;
  const add = (path: string, mode: number, data: Uint8Array): void => {
    const name = Buffer.from(`${path}\0`);
    // ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize check
    const fields = [inode++, mode, 0, 0, 1, 0, data.length, 0, 0, 0, 0, name.length, 0];
    const header = `070701${fields.map(field => field.toString(16).padStart(8, '0')).join('')}`;
    parts.push(Buffer.from(header), name, padding(header.length + name.length));
    parts.push(Buffer.from(data), padding(data.length));
  };
  for (const { path, data, executable } of entries) {
    if (data === undefined) add(path, S_IFDIR | 0o755, new Uint8Array(0));
    else add(path, S_IFREG | (executable === true ? 0o755 : 0o644), data);
  }
  add('TRAILER!!!', 0, new Uint8Array(0));
  return Buffer.concat(parts);
}

/** Headers with names, and data, are padded to four bytes. */
function padding(lengthBytes: number): Buffer {
  return Buffer.alloc(-lengthBytes & 3);
}
