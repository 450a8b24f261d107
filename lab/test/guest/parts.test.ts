// The parts of the guest that need no guest: the archive, the order of modules, the output with its marks, the command
// line, the kernel cache.

import assert from 'node:assert/strict';
import {
  closeSync,
  fstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { commandLine, commandScript, quote } from '../../src/guest/command-script.ts';
import { writeCpio } from '../../src/guest/cpio.ts';
import { openNamelessFile } from '../../src/guest/disk-image.ts';
import { assumedCounterKHz, correctedCounterKHz } from '../../src/guest/host-counter.ts';
import { isDynamic } from '../../src/guest/initial-file-system.ts';
import { findKernel, guestCacheFolder } from '../../src/guest/kernel-package.ts';
import { modulesInOrder } from '../../src/guest/modules.ts';
import { OutputStream } from '../../src/guest/output-stream.ts';
import { machineArguments } from '../../src/guest/qemu-command.ts';

function inFolder(use: (folder: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), 'demikernel-guest-parts-'));
  try {
    use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

test('an archive has headers, names and data at multiples of four', () => {
  const archive = writeCpio([
    { path: 'bin' },
    { path: 'bin/a', data: Buffer.from('hello'), executable: true },
  ]);
  const found: { name: string; mode: number; data: string }[] = [];
  for (let at = 0; at < archive.length; ) {
    const field = (index: number): number =>
      Number.parseInt(archive.toString('latin1', at + 6 + index * 8, at + 14 + index * 8), 16);
    assert.equal(archive.toString('latin1', at, at + 6), '070701');
    assert.equal(at & 3, 0);
    const [mode, size, nameBytes] = [field(1), field(6), field(11)];
    const dataAt = (at + 110 + nameBytes + 3) & ~3;
    const name = archive.toString('latin1', at + 110, at + 110 + nameBytes - 1);
    found.push({ name, mode, data: archive.toString('latin1', dataAt, dataAt + size) });
    at = (dataAt + size + 3) & ~3;
  }
  assert.deepEqual(found, [
    { name: 'bin', mode: 0o040755, data: '' },
    { name: 'bin/a', mode: 0o100755, data: 'hello' },
    { name: 'TRAILER!!!', mode: 0, data: '' },
  ]);
});

test('modules are loaded after what they need, once, and built-in ones not at all', () => {
  inFolder(folder => {
    const lines = [
      'fs/9p/9p.ko: net/9pnet.ko fs/netfs.ko',
      'net/9pnet.ko:',
      'fs/netfs.ko: lib/base.ko',
      'lib/base.ko:',
    ];
    lines.push('drivers/virtio-pci.ko: lib/base.ko');
    writeFileSync(join(folder, 'modules.dep'), `${lines.join('\n')}\n`);
    assert.deepEqual(modulesInOrder(folder, ['virtio_pci', 'ext4', '9p']), [
      'lib/base.ko',
      'drivers/virtio-pci.ko',
      'net/9pnet.ko',
      'fs/netfs.ko',
      'fs/9p/9p.ko',
    ]);
  });
});

test('output is told from its end however it is cut', () => {
  const mark = 'end-of-command-4711';
  const text = `one\n${mark.slice(0, 9)} two end-of${mark} 3\nthree${mark} 141\n`;
  for (let size = 1; size < text.length; size++) {
    const heard: string[] = [''];
    const stream = new OutputStream(
      mark,
      bytes => void (heard[heard.length - 1] += bytes.toString()),
      status => void heard.push(`${status}`, ''),
    );
    for (let at = 0; at < text.length; at += size) stream.push(Buffer.from(text.slice(at, at + size)));
    assert.deepEqual(
      heard,
      [`one\n${mark.slice(0, 9)} two end-of`, '3', 'three', '141', ''],
      `in pieces of ${size}`,
    );
  }
});

test('what cannot begin a mark is not held back', () => {
  const heard: string[] = [];
  const stream = new OutputStream(
    'mark',
    bytes => void heard.push(bytes.toString()),
    () => {},
  );
  stream.push(Buffer.from('a prompt without an end of line'));
  stream.push(Buffer.from('m'));
  stream.push(Buffer.from('m'));
  assert.deepEqual(heard, ['a prompt without an end of line', 'm']);
});

test('commands reach the shell as they were given', () => {
  assert.equal(quote(`it's $HOME`), `'it'\\''s $HOME'`);
  assert.equal(commandLine(['echo a; echo b']), 'echo a; echo b');
  assert.equal(commandLine(['echo', 'a b', '*']), `'echo' 'a b' '*'`);
  const environment = { A: `x'y`, npm_config_z: '1', 'BAD-NAME': '1', PATH: '/bin' };
  const script = commandScript('run me', '/a b', environment);
  assert.match(script, /^export A='x'\\''y'$/m);
  assert.match(script, /^export PATH='\/bin'$/m);
  assert.match(script, /^export DEMIKERNEL_GUEST='1'$/m);
  assert.doesNotMatch(script, /npm_config|BAD-NAME/);
  assert.match(script, /\ncd '\/a b' \|\| exit 126\nrun me\n$/);
});

test('disks have no name', () => {
  inFolder(folder => {
    const fd = openNamelessFile(1 << 30, folder);
    try {
      assert.deepEqual(readdirSync(folder), []);
      const { size, blocks } = fstatSync(fd);
      assert.equal(size, 1 << 30);
      assert.equal(blocks, 0);
    } finally {
      closeSync(fd);
    }
  });
});

test('the machine has a disk for each image and a port for each stream', () => {
  const args = machineArguments({
    kernelImage: '/k',
    initialFileSystem: '/i',
    counterKHz: 2_500_000,
    memoryMiB: 512,
    processors: 1,
    disks: [
      { path: '/d0', blockBytes: 512 },
      { path: '/d1', blockBytes: 4096 },
    ],
    portFds: [3, 4, 5],
  }).join(' ');
  assert.match(args, /file=\/d0 -device nvme-ns,drive=disk0,bus=nvme0,nsid=1,logical_block_size=512/);
  assert.match(args, /file=\/d1 -device nvme-ns,drive=disk1,bus=nvme0,nsid=2,logical_block_size=4096/);
  assert.match(args, /id=stderr,fd=5/);
  assert.match(args, /path=\/,security_model=none,readonly=on/);
});

test('a clock that runs wrong is put right, a late message is no wrong clock', () => {
  assert.equal(assumedCounterKHz('processor : 0\ncpu MHz\t\t: 2596.094\n'), 2_596_094);
  assert.equal(assumedCounterKHz('processor : 0\n'), 2_000_000);
  const from = { hostMs: 1000, guestMs: 50 };
  assert.equal(correctedCounterKHz(2_500_000, from, { hostMs: 11_000, guestMs: 9000 }), 2_500_000);
  assert.equal(correctedCounterKHz(2_500_000, from, { hostMs: 11_000, guestMs: 60_050 }), 15_000_000);
  assert.equal(correctedCounterKHz(2_500_000, from, { hostMs: 11_000, guestMs: 5050 }), 1_250_000);
});

test('the cache gives the newest whole kernel', () => {
  assert.equal(guestCacheFolder({ DEMIKERNEL_GUEST_CACHE: '/c' }), '/c');
  assert.equal(guestCacheFolder({ XDG_CACHE_HOME: '/x' }), '/x/demikernel/guest');
  inFolder(cache => {
    assert.equal(findKernel(join(cache, 'absent')), undefined);
    assert.equal(findKernel(cache), undefined);
    const make = (name: string, release: string, whole: boolean): void => {
      const modules = join(cache, name, 'lib/modules', release);
      mkdirSync(modules, { recursive: true });
      mkdirSync(join(cache, name, 'boot'));
      writeFileSync(join(modules, 'modules.dep'), '');
      if (whole) writeFileSync(join(cache, name, 'boot', `vmlinuz-${release}`), '');
    };
    make('linux-image-6.1.0-9-amd64_1', '6.1.0-9-amd64', true);
    make('linux-image-6.1.0-56-amd64_1', '6.1.0-56-amd64', true);
    make('linux-image-7.0.0-1-amd64_1', '7.0.0-1-amd64', false);
    assert.equal(findKernel(cache)?.release, '6.1.0-56-amd64');
  });
});

test('a dynamic program is no busybox for an empty file system', () => {
  assert.equal(isDynamic(readFileSync(process.execPath)), true);
});
