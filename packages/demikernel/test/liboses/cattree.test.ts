// Cattree over a model of a controller: crashes that lose what is not durable, devices that hold something else, directories
// that are damaged, full devices. DEMIKERNEL_LOG_FAULTS says how many faults; default 1200.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { COPY_BYTES, Directory, decodeDirectory, layOut } from '../../src/liboses/cattree/directory.ts';
import { heapBuffer } from '../../src/liboses/storage/memory-storage.ts';
import { findSignature } from '../../src/nvme/signatures.ts';
import { ManualClock } from '../../src/runtime/clock.ts';
import { EBUSY, EEXIST, EINVAL, EIO, ENOENT, ENOSPC } from '../../src/runtime/errno.ts';
import { SeededRandom } from '../../src/runtime/random.ts';
import { type SegmentStore, STORE_ALLOCATE, StoreRequest } from '../../src/runtime/segment-store.ts';
import { Lives, type MortalDisk } from '../log/lives.ts';
import { Machine, payload } from '../log/machine.ts';
import { ModelDisk } from '../nvme/model-disk.ts';
import { type ModelTree, type ModelTreeOptions, openModelTree } from './model-tree.ts';

const FAULTS = Number(process.env['DEMIKERNEL_LOG_FAULTS'] ?? 1200);
const FIRST_SEED = Number(process.env['DEMIKERNEL_LOG_SEED'] ?? 1);
const LIVES = 20;
const SEGMENT = 64 << 10;

function makeDisk(segments: number, blockBytes = 512, volatileCache = true): ModelDisk {
  const lengthBytes = 2 * COPY_BYTES + segments * SEGMENT;
  return new ModelDisk({ id: 1, blocks: lengthBytes / blockBytes, blockBytes, volatileCache });
}

function tree(disk: ModelDisk, options: Partial<ModelTreeOptions> = {}): ModelTree {
  const random = options.random ?? new SeededRandom(3);
  return openModelTree(disk, { clock: new ManualClock(), random, segmentBytes: SEGMENT, ...options });
}

describe('power that goes', () => {
  const mortal =
    (blockBytes: number, volatileCache: boolean, errorRate: number) =>
    (random: SeededRandom): MortalDisk => {
      const disk = makeDisk(64, blockBytes, volatileCache);
      return {
        blockBytes,
        get faultCount() {
          return disk.faultCount;
        },
        begin: () => {
          const { model, storage } = tree(disk, {
            random,
            latencySteps: 4,
            segmentBytes: 128 << 10,
            memoryBytes: 4 << 20,
          });
          model.misbehaviour = { errorRate, onlyWrites: true, statuses: [0x006, 0x280] };
          return { storage, crash: () => model.powerOff() };
        },
      };
    };

  const run = (disk: (random: SeededRandom) => MortalDisk): string => {
    let [faults, checked, seed] = [0, 0, FIRST_SEED];
    for (; faults < FAULTS / 4; seed++) {
      const lives = new Lives({ seed, disk });
      for (let life = 0; life < LIVES; life++) lives.live();
      faults += lives.faults;
      checked += lives.checked;
    }
    assert.ok(checked > faults);
    return `${faults} faults, ${checked} records checked, seeds ${FIRST_SEED} to ${seed - 1}`;
  };

  test('loses no acknowledged record', t => t.diagnostic(run(mortal(512, true, 0))));
  test('nor on blocks of 4096 bytes', t => t.diagnostic(run(mortal(4096, true, 0))));
  test('nor without a volatile cache', t => t.diagnostic(run(mortal(512, false, 0))));
  test('nor when commands fail', t => t.diagnostic(run(mortal(512, true, 0.02))));
});

