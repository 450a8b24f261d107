// Commands, data pointers and identities, word by word and byte by byte.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  encodeAbort,
  encodeCreateCompletionQueue,
  encodeCreateSubmissionQueue,
  encodeGetErrorLog,
  encodeTransfer,
  FORCE_UNIT_ACCESS,
  NVM_READ,
  NVM_WRITE,
} from '../../src/nvme/commands.ts';
import { readControllerIdentity, readNamespace, readNamespaceList } from '../../src/nvme/identify.ts';
import { MAX_PRP_BYTES, setDataPointer } from '../../src/nvme/prp.ts';
import { readCapabilities } from '../../src/nvme/registers.ts';
import { isPassing, statusErrno, statusText } from '../../src/nvme/status.ts';
import { EINVAL, EIO, ETIMEDOUT } from '../../src/runtime/errno.ts';

function entry(encode: (words: Int32Array, at: number) => void): string {
  const words = new Int32Array(16);
  encode(words, 0);
  return Buffer.from(words.buffer)
    .toString('hex')
    .replace(/(.{8})/g, '$1 ')
    .trim();
}

test('a read and a write', () => {
  const zeros = (count: number): string => '00000000 '.repeat(count);
  assert.equal(
    entry((words, at) => encodeTransfer(words, at, NVM_READ, 1, 0x1234, 8, 0)),
    `02000000 01000000 ${zeros(8)}34120000 00000000 07000000 ${zeros(3)}`.trim(),
  );
  assert.equal(
    entry((words, at) => encodeTransfer(words, at, NVM_WRITE, 2, 0x12_8000_0001, 65536, FORCE_UNIT_ACCESS)),
    `01000000 02000000 ${zeros(8)}01000080 12000000 ffff0040 ${zeros(3)}`.trim(),
  );
});

test('admin commands', () => {
  const words = new Int32Array(64);
  encodeCreateCompletionQueue(words, 0, 3, 128, 0x123456);
  assert.deepEqual([...words.subarray(6, 12)], [0x23456000, 1, 0, 0, 3 | (127 << 16), 1]);
  encodeCreateSubmissionQueue(words, 16, 3, 128, 1);
  assert.deepEqual([...words.subarray(26, 28)], [3 | (127 << 16), 1 | (3 << 16)]);
  encodeAbort(words, 32, 2, 0x0507);
  assert.equal(words[42], 2 | (0x0507 << 16));
  encodeGetErrorLog(words, 48, 256, 1);
  assert.deepEqual([words[49], words[58]], [-1, 1 | (63 << 16)]);
});

test('data pointers: a page, two, a list', () => {
  const list = new Int32Array(1024);
  const pointer = (offset: number, length: number): number[] => {
    const words = new Int32Array(16);
    setDataPointer(words, 0, 0x100005, offset, length, list, 0, 0x77);
    return [...words.subarray(6, 10)];
  };
  assert.deepEqual(pointer(0, 4096), [0x5000, 1, 0, 0]);
  assert.deepEqual(pointer(512, 3584), [0x5200, 1, 0, 0]);
  assert.deepEqual(pointer(512, 3585), [0x5200, 1, 0x6000, 1]);
  assert.deepEqual(pointer(4096 + 512, 4096), [0x6200, 1, 0x7000, 1]);
  assert.deepEqual(pointer(4, 8193), [0x5004, 1, 0x77000, 0]);
  assert.deepEqual([...list.subarray(0, 4)], [0x6000, 1, 0x7000, 1]);
  assert.deepEqual(pointer(0, MAX_PRP_BYTES), [0x5000, 1, 0x77000, 0]);
  assert.deepEqual([list[1020], list[1021]], [(5 + 511) << 12, 1]);
});

test('capabilities', () => {
  assert.deepEqual(readCapabilities(0x0f01_07ff, 0x0000_0020), {
    maxQueueEntries: 2048,
    readyTimeoutMs: 7500,
    doorbellStrideWords: 1,
    smallPages: true,
    nvmCommands: true,
  });
  assert.equal(readCapabilities(0, 0x0001_0022).smallPages, false);
  assert.equal(readCapabilities(0, 2).doorbellStrideWords, 4);
});

test('identities, and pages that are none', () => {
  const view = new DataView(new ArrayBuffer(4096));
  view.setUint8(77, 7);
  assert.equal(readControllerIdentity(view).maxTransferBytes, 512 << 10);
  view.setUint8(77, 0);
  assert.equal(readControllerIdentity(view).maxTransferBytes, Number.POSITIVE_INFINITY);
  assert.deepEqual(readNamespaceList(view), []);
  view.setUint32(0, 1, true);
  view.setUint32(4, 5, true);
  view.setUint32(8, 3, true);
  assert.deepEqual(readNamespaceList(view), [1, 5]);
  const namespace = new DataView(new ArrayBuffer(4096));
  assert.match(String(readNamespace(namespace, 1)), /not active/);
  namespace.setBigUint64(0, 1000n, true);
  assert.match(String(readNamespace(namespace, 1)), /2\^0/);
  namespace.setUint8(130, 12);
  assert.deepEqual(readNamespace(namespace, 1), {
    id: 1,
    blocks: 1000,
    blockBytes: 4096,
    lengthBytes: 4096000,
  });
  namespace.setUint8(26, 5);
  assert.match(String(readNamespace(namespace, 1)), /no format 5/);
  namespace.setUint8(26, 0);
  namespace.setUint16(128, 8, true);
  assert.match(String(readNamespace(namespace, 1)), /metadata/);
  namespace.setBigUint64(0, 2n ** 60n, true);
  namespace.setUint16(128, 0, true);
  assert.match(String(readNamespace(namespace, 1)), /larger/);
  // Whatever a page holds, it is read.
  for (let seed = 0; seed < 2000; seed++) {
    for (let i = 0; i < 4096; i += 4)
      namespace.setUint32(i, Math.imul(seed * 4096 + i, 0x9e3779b1) >>> 0, true);
    readNamespace(namespace, 1);
    readNamespaceList(namespace);
    readControllerIdentity(namespace);
  }
});

test('statuses', () => {
  assert.equal(statusErrno(0), 0);
  assert.equal(statusErrno(0x4080), EINVAL);
  assert.equal(statusErrno(0x006), EIO);
  assert.equal(statusErrno(0x7fff), ETIMEDOUT);
  assert.equal(statusText(0x4080), 'LBA out of range (0x4080)');
  assert.equal(isPassing(0x082), true);
  assert.equal(isPassing(0x4082), false);
});
