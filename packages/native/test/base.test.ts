// The base doors: loading, errors, raw system calls, memory maps.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { DemiError } from '@demikernel/memory';
import {
  capabilityAdvice,
  EBADF,
  EPERM,
  ERRNO,
  errnoName,
  errnoNumber,
  systemError,
} from '../src/kernel/errno.ts';
import { addressOf, libc, platformRefusal, viewOf } from '../src/kernel/library.ts';
import { MAX_MAP_BYTES, mapAnonymous, mapDescriptor, mapRegion } from '../src/kernel/memory-map.ts';
import { bpf, syscall } from '../src/kernel/system-call.ts';

test('importing the entry loads no native library', () => {
  const entry = new URL('../src/kernel/index.js', import.meta.url).href;
  const script = `await import(${JSON.stringify(entry)});
    const { createRequire } = await import('node:module');
    const cache = Object.keys(createRequire(${JSON.stringify(entry)}).cache);
    process.exit(cache.some(path => path.includes('koffi')) ? 1 : 0);`;
  const child = spawnSync(process.execPath, ['--input-type=module', '-e', script]);
  assert.equal(child.status, 0, child.stderr.toString());
});

test('other platforms are refused by name', () => {
  assert.equal(platformRefusal('linux', 'x64'), undefined);
  assert.match(platformRefusal('darwin', 'arm64') ?? '', /darwin arm64/);
  assert.match(platformRefusal('linux', 'arm64') ?? '', /linux arm64/);
  const library = new URL('../src/kernel/library.js', import.meta.url).href;
  const script = `Object.defineProperty(process, 'arch', { value: 'arm64' });
    const { libc } = await import(${JSON.stringify(library)});
    try { libc(); } catch (error) { process.exit(error.code === 'ERR_DEMI_PLATFORM' ? 7 : 1); }`;
  assert.equal(spawnSync(process.execPath, ['--input-type=module', '-e', script]).status, 7);
});

test('error numbers have names both ways', () => {
  assert.equal(errnoName(1), 'EPERM');
  assert.equal(errnoName(-11), 'EAGAIN');
  assert.equal(errnoName(133), 'EHWPOISON');
  assert.equal(errnoName(9999), 'E9999');
  assert.equal(errnoNumber('ETIMEDOUT'), 110);
  assert.equal(errnoNumber('nonsense'), 0);
  for (const [name, number] of Object.entries(ERRNO)) assert.equal(errnoName(number), name);
});

test('a refused call becomes a typed error', () => {
  assert.equal(libc().close(-1), -1);
  const error = systemError('close', { detail: 'testing' });
  assert.ok(error instanceof DemiError);
  assert.deepEqual(
    [error.code, error.errno, error.errnoName, error.syscall],
    ['ERR_DEMI_SYSCALL', EBADF, 'EBADF', 'close'],
  );
  const denied = systemError('bpf', { errno: -EPERM, capabilities: ['CAP_BPF', 'CAP_NET_ADMIN'] });
  assert.equal(denied.code, 'ERR_DEMI_PERMISSION');
  assert.match(denied.message, /CAP_BPF and CAP_NET_ADMIN.*setcap cap_bpf,cap_net_admin\+ep/);
  assert.match(capabilityAdvice(['CAP_NET_RAW']), /cap_net_raw/);
});

test('raw system calls return results or negative errno', () => {
  assert.equal(syscall(39), process.pid);
  assert.equal(syscall(3, -1), -EBADF);
  const attributes = new Uint8Array(72);
  // BPF_MAP_LOOKUP_ELEM on descriptor -1: EBADF, or EPERM for want of privilege.
  new DataView(attributes.buffer).setInt32(0, -1, true);
  assert.ok([-EBADF, -EPERM].includes(bpf(1, attributes)));
});

test('an address is the address of the first byte seen', () => {
  const bytes = new Uint8Array(4096);
  bytes[10] = 42;
  const window = bytes.subarray(10, 12);
  assert.equal(addressOf(window), addressOf(bytes) + 10);
  assert.equal(new Uint8Array(viewOf(addressOf(window), 1))[0], 42);
});

test('anonymous memory is zeroed, writable, and reads zeros after release', () => {
  const map = mapAnonymous({ lengthBytes: 5000, populate: true, lock: true });
  assert.equal(map.lengthBytes, 8192);
  assert.equal(map.buffer.byteLength, 8192);
  assert.equal(map.address, BigInt(map.addressNumber));
  const stale = map.bytes();
  assert.ok(stale.every(byte => byte === 0));
  stale.fill(7);
  assert.equal(map.signedWords(4096, 1)[0], 0x07070707);
  assert.equal(map.view(8190).byteLength, 2);
  map.release();
  map.release();
  assert.equal(map.released, true);
  assert.ok(stale.every(byte => byte === 0));
  stale[0] = 1;
  assert.equal(stale[0], 1);
});

test('a released map can be taken away whole', () => {
  const map = mapAnonymous({ lengthBytes: 4096 });
  map.unmap();
  assert.equal(map.released, true);
});

test('huge pages are tried and given up politely', () => {
  const map = mapAnonymous({ lengthBytes: 100_000, hugePages: 'try' });
  assert.equal(map.lengthBytes, map.hugePages ? 2 ** 21 : 102_400);
  map.bytes().fill(1);
  map.release();
});

test('lengths out of bounds are refused', () => {
  for (const lengthBytes of [0, -1, 1.5, Number.NaN, MAX_MAP_BYTES + 1]) {
    assert.throws(() => mapAnonymous({ lengthBytes }), { code: 'ERR_DEMI_RANGE' });
  }
  assert.throws(() => mapAnonymous({ lengthBytes: MAX_MAP_BYTES, hugePages: 'try' }), {
    code: 'ERR_DEMI_RANGE',
  });
});

test('a descriptor is mapped at an offset', () => {
  const folder = mkdtempSync(join(tmpdir(), 'demi-map-'));
  const fd = openSync(join(folder, 'file'), 'w+');
  try {
    writeSync(fd, Buffer.alloc(8192, 3));
    writeSync(fd, Buffer.from('here'), 0, 4, 4096);
    const shared = mapDescriptor({ fd, lengthBytes: 4096, offsetBytes: 4096 });
    const alone = mapDescriptor({ fd, lengthBytes: 4096, offsetBytes: 4096, shared: false });
    const readOnly = mapDescriptor({ fd, lengthBytes: 4096, offsetBytes: 4096, writable: false });
    assert.equal(Buffer.from(shared.bytes(0, 4)).toString(), 'here');
    shared.bytes()[0] = 72;
    alone.bytes()[1] = 90;
    assert.equal(Buffer.from(readOnly.bytes(0, 4)).toString(), 'Here');
    for (const map of [shared, alone, readOnly]) map.release();
    assert.equal(readOnly.bytes()[0], 0);
    assert.throws(() => mapDescriptor({ fd: -1, lengthBytes: 4096 }), {
      errnoName: 'EBADF',
      syscall: 'mmap',
    });
  } finally {
    closeSync(fd);
    rmSync(folder, { recursive: true });
  }
});

test('a region releases its map', () => {
  const region = mapRegion({ lengthBytes: 4096 });
  region.bytes[0] = 9;
  assert.ok(region.address > 0n);
  region.release();
  assert.equal(region.bytes[0], 0);
});