describe('what is on the device', () => {
  test('a directory is found again; names, ownership, errors', () => {
    const disk = makeDisk(8);
    let { model, released, storage } = tree(disk);
    assert.equal(storage.openStore('../up', 'either'), EINVAL);
    assert.equal(storage.openStore('absent', 'existing'), ENOENT);
    const machine = new Machine(storage);
    const qd = machine.open({ mode: 'new' }, 'orders');
    assert.ok(qd >= 0);
    assert.equal(storage.openStore('orders', 'either'), EBUSY);
    machine.write(qd, payload(1, 100));
    machine.shutDown();
    assert.equal(released(), 1);
    assert.deepEqual(model.complaints, []);
    ({ model, released, storage } = tree(disk));
    assert.equal(storage.openStore('orders', 'new'), EEXIST);
    const again = new Machine(storage);
    const { records } = again.readAll(again.open({}, 'orders'));
    assert.equal(records.length, 1);
    again.shutDown();
  });

  test('something else is not overwritten, unless that is asked for', () => {
    const disk = makeDisk(8);
    disk.bytes.set([0x53, 0xef], 0x438);
    disk.flush();
    const kept = disk.bytes.slice();
    assert.throws(() => tree(disk), { code: 'ERR_DEMI_IN_USE', message: /ext4 file system.*overwrite/ });
    disk.bytes.fill(0, 0x438, 0x43a);
    disk.bytes[5000] = 1;
    assert.throws(() => tree(disk), { code: 'ERR_DEMI_IN_USE', message: /holds something/ });
    disk.bytes[5000] = 0;
    disk.bytes.set([0x53, 0xef], 0x438);
    assert.deepEqual(disk.bytes, kept);
    const machine = new Machine(tree(disk, { overwrite: true }).storage);
    machine.write(machine.open(), payload(1, 10));
    machine.shutDown();
    // Nothing is left that somebody would take for what was there.
    const read = (offset: number, length: number): Uint8Array => disk.bytes.slice(offset, offset + length);
    assert.equal(findSignature(read, disk.bytes.length), undefined);
    tree(disk).storage.close();
  });

  test('a segment says nothing of whose it was before', () => {
    const disk = makeDisk(8);
    const machine = new Machine(tree(disk).storage);
    machine.write(machine.open(), payload(1, 100));
    machine.shutDown();
    // The directory gives the old log's segment to a new one; then the power goes, before that has written its header.
    const { model, storage } = tree(disk, { overwrite: true });
    const store = storage.openStore('orders', 'new') as SegmentStore;
    let answered = false;
    const request = new StoreRequest({ storeDone: () => (answered = true) });
    request.ask(STORE_ALLOCATE, 0);
    store.submit(request);
    while (!answered) {
      storage.flush();
      storage.poll();
    }
    assert.equal(request.errno, 0);
    model.powerOff();
    const again = new Machine(tree(disk).storage);
    const qd = again.open({}, 'orders');
    assert.ok(qd >= 0, `errno ${-qd}`);
    assert.deepEqual(again.readAll(qd).records, []);
    again.shutDown();
  });

  test('records that look like file systems do not lock their owner out', () => {
    const disk = makeDisk(8);
    tree(disk).storage.close();
    disk.bytes.set(Buffer.from('EFI PART'), disk.bytes.length - 512);
    tree(disk).storage.close();
  });

  test('one copy of the directory may be lost; when both are, nothing is overwritten', () => {
    const disk = makeDisk(8);
    const machine = new Machine(tree(disk).storage);
    for (const name of ['one', 'two', 'three'])
      machine.write(machine.open({ mode: 'new' }, name), payload(1, 10));
    machine.shutDown();
    const whole = disk.bytes.slice();
    for (const copy of [0, 1]) {
      disk.bytes.set(whole);
      disk.bytes[copy * COPY_BYTES + 70]! ^= 1;
      const { storage } = tree(disk);
      // The newest change is the third log's segment: with its copy the name may be gone, the others are there.
      assert.ok(storage.directory.logs.has('one') && storage.directory.logs.has('two'));
      storage.close();
    }
    disk.bytes.set(whole);
    disk.bytes[70]! ^= 1;
    disk.bytes[COPY_BYTES + 70]! ^= 1;
    assert.throws(() => tree(disk), {
      code: 'ERR_DEMI_IN_USE',
      message: /directory of logs that is damaged/,
    });
  });

  test('a namespace that is too small, or not the one that was written, is refused', () => {
    const tiny = new ModelDisk({ id: 1, blocks: 100, blockBytes: 512 });
    assert.throws(() => tree(tiny), { code: 'ERR_DEMI_OPTION', message: /no room/ });
    const disk = makeDisk(8);
    tree(disk).storage.close();
    const smaller = makeDisk(4);
    smaller.bytes.set(disk.bytes.subarray(0, smaller.bytes.length));
    assert.throws(() => tree(smaller), { code: 'ERR_DEMI_IN_USE', message: /another namespace/ });
  });

  test('a full device says so, and takes records again after a truncation', () => {
    const disk = makeDisk(6);
    const { model, storage } = tree(disk);
    const machine = new Machine(storage);
    const qd = machine.open();
    let position = 0;
    let errno = 0;
    for (let i = 0; errno === 0; i++) {
      assert.ok(i < 1000);
      const operation = machine.push(qd, payload(i, 5000));
      errno = machine.finish(operation);
      if (errno === 0) position = operation.position;
      machine.retire(operation);
    }
    assert.equal(errno, ENOSPC);
    const truncation = machine.truncate(qd, position);
    assert.equal(machine.finish(truncation), 0);
    machine.retire(truncation);
    for (let i = 0; i < 40; i++) {
      const operation = machine.truncate(qd, machine.write(qd, payload(i, 5000)));
      assert.equal(machine.finish(operation), 0);
      machine.retire(operation);
    }
    assert.ok(disk.deallocated.length > 0);
    machine.shutDown();
    assert.deepEqual(model.complaints, []);
  });

  test('a device that dies fails what waits, and what comes', () => {
    const disk = makeDisk(8);
    const clock = new ManualClock();
    const { model, released, storage } = tree(disk, { clock, commandTimeoutMs: 100 });
    const machine = new Machine(storage);
    const qd = machine.open();
    machine.write(qd, payload(1, 10));
    model.pull();
    const operation = machine.push(qd, payload(2, 10));
    moveClock(clock, storage);
    assert.notEqual(machine.finish(operation), 0);
    machine.retire(operation);
    assert.equal(storage.openStore('another', 'either'), EIO);
    machine.shutDown();
    assert.equal(released(), 1);
  });
});

/** Lets time pass with each poll, so that time-outs come. */
function moveClock(clock: ManualClock, storage: ModelTree['storage']): void {
  const poll = storage.poll.bind(storage);
  storage.poll = () => {
    clock.advance(1000);
    return poll();
  };
}

test('segments too small for the blocks are refused', () => {
  assert.throws(() => tree(makeDisk(8, 4096)), { code: 'ERR_DEMI_OPTION', message: /at least 131072/ });
});

describe('the directory', () => {
  test('is read back as it was written, and nothing else is', () => {
    const layout = layOut(-5, 512, SEGMENT, 100 << 20)!;
    const directory = new Directory(layout, 41);
    for (let i = 0; i < 300; i++) directory.owners[i * 3] = directory.addLog(`log-${i}`);
    const buffer = heapBuffer(COPY_BYTES);
    const used = directory.encode(buffer);
    assert.equal(used % 512, 0);
    const read = decodeDirectory(buffer)!;
    assert.deepEqual([read.layout, read.sequence], [layout, 41]);
    assert.deepEqual(read.owners, directory.owners);
    assert.deepEqual([...read.logs], [...directory.logs]);
    const random = new SeededRandom(9);
    for (let i = 0; i < 3000; i++) {
      const at = random.below(used);
      const before = buffer.bytes[at]!;
      buffer.bytes[at] = before ^ (1 << random.below(8));
      const damaged = decodeDirectory(buffer);
      // What lies behind its end is nobody's.
      if (damaged !== undefined) assert.deepEqual([...damaged.logs], [...directory.logs]);
      buffer.bytes[at] = before;
    }
  });

  test('knows its limits', () => {
    assert.equal(layOut(1, 512, SEGMENT, 2 * COPY_BYTES), undefined);
    assert.equal(layOut(1, 512, SEGMENT, 2 * COPY_BYTES + SEGMENT)!.segments, 1);
    assert.equal(layOut(1, 512, SEGMENT, 1e13)!.segments, 65_536);
    const directory = new Directory(layOut(1, 512, SEGMENT, 1e13)!);
    for (let i = 0; i < 1024; i++) assert.equal(directory.addLog(`${i}`.padStart(200, 'x')), i + 1);
    assert.equal(directory.addLog('one too many'), 0);
    const buffer = heapBuffer(COPY_BYTES);
    assert.ok(directory.encode(buffer) <= COPY_BYTES);
    assert.equal(decodeDirectory(buffer)!.logs.size, 1024);
  });
});
